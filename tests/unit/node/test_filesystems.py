from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.filesystems import Content, Filesystems, Found, windows
from tests.unit.node.scripted import Scripted

NEVER = math.inf
EXT4 = "DEVNAME=/dev/sda\nTYPE=ext4\nUSAGE=filesystem\n"
XFS = "DEVNAME=/dev/sda\nTYPE=xfs\nUSAGE=filesystem\n"
CMP_XFS = "cmp -s --bytes=1 --ignore-initial=126:0 /dev/sda /dev/zero"


@pytest.fixture
def device(tmp_path: Path) -> str:
    """A file of 4 MiB: its size is asked of the kernel, all else of the script."""
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(4 << 20)
    return str(path)


@pytest.mark.parametrize(
    ("out", "found"),
    [
        (EXT4, Found(Content.FILESYSTEM, "ext4")),
        ("TYPE=btrfs\nUSAGE=filesystem\n", Found(Content.FILESYSTEM, "btrfs")),
        ("TYPE=LVM2_member\nUSAGE=raid\n", Found(Content.OTHER, "LVM2_member")),
        ("TYPE=crypto_LUKS\nUSAGE=crypto\n", Found(Content.OTHER, "crypto_LUKS")),
        ("TYPE=swap\nUSAGE=other\n", Found(Content.OTHER, "swap")),
        ("PTUUID=1\nPTTYPE=gpt\n", Found(Content.OTHER, "gpt")),
        ("", Found(Content.OTHER, "unknown")),
    ],
)
def test_what_blkid_recognises_is_named(out: str, found: Found) -> None:
    """A partition table, a volume manager or an encrypted device is no filesystem."""
    host = Scripted()
    host.expect("blkid -p -o export /dev/sda", 0, out)
    assert Filesystems(host).probe("/dev/sda", deadline=NEVER) == found


@pytest.mark.parametrize(("code", "content"), [(0, Content.FILESYSTEM), (1, Content.UNFINISHED)])
def test_an_unfinished_xfs_is_told_from_a_finished_one(code: int, content: Content) -> None:
    """By the byte that mkfs.xfs clears last."""
    host = Scripted()
    host.expect("blkid -p -o export /dev/sda", 0, XFS)
    host.expect(CMP_XFS, code)
    assert Filesystems(host).probe("/dev/sda", deadline=NEVER) == Found(content, "xfs")


@pytest.mark.parametrize("code", [1, 4, 8, 126, 127, -9])
def test_any_other_exit_of_blkid_is_an_error(code: int) -> None:
    """Never a reason to format: not an error, not ambivalence, not a signal."""
    host = Scripted()
    host.expect("blkid -p -o export /dev/sda", code)
    with pytest.raises(DriverError, match="left as it is") as caught:
        Filesystems(host).probe("/dev/sda", deadline=NEVER)
    assert caught.value.code == ErrorCode.DENIED


@pytest.mark.parametrize(("code", "content"), [(0, Content.BLANK), (1, Content.UNKNOWN)])
def test_a_small_device_is_blank_when_all_of_it_is_zero(device: str, code: int, content: Content) -> None:
    """What no tool recognises may still be data."""
    host = Scripted()
    host.expect(f"blkid -p -o export {device}", 2)
    host.expect(f"wipefs --no-act --parsable {device}")
    host.expect(f"cmp -s --bytes=4194304 --ignore-initial=0:0 {device} /dev/zero", code)
    assert Filesystems(host).probe(device, deadline=NEVER).content is content
    assert host.script == []


@pytest.mark.parametrize("size", [1 << 20, 128 << 20, (128 << 20) + 512, 1 << 30, 10 << 40])
def test_what_is_read_of_a_device_lies_in_it_and_holds_its_ends(size: int) -> None:
    """A large device is sampled all over, a small one read whole."""
    found = windows(size)
    assert found[0][0] == 0
    assert sum(found[-1]) == size
    assert all(offset + length <= size for offset, length in found)
    largest_gap = max((after[0] - sum(before) for before, after in itertools.pairwise(found)), default=0)
    assert largest_gap <= size // 60


@pytest.mark.parametrize(("code", "out"), [(1, ""), (0, "# offset,uuid,label,type\n0x438,,,ext4\n")])
def test_wipefs_has_a_say_when_blkid_finds_nothing(device: str, code: int, out: str) -> None:
    """Blkid says "nothing" for a device that cannot be read, too."""
    host = Scripted()
    host.expect(f"blkid -p -o export {device}", 2)
    host.expect(f"wipefs --no-act --parsable {device}", code, out)
    filesystems = Filesystems(host)
    if code:
        with pytest.raises(DriverError):
            filesystems.probe(device, deadline=NEVER)
    else:
        assert filesystems.probe(device, deadline=NEVER).content is Content.OTHER


def test_a_device_that_cannot_be_read_is_not_blank(device: str) -> None:
    """Cmp tells trouble from difference."""
    host = Scripted()
    host.expect(f"blkid -p -o export {device}", 2)
    host.expect(f"wipefs --no-act --parsable {device}")
    line = f"cmp -s --bytes=4194304 --ignore-initial=0:0 {device} /dev/zero"
    host.expect(line, 2, err="cmp: device: Input/output error")
    with pytest.raises(DriverError, match="Input/output error"):
        Filesystems(host).probe(device, deadline=NEVER)


@pytest.mark.parametrize(
    ("fs_type", "again", "line"),
    [
        ("ext4", False, "mkfs.ext4 -q -m 0 -E nodiscard /dev/sda"),
        ("ext4", True, "mkfs.ext4 -q -m 0 -E nodiscard /dev/sda"),
        ("xfs", False, "mkfs.xfs -q -K /dev/sda"),
        ("xfs", True, "mkfs.xfs -q -K -f /dev/sda"),
    ],
)
def test_force_is_used_only_over_our_own_interrupted_attempt(fs_type: str, *, again: bool, line: str) -> None:
    """Without it mkfs.xfs itself refuses to overwrite."""
    host = Scripted()
    host.expect(line)
    Filesystems(host).make("/dev/sda", fs_type, again=again, deadline=NEVER)
    assert host.script == []


def test_an_unknown_type_is_refused_by_name() -> None:
    """The message lists what is allowed; no command runs."""
    with pytest.raises(DriverError, match="'vfat' is not supported; use ext4 or xfs") as caught:
        Filesystems(Scripted()).make("/dev/sda", "vfat", again=False, deadline=NEVER)
    assert caught.value.code == ErrorCode.INVALID


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (0, None),
        (1, None),
        (2, None),
        (3, None),
        (4, ErrorCode.DENIED),
        (5, ErrorCode.DENIED),
        (12, ErrorCode.DENIED),
        (8, ErrorCode.INTERNAL),
        (16, ErrorCode.INTERNAL),
        (32, ErrorCode.INTERNAL),
        (-9, ErrorCode.INTERNAL),
    ],
)
def test_every_exit_of_e2fsck_has_its_meaning(code: int, error: ErrorCode | None) -> None:
    """Only what was put right may be mounted."""
    host = Scripted()
    host.expect("e2fsck -p /dev/sda", code)
    filesystems = Filesystems(host)
    if error is None:
        filesystems.check("/dev/sda", "ext4", deadline=NEVER)
        return
    with pytest.raises(DriverError) as caught:
        filesystems.check("/dev/sda", "ext4", deadline=NEVER)
    assert caught.value.code == error


@pytest.mark.parametrize(("fs_type", "line"), [("ext4", "resize2fs /dev/sda"), ("xfs", "xfs_growfs -d /staging")])
def test_a_mounted_filesystem_grows_by_its_own_tool(fs_type: str, line: str) -> None:
    """Which says nothing and succeeds where there is nothing to do."""
    host = Scripted()
    host.expect(line)
    Filesystems(host).grow_mounted("/dev/sda", fs_type, "/staging", deadline=NEVER)
    assert host.script == []


def test_an_unmounted_filesystem_is_checked_in_full_before_it_grows() -> None:
    """Resize2fs insists on it."""
    host = Scripted()
    host.expect("e2fsck -f -p /dev/sda", 1)
    host.expect("resize2fs /dev/sda")
    Filesystems(host).grow_unmounted("/dev/sda", "ext4", deadline=NEVER)
    assert host.script == []


def test_a_damaged_filesystem_does_not_grow() -> None:
    """A person has to look at it."""
    host = Scripted()
    host.expect("e2fsck -f -p /dev/sda", 4, err="UNEXPECTED INCONSISTENCY")
    with pytest.raises(DriverError, match="damaged") as caught:
        Filesystems(host).grow_unmounted("/dev/sda", "ext4", deadline=NEVER)
    assert caught.value.code == ErrorCode.DENIED


@pytest.mark.parametrize(
    ("err", "code", "says"),
    [
        ("resize2fs: Permission denied to resize filesystem", ErrorCode.UNSUPPORTED, "CAP_SYS_RESOURCE"),
        ("resize2fs: Device or resource busy While trying to extend the last group", ErrorCode.DEGRADED, "busy"),
    ],
)
def test_every_failure_to_grow_has_its_meaning(err: str, code: ErrorCode, says: str) -> None:
    """What only a person can mend, and what may pass."""
    host = Scripted()
    host.expect("resize2fs /dev/sda", 1, err=err)
    with pytest.raises(DriverError, match=says) as caught:
        Filesystems(host).grow_mounted("/dev/sda", "ext4", "/staging", deadline=NEVER)
    assert caught.value.code == code
