"""The node service with real filesystems and real mounts, on the stand-in for open-iscsi."""

from __future__ import annotations

import os
import stat
import subprocess
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.records import StageRecord, publish_path, stage_path
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess
from tests.unit.node.lab import EXT4, Lab, needs_root

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = needs_root
BLOCK = BlockAccess()


def refused(code: ErrorCode, call: Callable[..., object], *arguments: object) -> str:
    """The call fails with the code; return its message."""
    with pytest.raises(DriverError) as caught:
        call(*arguments)
    assert caught.value.code == code, caught.value.message
    return caught.value.message


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def write_block(path: Path) -> None:
    with path.open("r+b", buffering=0) as device:
        device.write(b"x" * 4096)
        os.fsync(device.fileno())


def until_removed(lab: Lab) -> None:
    lab.service.unpublish(lab.volume_id, str(lab.target))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    assert lab.leftovers() == []
    assert not lab.target.exists()
    assert list(lab.staging.iterdir()) == []


@pytest.mark.parametrize(("fs_type", "size"), [("ext4", 64 << 20), ("xfs", 320 << 20)])
def test_a_new_volume_is_formatted_mounted_and_keeps_its_data(lab: Lab, fs_type: str, size: int) -> None:
    """Written on one publication, read on the next, every step done twice, nothing left."""
    access = MountAccess(fs_type, ("noatime",))
    for round_ in range(2):
        attachment = lab.publish_on_host(size=size)
        for _ in range(2):
            lab.service.stage(lab.stage_request(attachment, access))
            lab.service.publish(lab.publish_request(access))
        mounts = lab.run("findmnt", "-no", "FSTYPE,OPTIONS", str(lab.target))
        assert fs_type in mounts
        assert "noatime" in mounts
        file = lab.target / "file"
        if round_ == 0:
            file.write_text("kept")
        assert file.read_text() == "kept"
        for _ in range(2):
            lab.service.unpublish(lab.volume_id, str(lab.target))
            lab.service.unstage(lab.volume_id, str(lab.staging))
        assert lab.leftovers() == []
        assert lab.portal.sessions(attachment.target) == 0
        lab.portal.withdraw(attachment.target)


def test_a_block_volume_is_shown_as_a_device(lab: Lab) -> None:
    """The target path is the device; what is written there is in the volume."""
    attachment = lab.publish_on_host()
    for _ in range(2):
        lab.service.stage(lab.stage_request(attachment, BLOCK))
        lab.service.publish(lab.publish_request(BLOCK))
    assert stat.S_ISBLK(lab.target.stat().st_mode)
    assert lab.service.stats(lab.volume_id, str(lab.target)).total_bytes == 64 << 20
    write_block(lab.target)
    assert (lab.directory / attachment.serial).read_bytes()[:4096] == b"x" * 4096
    until_removed(lab)


def test_read_only_publications_cannot_be_written_and_do_not_disturb_others(lab: Lab) -> None:
    """One pod reads, another writes, through the same staging."""
    lab.service.stage(lab.stage_request(lab.publish_on_host(), MountAccess("ext4", ("nosuid",))))
    lab.service.publish(lab.publish_request(readonly=True))
    writable = lab.directory / "writable"
    lab.service.publish(lab.publish_request(target=writable))
    (writable / "file").touch()
    with pytest.raises(OSError, match="Read-only"):
        (lab.target / "other").touch()
    assert "nosuid" in lab.run("findmnt", "-no", "OPTIONS", str(lab.target))
    message = refused(ErrorCode.IN_USE, lab.service.unstage, lab.volume_id, str(lab.staging))
    assert str(writable) in message
    lab.service.unpublish(lab.volume_id, str(writable))
    until_removed(lab)


def test_a_read_only_block_publication_makes_the_device_refuse_writes(lab: Lab) -> None:
    """And it excludes a writable one beside it; afterwards the device is writable again."""
    lab.service.stage(lab.stage_request(lab.publish_on_host(), BLOCK))
    lab.service.publish(lab.publish_request(BLOCK, readonly=True))
    with pytest.raises(PermissionError):
        write_block(lab.target)
    other = lab.publish_request(BLOCK, target=lab.directory / "other")
    refused(ErrorCode.DENIED, lab.service.publish, other)
    lab.service.unpublish(lab.volume_id, str(lab.target))
    lab.service.publish(other)
    write_block(Path(other.target_path))
    lab.service.unpublish(lab.volume_id, other.target_path)
    until_removed(lab)


def test_a_reader_mode_mounts_read_only_and_never_formats(lab: Lab) -> None:
    """A blank volume cannot be read; one with a filesystem can, and only that."""
    mode = AccessMode.MULTI_NODE_READER_ONLY
    attachment = lab.publish_on_host()
    refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(attachment, mode=mode))
    assert lab.leftovers() == []
    lab.service.stage(lab.stage_request(attachment))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    lab.portal.withdraw(attachment.target)
    attachment = lab.publish_on_host(readonly=True)
    lab.service.stage(lab.stage_request(attachment, mode=mode))
    lab.service.publish(lab.publish_request(mode=mode))
    with pytest.raises(OSError, match="Read-only"):
        (lab.target / "file").touch()
    until_removed(lab)


def test_other_arguments_for_the_same_path_are_refused(lab: Lab) -> None:
    """Of stage and publish alike; nothing changes."""
    attachment = lab.publish_on_host()
    lab.service.stage(lab.stage_request(attachment))
    lab.service.publish(lab.publish_request())
    differently = MountAccess("ext4", ("noatime",))
    code = ErrorCode.EXISTS_DIFFERENTLY
    refused(code, lab.service.stage, lab.stage_request(attachment, differently))
    refused(code, lab.service.publish, lab.publish_request(readonly=True))
    refused(code, lab.service.publish, lab.publish_request(differently))
    (lab.target / "file").touch()
    until_removed(lab)


def test_a_single_writer_is_single(lab: Lab) -> None:
    """SINGLE_NODE_SINGLE_WRITER: no second target path, whichever comes first."""
    mode = AccessMode.SINGLE_NODE_SINGLE_WRITER
    other = lab.directory / "other"
    lab.service.stage(lab.stage_request(lab.publish_on_host(), mode=mode))
    lab.service.publish(lab.publish_request(mode=mode))
    lab.service.publish(lab.publish_request(mode=mode))
    refused(ErrorCode.DENIED, lab.service.publish, lab.publish_request(mode=mode, target=other))
    refused(ErrorCode.DENIED, lab.service.publish, lab.publish_request(target=other))
    assert not other.exists()
    until_removed(lab)


def test_publishing_needs_staging(lab: Lab) -> None:
    """For filesystem and block; no target path is made."""
    refused(ErrorCode.DENIED, lab.service.publish, lab.publish_request())
    refused(ErrorCode.DENIED, lab.service.publish, lab.publish_request(BLOCK))
    assert not lab.target.exists()
    assert lab.leftovers() == []


def damage(lab: Lab, attachment_serial: str, offset: int, data: bytes) -> bytes:
    path = lab.directory / attachment_serial
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        pytest.param(0, b"\0" * 510 + b"\x55\xaa", id="boot sector"),
        pytest.param(4086, b"SWAPSPACE2", id="swap"),
        pytest.param(512, b"LABELONE" + b"\0" * 16 + b"LVM2 001", id="lvm"),
        pytest.param(700_000, b"data of an application", id="unknown data"),
        pytest.param((64 << 20) - 1000, b"a label at the end", id="unknown data at the end"),
    ],
)
def test_what_is_not_blank_is_never_formatted(lab: Lab, offset: int, data: bytes) -> None:
    """Not a byte changes, the message says what to do, and the session is ended."""
    attachment = lab.publish_on_host()
    before = damage(lab, attachment.serial, offset, data)
    message = refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(attachment))
    assert "not formatted" in message
    assert (lab.directory / attachment.serial).read_bytes() == before
    assert lab.leftovers() == []


def test_another_filesystem_type_is_not_replaced(lab: Lab) -> None:
    """The error names both; with no type asked for, what is there is used."""
    attachment = lab.publish_on_host(size=320 << 20)
    lab.service.stage(lab.stage_request(attachment))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    request = lab.stage_request(attachment, MountAccess("xfs"))
    message = refused(ErrorCode.EXISTS_DIFFERENTLY, lab.service.stage, request)
    assert "ext4" in message
    assert "xfs" in message
    lab.service.stage(lab.stage_request(attachment, MountAccess()))
    until_removed(lab)


def test_an_interrupted_mkfs_is_made_again(lab: Lab) -> None:
    """Half a filesystem is told from data by the record, or, for XFS, by itself."""
    attachment = lab.publish_on_host(size=320 << 20)
    request = lab.stage_request(attachment, MountAccess("xfs"))
    path = lab.directory / attachment.serial
    subprocess.run(("mkfs.xfs", "-q", str(path)), check=True)
    damage(lab, attachment.serial, 126, b"\1")
    refused(ErrorCode.DENIED, lab.service.stage, request)
    StageRecord.of(request).now_formatting(str(lab.staging))
    lab.service.stage(request)
    lab.service.publish(lab.publish_request(request.access))
    until_removed(lab)


def test_the_mark_of_an_interrupted_mkfs_does_not_outlive_its_publication(lab: Lab) -> None:
    """Another node may have used the volume since."""
    former = lab.publish_on_host()
    StageRecord.of(lab.stage_request(former)).now_formatting(str(lab.staging))
    lab.portal.withdraw(former.target)
    attachment = lab.publish_on_host()
    damage(lab, attachment.serial, 700_000, b"data")
    refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(attachment))


def test_a_filesystem_is_checked_before_it_is_mounted(lab: Lab) -> None:
    """What a crash leaves is put right; what needs a person is not mounted."""
    attachment = lab.publish_on_host()
    lab.service.stage(lab.stage_request(attachment))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    path = lab.directory / attachment.serial
    subprocess.run(("debugfs", "-w", "-R", "ssv state 0", str(path)), check=True, capture_output=True)
    lab.service.stage(lab.stage_request(attachment))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    subprocess.run(("debugfs", "-w", "-R", "clri <2>", str(path)), check=True, capture_output=True)
    subprocess.run(("debugfs", "-w", "-R", "ssv state 2", str(path)), check=True, capture_output=True)
    message = refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(attachment))
    assert "damaged" in message
    assert lab.leftovers() == []


def test_a_new_publication_replaces_the_session_of_a_former_one(lab: Lab) -> None:
    """After a forced detach: the old token's session and dead mounts go, the data is there."""
    former = lab.publish_on_host()
    lab.service.stage(lab.stage_request(former))
    lab.service.publish(lab.publish_request())
    (lab.target / "file").write_text("kept")
    subprocess.run(("sync", "-f", str(lab.target)), check=True)
    lab.portal.withdraw(former.target)
    wait_until(lambda: lab.disks() == [])
    attachment = lab.publish_on_host()
    service = lab.restarted()
    service.stage(lab.stage_request(attachment))
    service.publish(lab.publish_request())
    assert (lab.target / "file").read_text() == "kept"
    assert lab.portal.sessions(attachment.target) == 1
    service.unpublish(lab.volume_id, str(lab.target))
    until_removed(lab)


def test_a_living_session_of_a_former_publication_is_dropped_only_when_unused(lab: Lab) -> None:
    """While a pod still has it, staging under a new token is refused."""
    former = lab.publish_on_host()
    lab.service.stage(lab.stage_request(former))
    lab.service.publish(lab.publish_request())
    attachment = lab.publish_on_host()
    refused(ErrorCode.IN_USE, lab.service.stage, lab.stage_request(attachment))
    lab.service.unpublish(lab.volume_id, str(lab.target))
    lab.service.stage(lab.stage_request(attachment))
    assert lab.portal.sessions(former.target) == 0
    assert len(lab.disks()) == 1
    until_removed(lab)


@pytest.mark.parametrize("access", [EXT4, BLOCK], ids=["mount", "block"])
def test_unstage_works_without_its_record(lab: Lab, access: MountAccess | BlockAccess) -> None:
    """The session is found by the mounted device, or by the volume's serial number."""
    lab.service.stage(lab.stage_request(lab.publish_on_host(), access))
    stage_path(str(lab.staging)).unlink()
    lab.restarted().unstage(lab.volume_id, str(lab.staging))
    for path in (lab.state / "etc/iscsi/nodes").iterdir():
        assert path.name == "", "no node record is left"
    assert lab.leftovers() == []


def test_a_restart_with_nothing_mounted_starts_afresh(lab: Lab) -> None:
    """As after a reboot: records are on disk, mounts and sessions are gone."""
    attachment = lab.publish_on_host()
    lab.service.stage(lab.stage_request(attachment))
    lab.service.publish(lab.publish_request())
    (lab.target / "file").write_text("kept")
    lab.run("umount", str(lab.target))
    lab.run("umount", str(lab.staging))
    lab.run("iscsiadm", "-m", "session", "--logout")
    service = lab.restarted()
    refused(ErrorCode.DENIED, service.publish, lab.publish_request())
    service.stage(lab.stage_request(attachment, MountAccess("ext4", ("noatime",))))
    service.publish(lab.publish_request(readonly=True))
    assert (lab.target / "file").read_text() == "kept"
    until_removed(lab)


def test_the_wrong_disk_is_left_alone(lab: Lab) -> None:
    """Target and LUN are right, but the serial number is another volume's."""
    attachment = lab.publish_on_host()
    wrong = replace(attachment, serial="0123456789abcdef")
    message = refused(ErrorCode.DEGRADED, lab.service.stage, lab.stage_request(wrong))
    assert attachment.target[-32:] not in message
    assert not any((lab.directory / attachment.serial).read_bytes()[: 1 << 20])
    lab.service.unstage(lab.volume_id, str(lab.staging))
    assert lab.leftovers() == []


def test_a_refused_login_says_why_without_the_token(lab: Lab) -> None:
    """A target that is not there, and one for another initiator; nothing is left."""
    attachment = lab.publish_on_host()
    gone = replace(attachment, target=f"iqn.1994-09.org.freebsd.csi:demo.{uuid.uuid4().hex}")
    message = refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(gone))
    assert gone.target[-32:] not in message
    lab.portal.exports[attachment.target] = ("iqn.2000-01.org.example:other", {})
    message = refused(ErrorCode.DENIED, lab.service.stage, lab.stage_request(attachment))
    assert "does not export" in message
    assert lab.leftovers() == []


def test_one_portal_that_answers_is_enough(lab: Lab) -> None:
    """And if none does, the caller is told to come again."""
    attachment = lab.publish_on_host()
    both = replace(attachment, portals=("127.0.0.1:1", *attachment.portals))
    lab.service.stage(lab.stage_request(both))
    until_removed(lab)
    none = replace(attachment, portals=("127.0.0.1:1",))
    message = refused(ErrorCode.UNCERTAIN, lab.service.stage, lab.stage_request(none))
    assert "127.0.0.1:1" in message
    lab.service.unstage(lab.volume_id, str(lab.staging))
    assert lab.leftovers() == []


def test_an_interrupted_read_only_publication_is_finished(lab: Lab) -> None:
    """A crash between the bind and the remount leaves it writable; the retry mends that."""
    lab.service.stage(lab.stage_request(lab.publish_on_host()))
    request = lab.publish_request(readonly=True)
    lab.service.publish(request)
    lab.run("mount", "-o", "remount,bind,rw", str(lab.target))
    lab.service.publish(request)
    with pytest.raises(OSError, match="Read-only"):
        (lab.target / "file").touch()
    until_removed(lab)


def test_a_foreign_mount_at_the_target_is_not_taken(lab: Lab) -> None:
    """It is neither ours to use nor to unmount."""
    lab.service.stage(lab.stage_request(lab.publish_on_host()))
    lab.target.mkdir()
    lab.run("mount", "-t", "tmpfs", "none", str(lab.target))
    refused(ErrorCode.EXISTS_DIFFERENTLY, lab.service.publish, lab.publish_request())
    lab.run("umount", str(lab.target))
    until_removed(lab)


def test_files_under_a_target_are_never_removed(lab: Lab) -> None:
    """A directory that is not empty although nothing is mounted belongs to someone."""
    lab.target.mkdir()
    (lab.target / "precious").touch()
    message = refused(ErrorCode.DENIED, lab.service.unpublish, lab.volume_id, str(lab.target))
    assert "move them" in message
    assert (lab.target / "precious").exists()


def test_stats_are_of_that_volume_at_that_path_only(lab: Lab) -> None:
    """Bytes and inodes of a mounted filesystem; otherwise NOT_FOUND."""
    lab.service.stage(lab.stage_request(lab.publish_on_host()))
    lab.service.publish(lab.publish_request())
    for path in (lab.target, lab.staging):
        stats = lab.service.stats(lab.volume_id, str(path))
        assert 0 < stats.total_bytes < 64 << 20
        assert stats.usage_bytes is not None
        assert stats.usage_bytes.total == stats.total_bytes
        assert stats.usage_inodes is not None
        assert stats.usage_inodes.available > 0
    for volume, path in (
        ("nas1:other", str(lab.target)),
        (lab.volume_id, str(lab.directory)),
        (lab.volume_id, "some/path"),
        (lab.volume_id, "/"),
        (lab.volume_id, str(lab.directory / "absent" / "deep")),
    ):
        refused(ErrorCode.NOT_FOUND, lab.service.stats, volume, path)
    until_removed(lab)


def test_records_can_be_read_by_their_owner_only(lab: Lab) -> None:
    """They hold the target's name, which is a secret."""
    lab.service.stage(lab.stage_request(lab.publish_on_host()))
    lab.service.publish(lab.publish_request())
    for path in (stage_path(str(lab.staging)), publish_path(str(lab.target))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    until_removed(lab)
