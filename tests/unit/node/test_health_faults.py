"""Faults of devices and sessions that no loop device has: each is told by its own name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node import health
from csi_driver.node.attach.attacher import Attached, Link
from csi_driver.node.health import HealthProbe
from csi_driver.node.model import IscsiAttachment, StageRequest, Usage, VolumeStats
from csi_driver.node.mounts.mountinfo import Mount
from csi_driver.node.records import StageRecord
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess

UUID = "0123456789abcdef" * 2
VOLUME_ID = f"nas1:{UUID}"
TARGET = "iqn.t"
PORTALS = ("192.0.2.10:3260", "192.0.2.11:3260")
DEVICE = "/dev/null"
NUMBER = "1:3"
SIZE = 1 << 20


@dataclass
class Machine:
    """A node that has the volume attached and mounted, and one thing wrong with it."""

    staging: str
    links_: tuple[Link, ...] = tuple(Link(TARGET, portal, alive=True) for portal in PORTALS)
    device: str | DriverError | None = DEVICE
    serials: tuple[Attached, ...] = ()
    number: str = NUMBER

    def with_serial(self, serial: str, *, deadline: float) -> tuple[Attached, ...]:
        assert serial == UUID[:16]
        return self.serials

    def links(self, *, deadline: float) -> tuple[Link, ...]:
        return (*self.links_, Link("iqn.another", PORTALS[0], alive=False))

    def find(self, attachment: IscsiAttachment, *, deadline: float) -> str | None:
        if isinstance(self.device, DriverError):
            raise self.device
        return self.device

    def mounts(self) -> tuple[Mount, ...]:
        mount = Mount(
            device=self.number,
            root="/",
            point=self.staging,
            fs_type="ext4",
            source=DEVICE,
            options=frozenset({"rw"}),
            super_options=frozenset({"rw"}),
        )
        return (mount,)

    def at(self, path: str) -> Mount | None:
        return next((mount for mount in self.mounts() if mount.point == path), None)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(health, "size_bytes", lambda _: SIZE)
    staging = tmp_path / "staging"
    staging.mkdir()
    stage(str(staging), MountAccess("ext4"))
    return Machine(str(staging))


def stage(staging: str, access: MountAccess | BlockAccess) -> None:
    request = StageRequest(
        volume_id=VOLUME_ID,
        staging_path=staging,
        access=access,
        mode=AccessMode.SINGLE_NODE_WRITER,
        attachment=IscsiAttachment(portals=PORTALS, target=TARGET, lun=0, serial=UUID[:16]),
    )
    StageRecord.of(request).now_complete(staging)


def told(machine: Machine, staging: str | None = None) -> list[str]:
    sysfs = Path(machine.staging) / "nothing"
    probe = HealthProbe(machine, machine, portals={}, sysfs=sysfs)  # type: ignore[arg-type]
    found = probe.volume(VOLUME_ID, "", machine.staging if staging is None else staging)
    return [f"{each.status} {each.reason}" for each in found]


def stats(monkeypatch: pytest.MonkeyPatch, *, total: int = SIZE, used: int = 0, inodes: int = 0) -> None:
    found = VolumeStats(
        total_bytes=total,
        usage_bytes=Usage(total=total, used=used, available=total - used),
        usage_inodes=Usage(total=100, used=inodes, available=100 - inodes),
    )
    monkeypatch.setattr(health, "volume_stats", lambda _: found)


def test_all_is_well(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another volume's lost session is no concern of this one."""
    stats(monkeypatch)
    assert told(machine) == []


def test_one_lost_way_of_two_is_degraded_and_both_are_inaccessible(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is no session at all."""
    stats(monkeypatch)
    machine.links_ = (Link(TARGET, PORTALS[0], alive=True), Link(TARGET, PORTALS[1], alive=False))
    assert told(machine) == ["degraded PathLost"]
    machine.links_ = (Link(TARGET, PORTALS[0], alive=False),)
    assert told(machine) == ["inaccessible SessionLost"]
    machine.links_ = ()
    assert told(machine) == ["inaccessible SessionLost"]


def test_without_a_path_a_dead_device_tells(machine: Machine) -> None:
    """By the serial number it bears."""
    machine.serials = (Attached(TARGET, DEVICE, alive=False),)
    machine.number = "0:0"
    assert told(machine, staging="") == ["inaccessible SessionLost"]
    machine.serials = (Attached(TARGET, DEVICE, alive=True),)
    assert told(machine, staging="") == []


def test_without_a_path_the_mount_of_the_device_leads_to_the_record(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so to everything that is wrong."""
    stats(monkeypatch, used=SIZE)
    machine.serials = (Attached(TARGET, DEVICE, alive=True),)
    assert told(machine, staging="") == ["degraded FilesystemNearlyFull"]


def test_a_device_that_is_gone_or_anothers_is_inaccessible(machine: Machine) -> None:
    """What cannot be found out is an error."""
    machine.device = None
    assert told(machine) == ["inaccessible DeviceMissing"]
    machine.device = DriverError(ErrorCode.DEGRADED, "it is another volume and is left alone")
    assert told(machine) == ["inaccessible WrongDevice"]
    machine.device = DriverError(ErrorCode.UNCERTAIN, "iscsiadm did not end in time")
    with pytest.raises(DriverError, match="in time"):
        told(machine)


@pytest.mark.parametrize("access", [MountAccess("ext4"), BlockAccess()], ids=["mount", "block"])
def test_a_device_that_does_not_tell_its_size_is_unresponsive(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, access: MountAccess | BlockAccess
) -> None:
    """Whatever it is used for."""
    stage(machine.staging, access)
    monkeypatch.setattr(health, "size_bytes", _fails)
    assert told(machine) == ["inaccessible DeviceUnresponsive"]
    monkeypatch.setattr(health, "size_bytes", lambda _: 0)
    assert told(machine) == ["inaccessible DeviceUnresponsive"]


def test_a_mount_of_a_device_that_is_gone_is_stale(machine: Machine) -> None:
    """It shows another device's number."""
    machine.number = "8:0"
    assert told(machine) == ["inaccessible StaleMount"]


def test_a_filesystem_that_cannot_be_looked_at_is_unusable(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs is given up after a while, and then at once."""
    monkeypatch.setattr(health, "volume_stats", _fails)
    assert told(machine) == ["inaccessible FilesystemUnusable"]


def test_a_filesystem_larger_than_its_device_and_one_without_inodes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is wrong is told at once."""
    stats(monkeypatch, total=2 * SIZE, used=2 * SIZE, inodes=95)
    assert told(machine) == [
        "inaccessible DeviceTooSmall",
        "degraded FilesystemNearlyFull",
        "degraded InodesNearlyUsedUp",
    ]


def _fails(_path: str) -> int:
    raise OSError(5, "Input/output error")
