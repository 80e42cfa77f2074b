"""How big a volume is and how full: asked of the kernel, for a mounted filesystem or a device."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from csi_driver.node.model import Usage, VolumeStats


def volume_stats(path: str) -> VolumeStats:
    """Return the stats of what is at the path; `OSError` if it cannot be looked at."""
    if stat.S_ISDIR(Path(path).stat().st_mode):
        return _filesystem_stats(path)
    return VolumeStats(total_bytes=size_bytes(path))


def size_bytes(path: str) -> int:
    """Return the size of a block device, or of the file that stands for one."""
    with Path(path).open("rb", buffering=0) as device:
        return device.seek(0, os.SEEK_END)


def device_number(path: str) -> str:
    """Return a device's `major:minor`, as the mount table has it."""
    number = Path(path).stat().st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


def _filesystem_stats(path: str) -> VolumeStats:
    found = os.statvfs(path)
    total = found.f_blocks * found.f_frsize
    in_bytes = Usage(
        total=total,
        used=(found.f_blocks - found.f_bfree) * found.f_frsize,
        available=found.f_bavail * found.f_frsize,
    )
    inodes = Usage(total=found.f_files, used=found.f_files - found.f_ffree, available=found.f_favail)
    return VolumeStats(total_bytes=total, usage_bytes=in_bytes, usage_inodes=inodes)
