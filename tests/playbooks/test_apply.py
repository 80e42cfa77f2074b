"""The playbooks apply and info as a person uses them: with variables, twice, and in check mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.playbooks.play import play
from tests.simulator.host import SimulatedHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VOLUME = {"key": "data", "kind": "volume", "name": "data", "required_bytes": 1 << 20}
GONE: dict[str, Any] = {"key": "data", "kind": "volume", "state": "absent"}
EXPORT = {"key": "export", "kind": "publication", "node": "node1", "initiator": "iqn.1994-09.org.freebsd:node1"}


@pytest.fixture
def host(directory: Path) -> Iterator[SimulatedHost]:
    """A storage host."""
    with SimulatedHost(directory / "host") as simulated:
        yield simulated


def variables(host: SimulatedHost, *resources: dict[str, Any]) -> dict[str, Any]:
    """The variables of both playbooks."""
    return {
        "storage_parent": host.info["parent"],
        "storage_settings_dir": host.info["settings_dir"],
        "storage_resources": list(resources),
    }


def uuid_of(host: SimulatedHost, dataset: str) -> str:
    """The uuid that the host gave to a volume."""
    properties = host.control("state")["datasets"][dataset]["properties"]
    return str(properties["org.freebsd.storage:uuid"])


def changes(host: SimulatedHost, directory: Path, *resources: dict[str, Any], check: bool = False) -> int:
    """Apply the resources; return how many tasks changed something."""
    run = play("apply", host, directory, variables(host, *resources), check=check)
    assert run.ok, run.output
    return run.changed


def test_a_volume_and_its_export_come_and_go_and_a_second_run_changes_nothing(
    host: SimulatedHost, directory: Path
) -> None:
    """Present, present, exported, exported, absent, absent: every second one is unchanged."""
    before = host.control("state")
    assert [changes(host, directory, VOLUME) for _ in range(2)] == [1, 0]
    uuid = uuid_of(host, "tank/csi/data")
    export = {**EXPORT, "volume": uuid}
    assert [changes(host, directory, export) for _ in range(2)] == [1, 0]
    assert len(host.control("state")["luns"]) == 1
    gone = {"key": "export", "kind": "publication", "state": "absent", "volume": uuid}
    assert [changes(host, directory, gone) for _ in range(2)] == [1, 0]
    assert [changes(host, directory, {**GONE, "uuid": uuid}) for _ in range(2)] == [1, 0]
    assert host.control("state") == before


def test_check_mode_predicts_and_touches_nothing(host: SimulatedHost, directory: Path) -> None:
    """What would change is told; the host stays as it was, before and after the real run."""
    before = host.control("state")
    assert changes(host, directory, VOLUME, check=True) == 1
    assert host.control("state") == before
    assert changes(host, directory, VOLUME) == 1
    made = host.control("state")
    assert changes(host, directory, VOLUME, check=True) == 0
    uuid = uuid_of(host, "tank/csi/data")
    assert changes(host, directory, {**EXPORT, "volume": uuid}, check=True) == 1
    assert changes(host, directory, {**GONE, "uuid": uuid}, check=True) == 1
    assert host.control("state") == made


def test_info_tells_and_changes_nothing(host: SimulatedHost, directory: Path) -> None:
    """Reading is never a change, in check mode as well."""
    assert changes(host, directory, VOLUME) == 1
    before = host.control("state")
    for check in (False, False, True):
        run = play("info", host, directory, variables(host), check=check)
        assert run.ok, run.output
        assert run.changed == 0
    assert host.control("state") == before


def test_a_wrong_resource_fails_the_task_by_name_and_the_others_are_done(host: SimulatedHost, directory: Path) -> None:
    """One bad item never fails the others, but the person is told."""
    wrong = {"key": "wrong", "kind": "volume", "name": "wrong", "blocksize": 513}
    run = play("apply", host, directory, variables(host, wrong, VOLUME))
    assert not run.ok
    assert "wrong: " in run.output
    assert "blocksize" in run.output
    assert "tank/csi/data" in host.control("state")["datasets"]
    assert "tank/csi/wrong" not in host.control("state")["datasets"]
