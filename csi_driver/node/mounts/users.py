"""Who uses a device: the mounts of its filesystem, and the places where the device itself is bound."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.node.stats import device_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from csi_driver.node.mounts.mountinfo import Mount


def users_of(device: str, mounts: Iterable[Mount]) -> list[Mount]:
    """Return every mount that needs the device."""
    number, name = device_number(device), _name(device)
    return [
        mount
        for mount in mounts
        if mount.device == number or (_may_be(mount, name) and _is_device(mount.point, number))
    ]


def is_bound(mount: Mount, device: str) -> bool:
    """Whether the mount shows the device itself, not a filesystem on it."""
    return _may_be(mount, _name(device)) and _is_device(mount.point, device_number(device))


def _name(device: str) -> str:
    return Path(device).resolve().name


def _may_be(mount: Mount, name: str) -> bool:
    """Tell by the table alone, so that no foreign mount, perhaps a dead one, is touched."""
    return mount.root.rpartition("/")[2] == name


def _is_device(point: str, number: str) -> bool:
    try:
        found = Path(point).stat()
    except OSError:  # a dead mount of something else of that name
        return False
    return stat.S_ISBLK(found.st_mode) and device_number(point) == number
