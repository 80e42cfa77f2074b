"""
What ails a volume on this node, from the session with its target to the filesystem that its users see.

Only looks, and at nothing that may hang without a deadline. What is staged is known from the records beside the paths;
without a path, from the devices that bear the volume's serial number and from what is mounted of them. A volume that
is not here ails of nothing here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.mounts.users import users_of
from csi_driver.node.reach import storage_conditions
from csi_driver.node.records import PublishRecord, StageRecord
from csi_driver.node.stats import device_number, size_bytes, volume_stats
from csi_driver.node.watch import Unanswered, Watch
from csi_driver.storage.ids import VolumeId
from csi_driver.storage.model import Condition, HealthStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from csi_driver.node.attach.attacher import Attached, Attacher
    from csi_driver.node.model import BackendCondition, Usage, VolumeStats
    from csi_driver.node.mounts.mounter import Mounter
    from csi_driver.node.mounts.mountinfo import Mount

_SECONDS = 10.0
_LOOK_SECONDS = 3.0

_STAGE_ANEW = "restart its pods, so that the volume is staged anew"


@dataclass(frozen=True, slots=True)
class _Staged:
    record: StageRecord
    path: str


class HealthProbe:
    """
    See the module. Raises `DriverError` where nothing can be said.

    `portals` are those of each storage host by its name. `sysfs` is /sys, except in tests.
    """

    def __init__(
        self,
        attacher: Attacher,
        mounter: Mounter,
        *,
        portals: Mapping[str, Sequence[str]],
        sysfs: Path = Path("/sys"),
        nearly_full_percent: int = 90,
    ) -> None:
        self._attacher = attacher
        self._mounter = mounter
        self._portals = portals
        self._sysfs = sysfs
        self._limit = nearly_full_percent
        self._watch = Watch()

    def volume(self, volume_id: str, publish_path: str, staging_path: str) -> tuple[Condition, ...]:
        """Return what ails the volume here; a path that is not given is empty."""
        deadline = time.monotonic() + _SECONDS
        attached = self._with_serial(volume_id, deadline)
        paths = [path for path in (staging_path, publish_path) if path]
        staged = self._staged(volume_id, [*paths, *self._points(attached)])
        if staged is None:
            lost = sorted({each.device for each in attached if not each.alive})
            return (_session_lost(f"the one that {', '.join(lost)} came from"),) if lost else ()
        if not staged.record.complete:
            return ()
        return (*self._staging(staged, deadline), *self._publication(volume_id, publish_path))

    def storage(self) -> tuple[BackendCondition, ...]:
        """Return what ails this node's way to its storage hosts."""
        return storage_conditions(self._attacher.links(deadline=time.monotonic() + _SECONDS), self._portals)

    def _with_serial(self, volume_id: str, deadline: float) -> Sequence[Attached]:
        try:
            serial = VolumeId.parse(volume_id).serial
        except DriverError:  # not an id of ours: then nothing of ours can bear it
            return ()
        return self._attacher.with_serial(serial, deadline=deadline)

    def _points(self, attached: Sequence[Attached]) -> list[str]:
        """Where something of these devices is mounted, the latest last."""
        mounts = self._mounter.mounts()
        return [mount.point for each in attached for mount in users_of(each.device, mounts)]

    def _staged(self, volume_id: str, paths: Sequence[str]) -> _Staged | None:
        """Return the staging of the volume that one of the paths tells of."""
        for path in paths:
            published = PublishRecord.read(path)
            point = published.staging_path if published and published.volume_id == volume_id else path
            record = StageRecord.read(point)
            if record and record.volume_id == volume_id:
                return _Staged(record, point)
        return None

    def _staging(self, staged: _Staged, deadline: float) -> Iterator[Condition]:
        target = staged.record.attachment.target
        links = [link for link in self._attacher.links(deadline=deadline) if link.target == target]
        dead = sorted(link.portal for link in links if not link.alive)
        if len(dead) == len(links):
            yield _session_lost(", ".join(staged.record.attachment.portals))
        elif dead:
            message = f"the way through {', '.join(dead)} is lost: check the network there; it comes back by itself"
            yield _degraded("PathLost", message)
        if len(dead) < len(links):
            yield from self._device(staged, deadline)

    def _device(self, staged: _Staged, deadline: float) -> Iterator[Condition]:
        try:
            device = self._attacher.find(staged.record.attachment, deadline=deadline)
        except DriverError as error:
            if error.code is not ErrorCode.DEGRADED:
                raise
            yield _inaccessible("WrongDevice", error.message)
            return
        if device is None:
            yield _inaccessible("DeviceMissing", f"there is a session, but no device of the volume: {_STAGE_ANEW}")
            return
        size = self._size(device)
        if not size:
            yield _inaccessible("DeviceUnresponsive", f"{device} cannot be read: look at the node's kernel log")
        elif staged.record.is_mount:
            yield from self._mount(staged, device, size)

    def _size(self, device: str) -> int:
        """Return the device's size in bytes, 0 if it does not tell."""
        try:
            return self._watch.look(device, size_bytes, deadline=time.monotonic() + _LOOK_SECONDS)
        except (OSError, Unanswered):
            return 0

    def _mount(self, staged: _Staged, device: str, size: int) -> Iterator[Condition]:
        mount = self._mounter.at(staged.path)
        if mount is None:
            yield _inaccessible("MountMissing", f"nothing is mounted at {staged.path}: {_STAGE_ANEW}")
        elif mount.device != device_number(device):
            yield _inaccessible("StaleMount", f"what is mounted at {staged.path} has lost its device: {_STAGE_ANEW}")
        else:
            yield from self._errors(staged, device, mount)
            yield from self._usage(staged.path, device, size)

    def _errors(self, staged: _Staged, device: str, mount: Mount) -> Iterator[Condition]:
        if mount.readonly and staged.record.is_writable:
            message = f"the filesystem was mounted to be written and is read-only now, as after an error: {_STAGE_ANEW}"
            yield _degraded("FilesystemReadOnly", message)
        if errors := self._ext4_errors(device):
            message = f"the filesystem has counted {errors} errors: {_STAGE_ANEW}, which checks it first"
            yield _degraded("FilesystemErrors", message)

    def _ext4_errors(self, device: str) -> int:
        """Return the errors that ext4 has counted since it was last checked; 0 where it does not count."""
        try:
            text = (self._sysfs / "fs" / "ext4" / Path(device).resolve().name / "errors_count").read_text()
        except OSError:  # another filesystem
            return 0
        return int(text)

    def _usage(self, path: str, device: str, size: int) -> Iterator[Condition]:
        try:
            stats = self._watch.look(path, volume_stats, deadline=time.monotonic() + _LOOK_SECONDS)
        except Unanswered:
            message = f"{path} does not answer: check the storage host and the network to it"
            yield _inaccessible("FilesystemUnresponsive", message)
        except OSError as error:
            yield _inaccessible("FilesystemUnusable", f"{path} cannot be looked at: {error.strerror}; {_STAGE_ANEW}")
        else:
            yield from self._room(stats, device, size)

    def _room(self, stats: VolumeStats, device: str, size: int) -> Iterator[Condition]:
        if stats.total_bytes > size:
            message = f"{device} has {size} bytes, its filesystem more: expand the volume before anything is written"
            yield _inaccessible("DeviceTooSmall", message)
        if _is_full(stats.usage_bytes, self._limit):
            yield _degraded("FilesystemNearlyFull", f"{self._limit} % of the filesystem are used: expand the volume")
        if _is_full(stats.usage_inodes, self._limit):
            message = f"{self._limit} % of the filesystem's inodes are used: delete files, or expand the volume"
            yield _degraded("InodesNearlyUsedUp", message)

    def _publication(self, volume_id: str, path: str) -> Iterator[Condition]:
        record = PublishRecord.read(path) if path else None
        if record is None or record.volume_id != volume_id:
            return
        mount = self._mounter.at(path)
        if mount is None:
            yield _inaccessible("PublicationMissing", f"nothing is mounted at {path}: restart the pod")


def _is_full(usage: Usage | None, percent: int) -> bool:
    if usage is None:
        return False
    usable = usage.used + usage.available
    return usable > 0 and 100 * usage.used >= percent * usable


def _session_lost(where: str) -> Condition:
    message = (
        f"the session with the storage host ({where}) is lost: check the storage host and the network to it; "
        f"if it does not come back by itself, {_STAGE_ANEW}"
    )
    return _inaccessible("SessionLost", message)


def _inaccessible(reason: str, message: str) -> Condition:
    return Condition(status=HealthStatus.INACCESSIBLE, reason=reason, message=message)


def _degraded(reason: str, message: str) -> Condition:
    return Condition(status=HealthStatus.DEGRADED, reason=reason, message=message)
