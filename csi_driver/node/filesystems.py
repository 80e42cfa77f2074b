"""
Filesystems on a block device: tell what is there, make one, check one, grow one.

The rule that matters: nothing is formatted that is not blank by all that is looked at. What cannot be
read, what holds anything known, and what is not zero in any place looked at is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node import superblocks
from csi_driver.node.host import Result, expect
from csi_driver.node.stats import size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from csi_driver.node.host import Host

DEFAULT = "ext4"
_ZERO_CHECK_BYTES = 1 << 20
_READ_WHOLE_BYTES = 128 << 20
_SAMPLES = 64
_XFS_IN_PROGRESS_OFFSET = 126  # struct xfs_dsb.sb_inprogress: set until mkfs.xfs has finished

# Exit statuses of blkid(8) when it probes a device,
_BLKID_FOUND = 0
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8
# of cmp(1),
_SAME = 0
_DIFFERENT = 1
# and of e2fsck(8), a bit each; 1 and 2 mean that everything was put right.
_E2FSCK_PUT_RIGHT = 1 | 2
_E2FSCK_LEFT = 4

_GROWING_IS_DENIED = "Permission denied to resize filesystem"  # resize2fs(8), online.c, for EPERM


@dataclass(frozen=True, slots=True)
class Filesystem:
    """
    How one type of filesystem is made, checked, mounted and grown.

    `grow` is completed by the device, or by where that is mounted. What `grows_unmounted` needs a
    full check before that.
    """

    mkfs: tuple[str, ...]
    grow: tuple[str, ...]
    extent: Callable[[bytes], superblocks.Extent]
    grows_unmounted: bool
    mkfs_again: tuple[str, ...] = ()
    fsck: tuple[str, ...] = ()
    fsck_fully: tuple[str, ...] = ()
    mount_options: tuple[str, ...] = ()


# New volumes read as zeros, so discarding them first would only take time. `nouuid` lets a clone
# be mounted beside its source. XFS replays its log when it is mounted and has no preen.
FILESYSTEMS: Mapping[str, Filesystem] = {
    "ext4": Filesystem(
        mkfs=("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard"),
        fsck=("e2fsck", "-p"),
        fsck_fully=("e2fsck", "-f", "-p"),
        grow=("resize2fs",),
        grows_unmounted=True,
        extent=superblocks.ext4,
    ),
    "xfs": Filesystem(
        mkfs=("mkfs.xfs", "-q", "-K"),
        mkfs_again=("-f",),
        mount_options=("nouuid",),
        grow=("xfs_growfs", "-d"),
        grows_unmounted=False,
        extent=superblocks.xfs,
    ),
}


class Content(Enum):
    """What a device holds."""

    BLANK = "nothing"
    UNKNOWN = "data of an unknown kind"
    UNFINISHED = "a filesystem whose making was interrupted"
    FILESYSTEM = "a filesystem"
    OTHER = "something that is not a filesystem"


@dataclass(frozen=True, slots=True)
class Found:
    """What a device holds, with its name where it has one: `xfs`, `dos` for a partition table."""

    content: Content
    name: str = ""


class Filesystems:
    """The filesystem tools of this machine. All methods raise `DriverError`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def probe(self, device: str, *, deadline: float) -> Found:
        """Tell what the device holds; an error if that cannot be told for certain."""
        result = self._host.run("blkid", "-p", "-o", "export", device, deadline=deadline)
        if result.code == _BLKID_FOUND:
            return self._recognised(device, _tags(result.out), deadline)
        if result.code == _BLKID_NOTHING:
            return self._unrecognised(device, deadline)
        problem = "contradicting signatures" if result.code == _BLKID_AMBIVALENT else result.told
        message = f"what {device} holds cannot be told ({problem}); it is left as it is"
        raise DriverError(ErrorCode.DENIED, message)

    def _recognised(self, device: str, tags: Mapping[str, str], deadline: float) -> Found:
        if tags.get("USAGE") != "filesystem":
            return Found(Content.OTHER, tags.get("TYPE") or tags.get("PTTYPE", "unknown"))
        name = tags["TYPE"]
        if name == "xfs" and not self._is_zero(device, _XFS_IN_PROGRESS_OFFSET, 1, deadline):
            return Found(Content.UNFINISHED, name)
        return Found(Content.FILESYSTEM, name)

    def _unrecognised(self, device: str, deadline: float) -> Found:
        # blkid says 2 for a device it cannot read, too; wipefs(8) fails on such a one.
        result = self._host.run("wipefs", "--no-act", "--parsable", device, deadline=deadline)
        expect(result, f"looking for signatures on {device}", code=ErrorCode.DEGRADED)
        if any(line and not line.startswith("#") for line in result.out.splitlines()):
            return Found(Content.OTHER, "signatures that wipefs lists")
        blank = all(self._is_zero(device, *window, deadline) for window in windows(size_bytes(device)))
        return Found(Content.BLANK if blank else Content.UNKNOWN)

    def _is_zero(self, device: str, offset: int, length: int, deadline: float) -> bool:
        argv = (
            "cmp",
            "-s",
            f"--bytes={length}",
            f"--ignore-initial={offset}:0",
            device,
            "/dev/zero",
        )
        result = self._host.run(*argv, deadline=deadline)
        if result.code not in (_SAME, _DIFFERENT):
            expect(result, f"reading {device}", code=ErrorCode.DEGRADED)
        return result.code == _SAME

    def make(self, device: str, fs_type: str, *, again: bool, deadline: float) -> None:
        """Make a filesystem; `again` where an earlier attempt was interrupted."""
        filesystem = known(fs_type)
        force = filesystem.mkfs_again if again else ()
        result = self._host.run(*filesystem.mkfs, *force, device, deadline=deadline)
        expect(result, f"making a filesystem of type {fs_type} on {device}")

    def check(self, device: str, fs_type: str, *, deadline: float) -> None:
        """Put right what a crash left behind; an error if a person has to look at it."""
        self._check(device, known(fs_type).fsck, deadline)

    def _check(self, device: str, fsck: tuple[str, ...], deadline: float) -> None:
        if not fsck:
            return
        result = self._host.run(*fsck, device, deadline=deadline)
        if result.code & ~_E2FSCK_PUT_RIGHT:
            raise _damaged(device, result)

    def can_grow(self, device: str, fs_type: str) -> bool:
        """Whether the device has room that the filesystem on it does not use."""
        with Path(device).open("rb") as file:
            head = file.read(superblocks.LENGTH)
        try:
            return known(fs_type).extent(head).can_grow_to(size_bytes(device))
        except superblocks.NotASuperblock as error:
            raise DriverError(
                ErrorCode.DEGRADED, f"how big the filesystem on {device} is cannot be told: {error}"
            ) from error

    def grow_unmounted(self, device: str, fs_type: str, *, deadline: float) -> None:
        """Let the filesystem take up the whole device; only for a type that `grows_unmounted`."""
        filesystem = known(fs_type)
        self._check(device, filesystem.fsck_fully, deadline)
        result = self._host.run(*filesystem.grow, device, deadline=deadline)
        expect(result, f"growing the filesystem on {device}", code=ErrorCode.DEGRADED)

    def grow_mounted(self, device: str, fs_type: str, point: str, *, deadline: float) -> None:
        """Let the filesystem, in use at `point`, take up the whole device; if it does already, nothing happens."""
        filesystem = known(fs_type)
        where = device if filesystem.grows_unmounted else point
        result = self._host.run(*filesystem.grow, where, deadline=deadline)
        if result.code != 0 and _GROWING_IS_DENIED in result.err:
            message = (
                f"the kernel does not let this process grow a mounted {fs_type} (it lacks CAP_SYS_RESOURCE); run the "
                "node service privileged, or end every use of the volume on this node: it grows when it is staged anew"
            )
            raise DriverError(ErrorCode.UNSUPPORTED, message)
        expect(result, f"growing the filesystem at {point}", code=ErrorCode.DEGRADED)


def windows(size: int) -> list[tuple[int, int]]:
    """
    Return what is read of a device before it counts as blank: offsets and lengths in bytes.

    A small one is read whole. Of a large one the beginning, the end, and a sample of what lies
    between: who writes to a raw device hardly ever leaves all of these untouched.
    """
    if size <= _READ_WHOLE_BYTES:
        return [(0, size)]
    step = size // _SAMPLES
    between = [(number * step, _ZERO_CHECK_BYTES) for number in range(1, _SAMPLES)]
    return [(0, _ZERO_CHECK_BYTES * 16), *between, (size - _ZERO_CHECK_BYTES, _ZERO_CHECK_BYTES)]


def known(fs_type: str) -> Filesystem:
    """Return how a type of filesystem is handled; `INVALID` if it is not."""
    if fs_type not in FILESYSTEMS:
        message = f"file system type {fs_type!r} is not supported; use {' or '.join(FILESYSTEMS)}"
        raise DriverError(ErrorCode.INVALID, message, option="fs_type")
    return FILESYSTEMS[fs_type]


def _damaged(device: str, result: Result) -> DriverError:
    if result.code > 0 and result.code & _E2FSCK_LEFT:
        remedy = f"run e2fsck on {device} by hand, on this node"
        return DriverError(ErrorCode.DENIED, f"the filesystem is damaged: {result.told}; {remedy}")
    return DriverError(ErrorCode.INTERNAL, f"checking {device} failed: {result.told}")


def _tags(export: str) -> dict[str, str]:
    """Read `blkid -o export`: KEY=value lines."""
    pairs = (line.partition("=") for line in export.splitlines())
    return {key: value for key, equals, value in pairs if equals}
