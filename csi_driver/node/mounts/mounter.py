"""
The seam to the machine's mount table.

Verbs say what is to be the case afterwards, so each may be repeated. All raise `DriverError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csi_driver.node.mounts.mountinfo import Mount


class Mounter(Protocol):
    """The mounts of this machine. `deadline` is a `time.monotonic()` value."""

    def mounts(self) -> tuple[Mount, ...]:
        """Return everything mounted now."""
        ...

    def at(self, path: str) -> Mount | None:
        """Return what is mounted at exactly this path, or None. Never touches what is mounted."""
        ...

    def is_usable(self, path: str) -> bool:
        """Whether the path can be looked at: false where a mount has lost its device."""
        ...

    def be_mounted(self, device: str, path: str, *, fs_type: str, options: Sequence[str], deadline: float) -> None:
        """Mount the filesystem on the device at the path, where nothing is mounted."""
        ...

    def be_bound(self, source: str, path: str, *, readonly: bool, deadline: float) -> None:
        """Show the source, a directory or a device, at the path as well, where nothing is mounted."""
        ...

    def be_unmounted(self, path: str, *, deadline: float, abandon: bool = False) -> None:
        """
        Leave nothing mounted at the path. `IN_USE` if someone has files open there.

        `abandon` detaches the mount even so; only for mounts whose device is lost.
        """
        ...
