"""
How big a filesystem is, by its superblock: bytes in, values out.

Layouts: ext4 in the kernel's Documentation/filesystems/ext4/super.rst, XFS in struct xfs_dsb.
"""

from __future__ import annotations

from dataclasses import dataclass

LENGTH = 2048  # from the start of the device; what is read here lies within

_EXT4 = 1024
_EXT4_MAGIC = b"\x53\xef"
_EXT4_64BIT = 0x80
_XFS_MAGIC = b"XFSB"

# mkfs.ext4 and resize2fs leave out a last block group that has no room for more than its own tables:
# up to some 800 of 8,192 blocks in a small filesystem, fewer in proportion in a large one.
_EXT4_LEFT_OUT = 8


class NotASuperblock(Exception):
    """What was read is not the superblock of that filesystem."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The bytes a filesystem takes up, and how many more it must be offered to be worth growing."""

    size_bytes: int
    grain_bytes: int

    def can_grow_to(self, device_bytes: int) -> bool:
        """Whether a device of that size has room that the filesystem does not use."""
        return device_bytes - self.size_bytes >= self.grain_bytes


def ext4(head: bytes) -> Extent:
    """Read the beginning of a device that holds ext4."""
    block = head[_EXT4:]
    if block[56:58] != _EXT4_MAGIC:
        raise NotASuperblock("there is no superblock of ext4")
    is_64bit = _little(block, 96) & _EXT4_64BIT
    blocks = _little(block, 4) + ((_little(block, 336) << 32) if is_64bit else 0)
    size = 1024 << _little(block, 24)
    return Extent(blocks * size, _little(block, 32) // _EXT4_LEFT_OUT * size)


def xfs(head: bytes) -> Extent:
    """Read the beginning of a device that holds XFS."""
    if head[:4] != _XFS_MAGIC:
        raise NotASuperblock("there is no superblock of XFS")
    size, blocks = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:16], "big")
    return Extent(blocks * size, size)


def _little(block: bytes, offset: int) -> int:
    return int.from_bytes(block[offset : offset + 4], "little")
