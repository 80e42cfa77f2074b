"""What ails a volume on a node is told, of that volume alone, and no dead device keeps whoever asks."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.attach.attacher import Link
from csi_driver.node.health import _is_full
from csi_driver.node.model import Usage
from csi_driver.node.reach import storage_conditions
from csi_driver.node.records import StageRecord
from csi_driver.node.watch import Unanswered, Watch
from csi_driver.storage.model import BlockAccess, MountAccess
from tests.unit.node.lab import EXT4, Lab, needs_root


def used(lab: Lab, access: MountAccess | BlockAccess = EXT4) -> str:
    """Stage and publish; return the target of the volume."""
    attachment = lab.publish_on_host()
    lab.service.stage(lab.stage_request(attachment, access))
    lab.service.publish(lab.publish_request(access))
    return attachment.target


def asked(lab: Lab, *, publish_path: str | None = None, staging_path: str | None = None) -> list[str]:
    """Status and reason of everything that ails the volume."""
    paths = (
        str(lab.target) if publish_path is None else publish_path,
        str(lab.staging) if staging_path is None else staging_path,
    )
    told = lab.service.volume_health(lab.volume_id, *paths)
    assert all(each.message and ".org.freebsd.csi:demo." not in each.message for each in told)
    return [f"{each.status} {each.reason}" for each in told]


def undone(lab: Lab) -> None:
    lab.service.unpublish(lab.volume_id, str(lab.target))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    assert lab.leftovers() == []


def test_a_volume_that_is_not_here_ails_of_nothing_here(lab: Lab) -> None:
    """Whatever paths are named, be they none, not absolute, or not there."""
    for paths in (("", ""), ("x", "../y"), (str(lab.target), str(lab.staging))):
        assert lab.service.volume_health(lab.volume_id, *paths) == ()
    assert lab.service.volume_health("nonsense", "", "") == ()
    assert lab.service.storage_health() == ()


@needs_root
@pytest.mark.parametrize("access", [EXT4, MountAccess("xfs"), BlockAccess()], ids=["ext4", "xfs", "block"])
def test_a_volume_that_is_well_is_told_so_with_and_without_paths(lab: Lab, access: MountAccess | BlockAccess) -> None:
    """A volume that was staged read-only is well, too."""
    attachment = lab.publish_on_host(size=320 << 20)
    lab.service.stage(lab.stage_request(attachment, access))
    lab.service.publish(lab.publish_request(access, readonly=not isinstance(access, BlockAccess)))
    for paths in ({}, {"staging_path": ""}, {"publish_path": ""}, {"staging_path": "", "publish_path": ""}):
        assert asked(lab, **paths) == []
    assert lab.service.storage_health() == ()
    undone(lab)


@needs_root
def test_what_was_unmounted_behind_our_back_is_missing(lab: Lab) -> None:
    """At the staging path and at the target path, each told of itself."""
    used(lab)
    lab.run("umount", str(lab.target))
    assert asked(lab) == ["inaccessible PublicationMissing"]
    lab.run("umount", str(lab.staging))
    assert asked(lab, publish_path="") == ["inaccessible MountMissing"]
    undone(lab)


@needs_root
def test_a_filesystem_that_turned_read_only_or_counts_errors_is_degraded(lab: Lab) -> None:
    """As ext4 does on errors; only where writing was meant to be possible."""
    used(lab)
    device = Path(lab.state / "dev" / lab.disks()[0]).resolve().name
    counter = lab.state / "sys" / "fs" / "ext4" / device / "errors_count"
    counter.parent.mkdir(parents=True)
    counter.write_text("3\n")
    assert asked(lab) == ["degraded FilesystemErrors"]
    counter.write_text("0\n")
    lab.run("mount", "-o", "remount,ro", str(lab.staging))
    assert asked(lab) == ["degraded FilesystemReadOnly"]
    shutil.rmtree(lab.state / "sys" / "fs")
    undone(lab)


@needs_root
def test_a_full_filesystem_is_degraded(lab: Lab) -> None:
    """By bytes or by inodes."""
    used(lab)
    with (lab.target / "big").open("wb") as file:
        while _written(file.fileno()):
            pass
    assert asked(lab) == ["degraded FilesystemNearlyFull"]
    undone(lab)


def _written(descriptor: int) -> bool:
    import os

    try:
        return os.write(descriptor, b"\1" * (1 << 20)) > 0
    except OSError:
        return False


@needs_root
def test_a_session_that_is_lost_makes_the_volume_inaccessible_and_the_host_unreachable(lab: Lab) -> None:
    """With a path or without; once it is back all is well."""
    target = used(lab)
    lab.portal.withdraw(target)
    _soon(lab, ["inaccessible SessionLost"])
    assert asked(lab, publish_path="", staging_path="") in ([], ["inaccessible SessionLost"])
    undone(lab)


def _soon(lab: Lab, expected: list[str]) -> None:
    end = time.monotonic() + 20
    while asked(lab) != expected:
        assert time.monotonic() < end, asked(lab)
        time.sleep(0.1)


@needs_root
def test_health_waits_for_no_operation_on_the_volume(lab: Lab) -> None:
    """It is refused, for what is seen half-way would be told as a fault."""
    with lab.service._locks.hold(lab.volume_id), pytest.raises(DriverError) as caught:
        lab.service.volume_health(lab.volume_id, "", "")
    assert caught.value.code is ErrorCode.BUSY


def test_a_staging_that_is_not_complete_is_not_judged(lab: Lab) -> None:
    """It was interrupted, or failed: its caller knows."""
    attachment = lab.publish_on_host()
    StageRecord.of(lab.stage_request(attachment)).write(str(lab.staging))
    assert asked(lab) == []


@pytest.mark.parametrize(
    ("readonly", "flags", "writable"),
    [(False, (), True), (False, ("noatime", "nodev,rw"), True), (True, (), False), (False, ("noatime,ro",), False)],
)
def test_a_record_says_whether_writing_was_meant_to_be_possible(
    lab: Lab,
    readonly: bool,  # noqa: FBT001
    flags: tuple[str, ...],
    writable: bool,  # noqa: FBT001
) -> None:
    """By the request, or by its mount flags."""
    request = lab.stage_request(lab.publish_on_host(), MountAccess("ext4", flags), readonly=readonly)
    assert StageRecord.of(request).is_writable is writable


def test_what_hangs_is_given_up_and_not_asked_again_until_it_answers() -> None:
    """Each time at once, and without another thread."""
    watch, gate = Watch(), threading.Event()

    def hang(path: str) -> str:
        assert gate.wait(20)
        return path

    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(Unanswered):
            watch.look("/dead", hang, deadline=time.monotonic() + 0.1)
    assert watch.look("/alive", str.upper, deadline=time.monotonic() + 5) == "/ALIVE"
    assert time.monotonic() - began < 5
    assert sum(thread.name == "watch" for thread in threading.enumerate()) == 1
    gate.set()
    end = time.monotonic() + 10
    while "/dead" in watch._owing:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert watch.look("/dead", hang, deadline=time.monotonic() + 5) == "/dead"


def test_what_looking_raises_is_raised() -> None:
    """And the path may be looked at again."""
    watch = Watch()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            watch.look("/nonexistent", lambda path: Path(path).stat(), deadline=time.monotonic() + 5)


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ([], []),
        ([("a:1", True), ("b:1", True)], []),
        ([("a:1", False)], [(True, "StorageHostUnreachable")]),
        ([("a:1", False), ("a:2", True)], [(False, "SessionsLost")]),
        ([("a:1", True), ("a:1", False)], [(False, "SessionsLost")]),
        ([("a:1", False), ("b:1", False), ("b:1", True)], [(True, "StorageHostUnreachable"), (False, "SessionsLost")]),
        ([("elsewhere:1", False)], []),
    ],
)
def test_a_storage_host_is_judged_by_the_sessions_with_it(
    links: Sequence[tuple[str, bool]], told: list[tuple[bool, str]]
) -> None:
    """None of them answers: unreachable; some: degraded. Each is told once for all hosts."""
    portals: Mapping[str, tuple[str, ...]] = {"nas1": ("a:1", "a:2"), "nas2": ("b:1",)}
    found = storage_conditions([Link("iqn.t", portal, alive) for portal, alive in links], portals)
    assert [(each.unreachable, each.reason) for each in found] == told


def test_fullness_counts_what_users_may_use() -> None:
    """Not what is kept for root; and nothing of what does not exist is full."""
    assert _is_full(Usage(total=100, used=81, available=9), 90)
    assert not _is_full(Usage(total=100, used=80, available=10), 90)
    assert not _is_full(Usage(total=0, used=0, available=0), 90)
    assert not _is_full(None, 90)
