"""Expanding: see the new size of a volume that has grown, and let its filesystem take it up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.records import PublishRecord, StageRecord
from csi_driver.node.stats import device_number, size_bytes

if TYPE_CHECKING:
    from csi_driver.node.attach.attacher import Attacher
    from csi_driver.node.filesystems import Filesystems
    from csi_driver.node.mounts.mounter import Mounter

_SECONDS = 100.0


class Expander:
    """Expands; the caller holds the volume's lock. Raises `DriverError`."""

    def __init__(self, attacher: Attacher, mounter: Mounter, filesystems: Filesystems) -> None:
        self._attacher = attacher
        self._mounter = mounter
        self._filesystems = filesystems

    def expand(self, volume_id: str, staging_path: str) -> int:
        """
        Make the most of the device staged there, and return its size in bytes.

        A filesystem grows while it is in use. One that fills its device already is left as it is.
        """
        deadline = time.monotonic() + _SECONDS
        staged = StageRecord.read(staging_path)
        if staged is None or not staged.complete or staged.volume_id != volume_id:
            raise _not_there(volume_id, staging_path)
        self._attacher.rescan(staged.attachment.target, deadline=deadline)
        device = self._attacher.find(staged.attachment, deadline=deadline)
        if device is None:
            raise DriverError(ErrorCode.UNCERTAIN, f"volume {volume_id} has lost its device; stage it anew")
        if staged.is_mount:
            self._grow(volume_id, device, staging_path, deadline)
        return size_bytes(device)

    def _grow(self, volume_id: str, device: str, staging_path: str, deadline: float) -> None:
        mount = self._mounter.at(staging_path)
        if mount is None or mount.device != device_number(device):
            raise _not_there(volume_id, staging_path)
        if not mount.readonly:
            self._filesystems.grow_mounted(device, mount.fs_type, staging_path, deadline=deadline)
        elif self._filesystems.can_grow(device, mount.fs_type):
            message = f"volume {volume_id} is mounted read-only, so its filesystem cannot grow; stage it writable"
            raise DriverError(ErrorCode.UNSUPPORTED, message)


def staging_of(volume_id: str, paths: tuple[str, ...]) -> str:
    """Return the staging path behind the first of the paths at which the volume is staged or published."""
    for path in paths:
        published = PublishRecord.read(path)
        if published and published.volume_id == volume_id:
            return published.staging_path
        staged = StageRecord.read(path)
        if staged and staged.volume_id == volume_id:
            return path
    raise _not_there(volume_id, " or ".join(paths))


def _not_there(volume_id: str, where: str) -> DriverError:
    message = f"volume {volume_id} is neither staged nor published at {where}"
    return DriverError(ErrorCode.NOT_FOUND, message, option="volume_path")
