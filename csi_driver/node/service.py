"""
The node service: what a node does for a volume, on any operating system and protocol.

Every method may be repeated, after success, failure or a crash. One operation runs on a volume at
a time; a second one is refused with `BUSY`. Methods raise `DriverError`.
"""

from __future__ import annotations

import errno
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.expanding import Expander, staging_of
from csi_driver.node.locks import VolumeLocks
from csi_driver.node.publishing import Publisher
from csi_driver.node.records import PublishRecord, StageRecord
from csi_driver.node.staging import Stager
from csi_driver.node.stats import volume_stats

if TYPE_CHECKING:
    from csi_driver.node.attach.attacher import Attacher
    from csi_driver.node.filesystems import Filesystems
    from csi_driver.node.health import HealthProbe
    from csi_driver.node.host import Host
    from csi_driver.node.model import BackendCondition, NodeInfo, PublishRequest, StageRequest, VolumeStats
    from csi_driver.node.mounts.mounter import Mounter
    from csi_driver.storage.model import Condition


class NodeService:
    """See the module."""

    def __init__(
        self,
        *,
        info: NodeInfo,
        host: Host,
        attacher: Attacher,
        mounter: Mounter,
        filesystems: Filesystems,
        health: HealthProbe,
    ) -> None:
        self._info = info
        self._mounter = mounter
        self._stager = Stager(attacher, mounter, filesystems)
        self._publisher = Publisher(attacher, mounter, host)
        self._expander = Expander(attacher, mounter, filesystems)
        self._health = health
        self._locks = VolumeLocks()

    def info(self) -> NodeInfo:
        """Return who this node is; the same as long as the configuration is."""
        return self._info

    def stage(self, request: StageRequest) -> None:
        """Attach the volume and, unless it is a block volume, mount it at the staging path."""
        _be_absolute(request.staging_path, "staging_target_path")
        with self._locks.hold(request.volume_id):
            self._stager.stage(request)

    def unstage(self, volume_id: str, staging_path: str) -> None:
        """Undo `stage`; success if nothing is staged."""
        _be_absolute(staging_path, "staging_target_path")
        with self._locks.hold(volume_id):
            self._stager.unstage(volume_id, staging_path)

    def publish(self, request: PublishRequest) -> None:
        """Show the staged volume at the target path."""
        _be_absolute(request.staging_path, "staging_target_path")
        _be_absolute(request.target_path, "target_path")
        with self._locks.hold(request.volume_id):
            self._publisher.publish(request)

    def unpublish(self, volume_id: str, target_path: str) -> None:
        """Undo `publish` and remove the target path; success if nothing is there."""
        _be_absolute(target_path, "target_path")
        with self._locks.hold(volume_id):
            self._publisher.unpublish(target_path)

    def expand(self, volume_id: str, volume_path: str, staging_path: str = "") -> int:
        """
        See the present size of a volume staged or published at the path, and let its filesystem take it up.

        Where the path says nothing, `staging_path` does, if given. Returns the size in bytes.
        """
        paths = tuple(path for path in (volume_path, staging_path) if _is_absolute(path))
        with self._locks.hold(volume_id):
            return self._expander.expand(volume_id, staging_of(volume_id, paths))

    def volume_health(self, volume_id: str, publish_path: str, staging_path: str) -> tuple[Condition, ...]:
        """Return what ails the volume on this node; a path that is not given is empty."""
        publish_path, staging_path = (path if _is_absolute(path) else "" for path in (publish_path, staging_path))
        with self._locks.hold(volume_id):
            return self._health.volume(volume_id, publish_path, staging_path)

    def storage_health(self) -> tuple[BackendCondition, ...]:
        """Return what ails this node's way to its storage hosts."""
        return self._health.storage()

    def stats(self, volume_id: str, volume_path: str) -> VolumeStats:
        """Return how big and how full the volume is that was staged or published at the path."""
        if not self._is_at(volume_id, volume_path):
            message = f"volume {volume_id} is neither staged nor published at {volume_path}"
            raise DriverError(ErrorCode.NOT_FOUND, message, option="volume_path")
        try:
            return volume_stats(volume_path)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise DriverError(ErrorCode.NOT_FOUND, f"{volume_path} is gone") from error
            message = f"volume {volume_id} has lost its device: {error.strerror}"
            raise DriverError(ErrorCode.UNCERTAIN, message) from error

    def _is_at(self, volume_id: str, path: str) -> bool:
        if not _is_absolute(path):
            return False
        record = PublishRecord.read(path) or StageRecord.read(path)
        return record is not None and record.volume_id == volume_id and self._mounter.at(path) is not None


def _be_absolute(path: str, option: str) -> None:
    if not _is_absolute(path):
        message = f"{option}: {path!a} is not an absolute path without '..'"
        raise DriverError(ErrorCode.INVALID, message, option=option)


def _is_absolute(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] == "/" and ".." not in parts and "\0" not in path
