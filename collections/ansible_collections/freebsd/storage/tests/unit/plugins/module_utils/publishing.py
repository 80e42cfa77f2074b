# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the tests of publications share: a host whose ctl.conf is a real file and whose commands are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Engine, Reply, Request
from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.local import LocalCtl
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Record
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    TOKENS,
    UUIDS,
    Call,
    Choices,
    FakeClock,
    ScriptedCommands,
    luns_text,
    parent_text,
    ports_text,
    settings,
    volume_text,
)

READ = f"zfs get -Hp -r -t filesystem,volume,snapshot -s local,received,none -o name,property,value,source all {PARENT}"
ADMIN = '# mine\nportal-group "csi" {\n\tlisten 192.0.2.10\n}\n'
TARGET = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[0]}"
LIMITS = Call("sysctl -n kern.cam.ctl.max_ports kern.cam.ctl.max_luns", "256\n1024\n")
PGREP = "pgrep -f -l -L -U 0 -F /var/run/ctld.pid"
UNLOCKED = "pgrep: File '/var/run/ctld.pid' can be locked\n"
RELOAD = Call("service ctld reload")
SYNTAX = "ctld: error in configuration file at line 12 near '}': syntax error\nctld: configuration error; exiting\n"


class Host:
    """A host whose commands are scripted and whose files are real."""

    def __init__(self, directory: Path) -> None:
        self.conf = directory / "ctl.conf"
        self.conf.write_text(ADMIN)
        self.conf.chmod(0o640)
        settings(directory)
        self.directory = directory

    @property
    def staged(self) -> Path:
        return self.conf.with_name("ctl.conf.freebsd-storage")

    def apply(
        self,
        resources: list[dict[str, Any]],
        *calls: Call,
        check_mode: bool = False,
        patience: Optional[Patience] = None,
    ) -> Reply:
        commands = ScriptedCommands(*calls)
        request = Request(OWNER, PARENT, str(self.directory), lock_timeout=0, check_mode=check_mode)
        ctl = LocalCtl(commands, str(self.directory), FakeClock(), patience or Patience())
        reply = Engine(request, commands, ctl, Choices()).run(items_of(resources))
        commands.finished()
        assert not self.staged.exists()
        return reply

    def reads(self, zfs: str, ports: str, luns: str, *, running: bool = True) -> list[Call]:
        found = {"out": f"900 /usr/sbin/ctld -f {self.conf}\n"} if running else {"err": UNLOCKED, "rc": 3}
        calls = [
            Call(READ, parent_text() + zfs),
            Call(PGREP, **found),
            Call("ctladm portlist -x", ports),
            Call("ctladm devlist -x", luns),
            LIMITS,
        ]
        if not running:
            calls.append(Call("sysrc -n ctld_flags", f"-f {self.conf}\n"))
        return calls

    def test(self, err: str = "", rc: int = 0) -> Call:
        return Call(f"ctld -t -f {self.staged}", err=err, rc=rc)


def look(*targets: str, uuids: Sequence[str] = (UUIDS[0],), **luns: Any) -> list[Call]:
    ports = ports_text(*((target, number) for number, target in enumerate(targets)))
    return [Call("ctladm portlist -x", ports), Call("ctladm devlist -x", luns_text(*uuids, **luns))]


def publish(node: str = "node1", uuid: str = UUIDS[0], **options: Any) -> dict[str, Any]:
    initiator = f"iqn.1994-09.org.freebsd.csi:demo:{node}"
    return {"key": node, "kind": "publication", "volume": uuid, "node": node, "initiator": initiator, **options}


def unpublish(node: Optional[str] = "node1", uuid: str = UUIDS[0]) -> dict[str, Any]:
    return {"key": "end", "kind": "publication", "state": "absent", "volume": uuid, "node": node}


def setting(each: Record) -> Call:
    return Call(f"zfs set {each.property_name}={each.to_json()} tank/csi/pvc-1")


def dropping(each: Record) -> Call:
    return Call(f"zfs inherit {each.property_name} tank/csi/pvc-1")


def error_of(reply: Reply, number: int = 0) -> HostError:
    error: Optional[HostError] = reply.outcomes[number].error
    assert error is not None
    return error


EMPTY = (ports_text(), luns_text())
SHOWN = (ports_text((TARGET, 0)), luns_text(UUIDS[0]))


def block(host: Host) -> str:
    text = host.conf.read_text()
    assert text.startswith(ADMIN)
    return text[len(ADMIN) :]


def published(host: Host, *records: Record) -> str:
    """Put the host into the state after these publications; return what zfs get prints then."""
    from ansible_collections.freebsd.storage.plugins.module_utils._ctl import plan
    from ansible_collections.freebsd.storage.plugins.module_utils._ctl.conf import Draft, owner_place
    from ansible_collections.freebsd.storage.plugins.module_utils._ctl.grammar import draw, grammar_of
    from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse

    text = volume_text(records=records)
    volume = parse.inventory(parent_text() + text, PARENT, OWNER).volumes[0]
    exports = [plan.export_of(OWNER, volume, each) for each in volume.records if not each.leaving]
    place = owner_place(str(host.directory), OWNER)
    host.conf.write_text(draw(grammar_of(ucl=False), Draft(ADMIN), place, exports).draft.main)
    return text
