"""
Staging: attach a volume, make or check its filesystem, grow it with its device, mount it; and back.

The record beside the staging path says what is being done, so that a retry, after a failure or a
crash at any step, goes on from there, and an unstage undoes exactly that. Without a record an
unstage looks at the machine.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.filesystems import DEFAULT, Content, Found, known
from csi_driver.node.mounts.users import users_of
from csi_driver.node.records import StageRecord, remove, stage_path
from csi_driver.node.stats import device_number
from csi_driver.storage.ids import VolumeId
from csi_driver.storage.model import MountAccess

if TYPE_CHECKING:
    from csi_driver.node.attach.attacher import Attached, Attacher
    from csi_driver.node.filesystems import Filesystems
    from csi_driver.node.model import StageRequest
    from csi_driver.node.mounts.mounter import Mounter

# Callers give up after two minutes. Making and checking a filesystem may take longer on purpose:
# stopping half-way is worse, and the volume's lock answers those who come again meanwhile.
_STAGE_SECONDS = 100.0
_UNSTAGE_SECONDS = 100.0
_MKFS_SECONDS = 600.0
_FSCK_SECONDS = 3600.0

# After these the caller comes again, to stage or to unstage; after others it may not, so what was
# begun is undone.
_CALLER_RETURNS = frozenset({ErrorCode.BUSY, ErrorCode.DEGRADED, ErrorCode.UNCERTAIN})


class Stager:
    """Stages and unstages; the caller holds the volume's lock. Raises `DriverError`."""

    def __init__(self, attacher: Attacher, mounter: Mounter, filesystems: Filesystems) -> None:
        self._attacher = attacher
        self._mounter = mounter
        self._filesystems = filesystems

    def stage(self, request: StageRequest) -> None:
        """Make the volume ready at the staging path."""
        _check(request)
        deadline = time.monotonic() + _STAGE_SECONDS
        former = StageRecord.read(request.staging_path)
        record = StageRecord.of(request)
        if former and self._is_staged(former, record, request, deadline):
            return
        self._release_others(request, former, deadline)
        if former and former.attachment.target == record.attachment.target:
            record = replace(record, formatting=former.formatting)
        record.write(request.staging_path)
        try:
            self._bring_up(request, record, deadline)
        except DriverError as error:
            self._after_failure(request, error)
            raise

    def unstage(self, volume_id: str, staging_path: str) -> None:
        """Undo the staging; nothing to do is success."""
        deadline = time.monotonic() + _UNSTAGE_SECONDS
        record = StageRecord.read(staging_path)
        if record and record.volume_id != volume_id:
            message = f"{staging_path} is where volume {record.volume_id} is staged, not {volume_id}"
            raise DriverError(ErrorCode.DENIED, message, option="staging_target_path")
        targets = [record.attachment.target] if record else self._discover(volume_id, staging_path, deadline)
        for target in targets:
            for attached in self._attacher.of_target(target, deadline=deadline):
                self._be_unused(attached, staging_path)
        self._mounter.be_unmounted(staging_path, deadline=deadline)
        for target in targets:
            self._attacher.detach(target, deadline=deadline)
        remove(stage_path(staging_path))

    def _is_staged(self, former: StageRecord, wanted: StageRecord, request: StageRequest, deadline: float) -> bool:
        """Whether all is done; an error if it was done, but differently."""
        if not former.complete or former.attachment.target != wanted.attachment.target:
            return False
        device = self._attacher.find(former.attachment, deadline=deadline)
        if device is None or not self._is_mounted_as_needed(device, former, request):
            return False
        if former.use != wanted.use:
            message = (
                f"volume {request.volume_id} is staged at {request.staging_path} for another access "
                "type, mode or mount flags; unstage it first"
            )
            raise DriverError(ErrorCode.EXISTS_DIFFERENTLY, message)
        return True

    def _is_mounted_as_needed(self, device: str, former: StageRecord, request: StageRequest) -> bool:
        if not former.is_mount:
            return True
        mount = self._mounter.at(request.staging_path)
        return (
            mount is not None
            and mount.device == device_number(device)
            and self._mounter.is_usable(request.staging_path)
        )

    def _bring_up(self, request: StageRequest, record: StageRecord, deadline: float) -> None:
        device = self._attacher.attach(request.attachment, chap=request.chap, deadline=deadline)
        # Whatever an interrupted attempt or a lost device left there; published mounts stay.
        self._mounter.be_unmounted(request.staging_path, deadline=deadline)
        if isinstance(request.access, MountAccess):
            self._mount(device, request, request.access, record, deadline)
        record.now_complete(request.staging_path)

    def _mount(
        self,
        device: str,
        request: StageRequest,
        access: MountAccess,
        record: StageRecord,
        deadline: float,
    ) -> None:
        fs_type = self._be_formatted(device, request, access, record, deadline)
        grows = False
        if not request.is_readonly and not users_of(device, self._mounter.mounts()):
            self._filesystems.check(device, fs_type, deadline=time.monotonic() + _FSCK_SECONDS)
            grows = self._filesystems.can_grow(device, fs_type)
        if grows and known(fs_type).grows_unmounted:
            self._filesystems.grow_unmounted(device, fs_type, deadline=time.monotonic() + _FSCK_SECONDS)
        self._mounter.be_mounted(
            device,
            request.staging_path,
            fs_type=fs_type,
            options=(
                *known(fs_type).mount_options,
                *access.mount_flags,
                *(("ro",) if request.is_readonly else ()),
            ),
            deadline=time.monotonic() + _STAGE_SECONDS,
        )
        if grows and not known(fs_type).grows_unmounted:
            point = request.staging_path
            self._filesystems.grow_mounted(device, fs_type, point, deadline=time.monotonic() + _STAGE_SECONDS)

    def _be_formatted(
        self,
        device: str,
        request: StageRequest,
        access: MountAccess,
        record: StageRecord,
        deadline: float,
    ) -> str:
        """Return the type of the device's filesystem, made now if the device is blank."""
        found = self._filesystems.probe(device, deadline=deadline)
        if found.content is Content.FILESYSTEM:
            return _agreed(found.name, access, request.volume_id)
        _refuse_to_format(found, request, interrupted=record.formatting)
        fs_type = access.fs_type or DEFAULT
        record.now_formatting(request.staging_path)
        again = found.content is not Content.BLANK
        limit = time.monotonic() + _MKFS_SECONDS
        self._filesystems.make(device, fs_type, again=again, deadline=limit)
        return fs_type

    def _release_others(self, request: StageRequest, former: StageRecord | None, deadline: float) -> None:
        """Drop sessions of this volume that stem from former publications, which are over."""
        serial = request.attachment.serial
        targets = {each.target for each in self._attacher.with_serial(serial, deadline=deadline)}
        if former:
            targets.add(former.attachment.target)
        for target in sorted(targets - {request.attachment.target}):
            for attached in self._attacher.of_target(target, deadline=deadline):
                self._release(attached, request.staging_path, deadline)
            self._attacher.detach(target, deadline=deadline)

    def _release(self, attached: Attached, staging_path: str, deadline: float) -> None:
        if attached.alive:
            self._be_unused(attached, staging_path)
        for mount in reversed(users_of(attached.device, self._mounter.mounts())):
            self._mounter.be_unmounted(mount.point, deadline=deadline, abandon=not attached.alive)

    def _be_unused(self, attached: Attached, staging_path: str) -> None:
        """Insist that nobody but the staging itself needs the device."""
        staged = self._mounter.at(staging_path)
        own = staged.point if staged else None
        points = [mount.point for mount in users_of(attached.device, self._mounter.mounts())]
        others = [point for point in points if point != own]
        if others:
            message = f"the volume is still mounted at {', '.join(others)}; unpublish it there first"
            raise DriverError(ErrorCode.IN_USE, message)

    def _discover(self, volume_id: str, staging_path: str, deadline: float) -> list[str]:
        """Find the targets of a staging that has no record: by its mount, and by its serial number."""
        found: list[Attached] = []
        if mount := self._mounter.at(staging_path):
            found += self._attacher.on_device(mount.device, deadline=deadline)
        if serial := _serial(volume_id):
            found += self._attacher.with_serial(serial, deadline=deadline)
        return sorted({each.target for each in found})

    def _after_failure(self, request: StageRequest, error: DriverError) -> None:
        """Undo what was begun if the caller may never come again; if that fails, say so."""
        if error.code in _CALLER_RETURNS:
            return
        try:
            self.unstage(request.volume_id, request.staging_path)
        except DriverError as second:
            message = f"{error.message}; and undoing it failed: {second.message}"
            raise DriverError(ErrorCode.UNCERTAIN, message) from error


def _check(request: StageRequest) -> None:
    if not Path(request.staging_path).is_dir():
        message = f"the staging path {request.staging_path} is not a directory; the caller makes it"
        raise DriverError(ErrorCode.DENIED, message, option="staging_target_path")
    if not isinstance(request.access, MountAccess):
        return
    if request.access.fs_type:
        known(request.access.fs_type)
    for flag in request.access.mount_flags:
        if not flag or not flag.isprintable():
            message = f"mount flag {flag!a} is empty or holds unprintable characters"
            raise DriverError(ErrorCode.INVALID, message, option="mount_flags")


def _agreed(found: str, access: MountAccess, volume_id: str) -> str:
    if access.fs_type not in ("", found):
        message = (
            f"volume {volume_id} already holds a filesystem of type {found}, but {access.fs_type} is "
            f"asked for; ask for {found}, or use another volume"
        )
        raise DriverError(ErrorCode.EXISTS_DIFFERENTLY, message, option="fs_type")
    known(found)
    return found


def _refuse_to_format(found: Found, request: StageRequest, *, interrupted: bool) -> None:
    """Let pass what is blank, or was left by our own interrupted attempt."""
    unfinished = found.content in (Content.UNKNOWN, Content.UNFINISHED)
    if found.content is not Content.BLANK and not (unfinished and interrupted):
        what = f"{found.content.value} ({found.name})" if found.name else found.content.value
        message = (
            f"volume {request.volume_id} holds {what}; it is not formatted. Use it as a block volume, "
            "or erase it by hand if nothing on it is needed"
        )
        raise DriverError(ErrorCode.DENIED, message)
    if request.is_readonly:
        message = f"volume {request.volume_id} holds no filesystem and is to be read only"
        raise DriverError(ErrorCode.DENIED, message)


def _serial(volume_id: str) -> str | None:
    try:
        return VolumeId.parse(volume_id).serial
    except DriverError:  # not an id of ours: then nothing of ours can bear it
        return None
