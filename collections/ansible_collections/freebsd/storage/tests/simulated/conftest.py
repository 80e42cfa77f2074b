# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A simulated host for the whole code below the modules, with real commands and real files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Engine, Reply, Request
from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.local import LocalCtl
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.plugins.module_utils.command import SystemCommands
from tests.simulator.host import SimulatedHost

OWNER = "demo"
SIZE = 1 << 26

HOSTS = [(release, grammar) for release in ("14.3", "15.0") for grammar in ("classic", "ucl")]
ON_EVERY_HOST = pytest.mark.parametrize("simulated", HOSTS, indirect=True, ids=" ".join, scope="module")
IN_BOTH_GRAMMARS = pytest.mark.parametrize("simulated", HOSTS[:2], indirect=True, ids=" ".join, scope="module")
WITH_UCL = pytest.mark.parametrize("simulated", HOSTS[1::2], indirect=True, ids=" ".join, scope="module")


class Host:
    """What the modules see of a host, and what they cannot see."""

    def __init__(self, simulated: SimulatedHost) -> None:
        self.simulated = simulated
        self.info = simulated.info
        self.conf = Path(simulated.root, "etc/ctl.conf")
        self.pristine = self.conf.read_text()
        self.included = Path(self.info["settings_dir"], "ctl")
        self.ucl = self.info["grammar"] == "ucl"

    @property
    def own(self) -> Path:
        """What has the owner's exports."""
        return self.included / f"{OWNER}.conf" if self.ucl else self.conf

    def apply(
        self,
        *resources: dict[str, Any],
        commands: Optional[SystemCommands] = None,
        seconds: float = 30,
        patience: Optional[Patience] = None,
        check_mode: bool = False,
        secrets: Optional[dict[str, str]] = None,
    ) -> Reply:
        commands = commands or SystemCommands(time.monotonic() + seconds)
        settings_dir = self.info["settings_dir"]
        request = Request(OWNER, self.info["parent"], settings_dir, 10, check_mode)
        engine = Engine(request, commands, LocalCtl(commands, settings_dir, patience=patience))
        return engine.run(items_of(list(resources), secrets or {}))

    def fault(self, **what: Any) -> None:
        self.simulated.control("fault", **what)

    def run(self, *argv: str) -> str:
        done = self.simulated.run(*argv)
        assert done["rc"] == 0, done
        return str(done["out"])

    def targets(self) -> list[str]:
        ports = self.run("ctladm", "portlist", "-x").splitlines()
        return [line.split(">")[1].split("<")[0] for line in ports if "<target>iqn" in line]

    def datasets(self) -> list[str]:
        return self.run("zfs", "list", "-H", "-r", "-o", "name", self.info["parent"]).split()[1:]

    def snapshots(self) -> list[str]:
        return self.run("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-r", self.info["parent"]).split()

    def make(self, name: str, **options: Any) -> str:
        noun = self.apply(volume(name, **options)).outcomes[0].noun
        assert noun is not None
        return str(noun["uuid"])

    def clean(self, *uuids: str) -> None:
        """End everything as a caller would, and see that nothing is left."""
        errors(self.apply(*(unpublish(uuid) for uuid in uuids)), none=True)
        errors(self.apply(*(delete(uuid) for uuid in uuids)), none=True)
        self.empty()

    def empty(self) -> None:
        assert self.datasets() == []
        assert self.targets() == []
        assert "<lun " not in self.run("ctladm", "devlist", "-x")
        assert self.conf.read_text() == self.pristine
        assert sorted(path.name for path in self.conf.parent.iterdir() if "ctl.conf" in path.name) == ["ctl.conf"]
        assert [path.name for path in self.included.glob("*")] == ["portal-group_.conf"] * self.ucl


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SimulatedHost]:
    release, grammar = getattr(request, "param", HOSTS[0])
    with SimulatedHost(tmp_path_factory.mktemp("host"), release, grammar=grammar) as host:
        yield host


@pytest.fixture
def host(simulated: SimulatedHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("PATH", f"{simulated.root}/bin:{os.environ['PATH']}")
    host = Host(simulated)
    yield host
    simulated.control("clear-faults")
    for name in host.datasets():
        host.run("zfs", "inherit", "-r", "org.freebsd.storage:publication.676b8bb84ce7", name)
    host.conf.write_text(host.pristine)
    for path in host.included.glob(f"*{OWNER}.conf*"):
        path.unlink()
    host.run("service", "ctld", "restart")
    for name in reversed(host.datasets()):
        host.run("zfs", "destroy", "-r", name)


def volume(name: str = "pvc-1", **options: Any) -> dict[str, Any]:
    return {"key": name, "kind": "volume", "name": name, "required_bytes": SIZE, **options}


def delete(uuid: str) -> dict[str, Any]:
    return {"key": uuid, "kind": "volume", "state": "absent", "uuid": uuid}


def grow(uuid: str, required_bytes: int, *, key: str = "grow", **options: Any) -> dict[str, Any]:
    return {"key": key, "kind": "volume", "uuid": uuid, "required_bytes": required_bytes, **options}


def snapshot(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return {"key": name, "kind": "snapshot", "name": name, "volume": uuid, **options}


def forget(uuid: str) -> dict[str, Any]:
    return {"key": uuid, "kind": "snapshot", "state": "absent", "uuid": uuid}


def together(name: str, *uuids: str, **options: Any) -> dict[str, Any]:
    return {"key": name, "kind": "group_snapshot", "name": name, "volumes": list(uuids), **options}


def forget_together(uuid: str, *snapshots: str) -> dict[str, Any]:
    return {"key": uuid, "kind": "group_snapshot", "state": "absent", "uuid": uuid, "snapshots": list(snapshots)}


def modify(uuid: str, **options: Any) -> dict[str, Any]:
    return {"key": uuid, "kind": "volume", "uuid": uuid, **options}


def publish(uuid: str, node: str = "n1", **options: Any) -> dict[str, Any]:
    initiator = f"iqn.1994-09.org.freebsd.csi:demo:{node}"
    return {"key": uuid, "kind": "publication", "volume": uuid, "node": node, "initiator": initiator, **options}


def unpublish(uuid: str, node: Optional[str] = None) -> dict[str, Any]:
    return {"key": uuid, "kind": "publication", "state": "absent", "volume": uuid, "node": node}


def errors(reply: Reply, *, none: bool = False) -> list[Optional[str]]:
    """Return the code of each item's error."""
    found = [outcome.error for outcome in reply.outcomes]
    if none:
        assert found == [None] * len(found)
    return [None if error is None else error.code for error in found]


def nouns(reply: Reply) -> Sequence[Any]:
    return [outcome.noun for outcome in reply.outcomes]
