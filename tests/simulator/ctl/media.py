"""What CTL finds when it opens a LUN's path: the seam between CTL and the simulated disks."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ZVOL_PREFIX = "/dev/zvol/"
# Numbers that differ from this machine's: FreeBSD's sys/errno.h.
_FREEBSD_ERRNO = {errno.ELOOP: 62, errno.ENAMETOOLONG: 63}


def freebsd_errno(error: OSError) -> int:
    """Return the number FreeBSD gives this error (CTL logs numbers, not words)."""
    return _FREEBSD_ERRNO.get(error.errno or 0, error.errno or errno.ENOENT)


@dataclass(frozen=True)
class Medium:
    """An opened disk or file: where it lies on this machine, and whether it is a zvol."""

    path: str
    host_path: Path
    device: bool
    writable: bool
    holder: str
    sector_bytes: int = 512


class NotADisk(Exception):
    """The path is neither a disk nor a plain file."""


class Media(Protocol):
    """Opens paths as the simulated kernel sees them."""

    def open(self, path: str, *, write: bool, holder: str) -> Medium:
        """Open PATH for HOLDER; a zvol is busy until closed. Raises OSError, NotADisk."""

    def size(self, medium: Medium) -> int:
        """Return the medium's size now, in bytes."""

    def close(self, medium: Medium) -> None:
        """Give MEDIUM back."""


class Volumes(Protocol):
    """The zvols of the host: what `Machine.storage` offers."""

    def open_volume(self, path: str, holder: str) -> Path:
        """Open /dev/zvol/... for HOLDER. Raises FileNotFoundError."""

    def close_volume(self, path: str, holder: str) -> None:
        """Give it back."""


class HostMedia:
    """Zvols of VOLUMES, and plain files below ROOT, the simulated host's root directory."""

    def __init__(self, root: Path, volumes: Volumes) -> None:
        self._root = root
        self._volumes = volumes

    def _inside(self, path: str) -> str:
        """Return PATH as the simulated host names it."""
        if Path(path).is_relative_to(self._root):
            return "/" + str(Path(path).relative_to(self._root))
        return path if path.startswith("/") else f"/dev/{path}"

    def open(self, path: str, *, write: bool, holder: str) -> Medium:
        inside = self._inside(path)
        device = inside.startswith(ZVOL_PREFIX)
        if device:
            host_path = self._volumes.open_volume(inside, holder)
        else:
            host_path = self._root / inside.lstrip("/")
            _check_plain_file(inside, host_path, write=write)
        writable = write and os.access(host_path, os.W_OK)
        return Medium(inside, host_path, device, writable, holder)

    def size(self, medium: Medium) -> int:
        return medium.host_path.stat().st_size

    def close(self, medium: Medium) -> None:
        if medium.device:
            self._volumes.close_volume(medium.path, medium.holder)


def _check_plain_file(path: str, host_path: Path, *, write: bool) -> None:
    mode = host_path.stat().st_mode
    if stat.S_ISDIR(mode) and write:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise NotADisk(path)
