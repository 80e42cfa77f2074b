"""Publishing: show a staged volume at a further path; and back."""

from __future__ import annotations

import errno
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.host import expect
from csi_driver.node.mounts.users import is_bound
from csi_driver.node.records import PublishRecord, StageRecord, publish_path, remove
from csi_driver.storage.model import AccessMode, MountAccess

if TYPE_CHECKING:
    from csi_driver.node.attach.attacher import Attacher
    from csi_driver.node.host import Host
    from csi_driver.node.model import PublishRequest
    from csi_driver.node.mounts.mounter import Mounter
    from csi_driver.node.mounts.mountinfo import Mount

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Source:
    """What is bound to target paths: the staging path's filesystem, or a device."""

    path: str
    device_number: str | None

    def is_shown_by(self, mount: Mount) -> bool:
        if self.device_number is not None:
            return mount.device == self.device_number
        return is_bound(mount, self.path)


class Publisher:
    """Publishes and unpublishes; the caller holds the volume's lock. Raises `DriverError`."""

    def __init__(self, attacher: Attacher, mounter: Mounter, host: Host) -> None:
        self._attacher = attacher
        self._mounter = mounter
        self._host = host

    def publish(self, request: PublishRequest) -> None:
        """Show the staged volume at the target path."""
        deadline = time.monotonic() + _SECONDS
        source = self._source(request, deadline)
        record = PublishRecord.of(request)
        if self._is_published(request, record, source):
            return
        self._be_allowed(request, source)
        self._mounter.be_unmounted(request.target_path, deadline=deadline)
        record.write(request.target_path)
        self._be_there(request)
        if not isinstance(request.access, MountAccess):
            self._be_writable(source.path, writable=not request.is_readonly, deadline=deadline)
        self._mounter.be_bound(source.path, request.target_path, readonly=request.is_readonly, deadline=deadline)

    def unpublish(self, target_path: str) -> None:
        """Take the volume away from the target path, and the path itself; nothing there is success."""
        self._mounter.be_unmounted(target_path, deadline=time.monotonic() + _SECONDS)
        _remove_target(Path(target_path))
        if Path(target_path).parent.is_dir():
            remove(publish_path(target_path))

    def _source(self, request: PublishRequest, deadline: float) -> _Source:
        staged = StageRecord.read(request.staging_path)
        if staged and staged.volume_id != request.volume_id:
            raise _not_staged(request, f"volume {staged.volume_id} is")
        if isinstance(request.access, MountAccess):
            mount = self._mounter.at(request.staging_path)
            if mount is None or not self._mounter.is_usable(request.staging_path):
                raise _not_staged(request, "no usable filesystem is mounted there")
            return _Source(request.staging_path, mount.device)
        device = staged and not staged.is_mount and self._attacher.find(staged.attachment, deadline=deadline)
        if not device:
            raise _not_staged(request, "no device is attached for it")
        return _Source(device, None)

    def _is_published(self, request: PublishRequest, wanted: PublishRecord, source: _Source) -> bool:
        """Whether all is done; an error if it was done, but differently."""
        mount = self._mounter.at(request.target_path)
        if mount is None:
            return False
        former = PublishRecord.read(request.target_path)
        is_ours = source.is_shown_by(mount) and self._mounter.is_usable(request.target_path)
        if former is None and not is_ours:
            message = f"something that is not ours is mounted at {request.target_path}; unmount it"
            raise DriverError(ErrorCode.EXISTS_DIFFERENTLY, message, option="target_path")
        if former and is_ours and former != wanted:
            message = f"{request.target_path} is published with other arguments; unpublish it first"
            raise DriverError(ErrorCode.EXISTS_DIFFERENTLY, message, option="target_path")
        return former is not None and is_ours and (mount.readonly or not wanted.readonly)

    def _be_allowed(self, request: PublishRequest, source: _Source) -> None:
        """Refuse what the volume's other publications on this node rule out."""
        own = self._mounter.at(request.target_path)
        for mount in self._mounter.mounts():
            other = PublishRecord.read(mount.point) if source.is_shown_by(mount) else None
            if other is None or (own and mount.point == own.point):
                continue
            if AccessMode.SINGLE_NODE_SINGLE_WRITER in (request.mode, other.mode):
                message = f"the volume is for a single writer and published at {mount.point}"
                raise DriverError(ErrorCode.DENIED, message)
            if not isinstance(request.access, MountAccess) and other.readonly != request.is_readonly:
                message = (
                    f"the device is published at {mount.point} as "
                    f"{'read-only' if other.readonly else 'writable'}, and a device is the same "
                    "for all of a node"
                )
                raise DriverError(ErrorCode.DENIED, message)

    def _be_there(self, request: PublishRequest) -> None:
        """Make the target path: a directory for a filesystem, an empty file for a device."""
        path = Path(request.target_path)
        if isinstance(request.access, MountAccess):
            path.mkdir(mode=0o750, exist_ok=True)
        else:
            path.touch(mode=0o600, exist_ok=True)
        if path.is_dir() != isinstance(request.access, MountAccess):
            message = f"{path} is there already and of the wrong kind; remove it"
            raise DriverError(ErrorCode.EXISTS_DIFFERENTLY, message, option="target_path")

    def _be_writable(self, device: str, *, writable: bool, deadline: float) -> None:
        """Let the device itself refuse writes: a read-only bind mount of a device node does not."""
        if self._is_writable(device, deadline) == writable:
            return
        flag = "--setrw" if writable else "--setro"
        result = self._host.run("blockdev", flag, device, deadline=deadline)
        expect(result, f"blockdev {flag} {device}")
        if self._is_writable(device, deadline) != writable:
            message = f"{device} is exported read-only by the storage host"
            raise DriverError(ErrorCode.DENIED, message)

    def _is_writable(self, device: str, deadline: float) -> bool:
        result = self._host.run("blockdev", "--getro", device, deadline=deadline)
        return expect(result, f"blockdev --getro {device}").out.strip() == "0"


def _remove_target(path: Path) -> None:
    try:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            path.rmdir()
        elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
            path.unlink()
        else:
            message = f"{path} is neither a directory nor an empty file, so not ours; remove it"
            raise DriverError(ErrorCode.DENIED, message, option="target_path")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        message = f"{path} holds files although nothing is mounted there; move them away"
        raise DriverError(ErrorCode.DENIED, message, option="target_path") from error


def _not_staged(request: PublishRequest, why: str) -> DriverError:
    message = f"volume {request.volume_id} is not staged at {request.staging_path}: {why}; stage it first"
    return DriverError(ErrorCode.DENIED, message, option="staging_target_path")
