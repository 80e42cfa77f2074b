"""A volume grows on the host: what the node makes of that, on loop devices."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.filesystems import Filesystems
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess
from tests.unit.node.lab import EXT4, Lab, needs_root

pytestmark = needs_root

MIB = 1 << 20
SMALL, LARGE = 320 * MIB, 640 * MIB
XFS = MountAccess("xfs")
BLOCK = BlockAccess()
# Of what is gained, a filesystem keeps some for itself.
MOST = (LARGE - SMALL) * 9 // 10


def refused(code: ErrorCode, call: Callable[..., object], *args: object) -> str:
    with pytest.raises(DriverError) as caught:
        call(*args)
    assert caught.value.code == code, caught.value.message
    return caught.value.message


def complaint_of(call: Callable[[], object]) -> DriverError | None:
    try:
        call()
    except DriverError as error:
        return error
    return None


def room(path: Path) -> int:
    """The size of the filesystem at the path."""
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize


def down(lab: Lab) -> None:
    lab.service.unpublish(lab.volume_id, str(lab.target))
    lab.service.unstage(lab.volume_id, str(lab.staging))


def test_xfs_grows_while_it_is_in_use(lab: Lab) -> None:
    """What was written stays; the answer is the size of the device; again there is nothing to do."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, XFS))
    lab.service.publish(lab.publish_request(XFS))
    (lab.target / "file").write_text("kept")
    before = room(lab.target)
    lab.portal.grow(attachment.target, LARGE)
    for path in (lab.target, lab.staging):
        assert lab.service.expand(lab.volume_id, str(path)) == LARGE
        assert room(lab.target) > before + MOST
    assert (lab.target / "file").read_text() == "kept"
    down(lab)
    assert lab.leftovers() == []


@pytest.mark.parametrize("access", [EXT4, XFS, BLOCK], ids=["ext4", "xfs", "block"])
def test_where_nothing_has_grown_there_is_nothing_to_do(lab: Lab, access: MountAccess | BlockAccess) -> None:
    """Success, with the real size."""
    lab.service.stage(lab.stage_request(lab.publish_on_host(size=SMALL), access))
    lab.service.publish(lab.publish_request(access))
    assert lab.service.expand(lab.volume_id, str(lab.target)) == SMALL
    assert lab.service.expand(lab.volume_id, str(lab.staging)) == SMALL
    down(lab)


def test_a_block_volume_shows_its_new_size(lab: Lab) -> None:
    """Where a pod has it; nothing is written to it."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, BLOCK))
    lab.service.publish(lab.publish_request(BLOCK))
    lab.portal.grow(attachment.target, LARGE)
    assert lab.service.stats(lab.volume_id, str(lab.target)).total_bytes == SMALL
    assert lab.service.expand(lab.volume_id, str(lab.target)) == LARGE
    assert lab.service.stats(lab.volume_id, str(lab.target)).total_bytes == LARGE
    down(lab)
    with (lab.directory / attachment.serial).open("rb") as file:
        assert not any(file.read(MIB))


@pytest.mark.parametrize("access", [EXT4, XFS], ids=["ext4", "xfs"])
def test_a_filesystem_smaller_than_its_device_grows_when_it_is_staged(lab: Lab, access: MountAccess) -> None:
    """As after a restore to a larger volume, or growth while nobody had it."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, access))
    lab.service.publish(lab.publish_request(access))
    (lab.target / "file").write_text("kept")
    before = room(lab.target)
    down(lab)
    lab.portal.grow(attachment.target, LARGE)
    lab.service.stage(lab.stage_request(attachment, access))
    lab.service.publish(lab.publish_request(access))
    assert room(lab.target) > before + MOST
    assert (lab.target / "file").read_text() == "kept"
    assert lab.service.expand(lab.volume_id, str(lab.target)) == LARGE
    down(lab)
    assert lab.leftovers() == []


def test_ext4_grows_while_it_is_in_use_or_says_what_it_lacks(lab: Lab) -> None:
    """The kernel may refuse this process; then the message has the remedy, and staging anew is one."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment))
    lab.service.publish(lab.publish_request())
    before = room(lab.target)
    lab.portal.grow(attachment.target, LARGE)
    complaint = complaint_of(lambda: lab.service.expand(lab.volume_id, str(lab.target)))
    if complaint is not None:
        assert complaint.code is ErrorCode.UNSUPPORTED, complaint.message
        assert "CAP_SYS_RESOURCE" in complaint.message
        assert "staged anew" in complaint.message
        down(lab)
        lab.service.stage(lab.stage_request(attachment))
        lab.service.publish(lab.publish_request())
    assert room(lab.target) > before + MOST
    down(lab)


def test_what_is_mounted_read_only_does_not_grow(lab: Lab) -> None:
    """Neither when staged nor later; as long as nothing has grown that is no error."""
    mode = AccessMode.SINGLE_NODE_READER_ONLY
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, XFS))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    lab.service.stage(lab.stage_request(attachment, XFS, mode=mode))
    assert lab.service.expand(lab.volume_id, str(lab.staging)) == SMALL
    before = room(lab.staging)
    lab.portal.grow(attachment.target, LARGE)
    assert "read-only" in refused(ErrorCode.UNSUPPORTED, lab.service.expand, lab.volume_id, str(lab.staging))
    lab.service.unstage(lab.volume_id, str(lab.staging))
    lab.service.stage(lab.stage_request(attachment, XFS, mode=mode))
    assert room(lab.staging) == before
    down(lab)


def test_only_that_volume_at_that_path_is_expanded(lab: Lab) -> None:
    """Or at the staging path, if that is given beside; otherwise NOT_FOUND."""
    lab.service.stage(lab.stage_request(lab.publish_on_host(size=SMALL), XFS))
    lab.service.publish(lab.publish_request(XFS))
    missing = ErrorCode.NOT_FOUND
    for volume, path in (
        ("nas1:other", str(lab.target)),
        ("nas1:other", str(lab.staging)),
        (lab.volume_id, str(lab.directory)),
        (lab.volume_id, "some/path"),
        (lab.volume_id, "/"),
        (lab.volume_id, str(lab.directory / "absent" / "deep")),
    ):
        refused(missing, lab.service.expand, volume, path)
        refused(missing, lab.service.expand, volume, path, "")
        if volume == lab.volume_id:
            assert lab.service.expand(volume, path, str(lab.staging)) == SMALL
    down(lab)
    refused(missing, lab.service.expand, lab.volume_id, str(lab.target))
    refused(missing, lab.service.expand, lab.volume_id, str(lab.staging))


def test_a_volume_that_lost_its_device_is_not_expanded(lab: Lab) -> None:
    """The caller comes again."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, BLOCK))
    lab.run("iscsiadm", "-m", "session", "--logout")
    assert "lost its device" in refused(ErrorCode.UNCERTAIN, lab.service.expand, lab.volume_id, str(lab.staging))
    down(lab)


class Crash(BaseException):
    """The process is gone; nothing of it gets to clean up."""


def test_an_interrupted_growth_is_finished_by_the_next_staging(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash after the mount and before the growth leaves no record of a complete staging."""
    attachment = lab.publish_on_host(size=SMALL)
    lab.service.stage(lab.stage_request(attachment, XFS))
    before = room(lab.staging)
    lab.service.unstage(lab.volume_id, str(lab.staging))
    lab.portal.grow(attachment.target, LARGE)

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Filesystems, "grow_mounted", crash)
        with pytest.raises(Crash):
            lab.service.stage(lab.stage_request(attachment, XFS))
    assert room(lab.staging) == before
    lab.restarted().stage(lab.stage_request(attachment, XFS))
    assert room(lab.staging) > before + MOST
    down(lab)
