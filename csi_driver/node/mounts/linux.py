"""Mounts on Linux: mount(8), umount(8) and /proc/self/mountinfo."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.host import expect
from csi_driver.node.mounts.mountinfo import Mount, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csi_driver.node.host import Host

_LOST = frozenset({errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN})
_MAX_STACKED = 16


class LinuxMounter:
    """See `Mounter`."""

    def __init__(self, host: Host, *, table: Path = Path("/proc/self/mountinfo")) -> None:
        self._host = host
        self._table = table

    def mounts(self) -> tuple[Mount, ...]:
        """See `Mounter.mounts`."""
        return parse(self._table.read_text(encoding="utf-8", errors="surrogateescape"))

    def at(self, path: str) -> Mount | None:
        """See `Mounter.at`."""
        point = _canonical(path)
        here = [mount for mount in self.mounts() if mount.point == point]
        return here[-1] if here else None

    def is_usable(self, path: str) -> bool:
        """See `Mounter.is_usable`."""
        try:
            Path(path).stat()
        except OSError as error:
            return error.errno not in _LOST
        return True

    def be_mounted(self, device: str, path: str, *, fs_type: str, options: Sequence[str], deadline: float) -> None:
        """See `Mounter.be_mounted`."""
        chosen = ("-o", ",".join(options)) if options else ()
        result = self._host.run("mount", "-t", fs_type, *chosen, device, path, deadline=deadline)
        expect(result, f"mounting {device} at {path} as {fs_type}{_needs_root()}")

    def be_bound(self, source: str, path: str, *, readonly: bool, deadline: float) -> None:
        """See `Mounter.be_bound`."""
        result = self._host.run("mount", "--bind", source, path, deadline=deadline)
        expect(result, f"binding {source} to {path}{_needs_root()}")
        if readonly:
            # Linux ignores `ro` when it binds; the second call changes this mount alone and keeps
            # its other flags (mount(8), "Bind mounts").
            result = self._host.run("mount", "-o", "remount,bind,ro", path, deadline=deadline)
            expect(result, f"making {path} read-only")

    def be_unmounted(self, path: str, *, deadline: float, abandon: bool = False) -> None:
        """See `Mounter.be_unmounted`."""
        for _ in range(_MAX_STACKED):
            if self.at(path) is None:
                return
            self._unmount(path, abandon=abandon or not self.is_usable(path), deadline=deadline)
        message = f"{path} is mounted over more than {_MAX_STACKED} times; unmount it by hand"
        raise DriverError(ErrorCode.DEGRADED, message)

    def _unmount(self, path: str, *, abandon: bool, deadline: float) -> None:
        before = self._count(path)
        flags = ("-l",) if abandon else ()
        result = self._host.run("umount", *flags, _canonical(path), deadline=deadline)
        # umount(8) says 32 for every failure; whether it worked is asked of the kernel.
        if result.code != 0 and self._count(path) == before:
            message = f"{path} cannot be unmounted: {result.told}; end what uses it"
            raise DriverError(ErrorCode.IN_USE, message)

    def _count(self, path: str) -> int:
        point = _canonical(path)
        return sum(mount.point == point for mount in self.mounts())


def _needs_root() -> str:
    """Say why it cannot work where that is plain; mount(8) itself guesses at other reasons."""
    return "" if os.geteuid() == 0 else " (which needs root)"


def _canonical(path: str) -> str:
    """Return the path as the mount table has it, without touching its last part."""
    parent, name = os.path.split(path.rstrip("/"))
    return os.path.join(os.path.realpath(parent), name)  # noqa: PTH118 - keeps a lone "/" intact
