"""
What was done is recorded beside the path it was done for, and exactly that is undone.

A record is a small JSON file, readable by its owner only (a target's name is a secret), replaced
atomically and flushed to disk before the deed it announces. It survives a restart and a reboot;
it is a note of intent, so whoever reads it also looks at the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.model import IscsiAttachment, PublishRequest, StageRequest
from csi_driver.storage.model import BlockAccess, MountAccess

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """
    One staging: what was attached, and for what use.

    `formatting` is set while a filesystem is being made, so that one which was interrupted is told
    apart from data. `complete` is set at the end.
    """

    volume_id: str
    attachment: IscsiAttachment
    use: str
    formatting: bool = False
    complete: bool = False

    @property
    def is_mount(self) -> bool:
        """Whether the volume is used through a filesystem."""
        return bool(json.loads(self.use)[2] == "mount")

    @property
    def is_writable(self) -> bool:
        """Whether what is staged was meant to be written."""
        _mode, readonly, _what, *options = json.loads(self.use)
        return not readonly and not any("ro" in flags.split(",") for flags in options[1:])

    @classmethod
    def of(cls, request: StageRequest) -> Self:
        """Return the record with which a staging begins."""
        use = _use(request.access, request.mode, readonly=request.is_readonly)
        return cls(volume_id=request.volume_id, attachment=request.attachment, use=use)

    @classmethod
    def read(cls, staging_path: str) -> Self | None:
        """Return the record of a staging path, or None if there is none."""
        document = _read(stage_path(staging_path))
        if document is None:
            return None
        attachment = document.pop("attachment")
        portals = tuple(attachment.pop("portals"))
        return cls(attachment=IscsiAttachment(portals=portals, **attachment), **document)

    def write(self, staging_path: str) -> None:
        """Put the record beside the staging path, durably."""
        _write(stage_path(staging_path), asdict(self))

    def now_formatting(self, staging_path: str) -> Self:
        """Note durably that a filesystem is about to be made."""
        changed = replace(self, formatting=True)
        changed.write(staging_path)
        return changed

    def now_complete(self, staging_path: str) -> Self:
        """Note durably that the volume is staged."""
        changed = replace(self, formatting=False, complete=True)
        changed.write(staging_path)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRecord:
    """One publication: of which volume, from where, and for what use."""

    volume_id: str
    staging_path: str
    mode: str
    readonly: bool
    use: str

    @classmethod
    def of(cls, request: PublishRequest) -> Self:
        """Return the record of a publication."""
        return cls(
            volume_id=request.volume_id,
            staging_path=request.staging_path,
            mode=request.mode.value,
            readonly=request.is_readonly,
            use=_use(request.access, request.mode, readonly=request.is_readonly),
        )

    @classmethod
    def read(cls, target_path: str) -> Self | None:
        """Return the record of a target path, or None if there is none."""
        document = _read(publish_path(target_path))
        return None if document is None else cls(**document)

    def write(self, target_path: str) -> None:
        """Put the record beside the target path, durably."""
        _write(publish_path(target_path), asdict(self))


def stage_path(staging_path: str) -> Path:
    """Where the record of a staging path lies."""
    path = Path(staging_path)
    return path.with_name(f".{path.name}.stage.json")


def publish_path(target_path: str) -> Path:
    """Where the record of a target path lies."""
    path = Path(target_path)
    return path.with_name(f".{path.name}.publish.json")


def remove(path: Path) -> None:
    """Remove a record, durably; it need not be there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync_directory(path.parent)


def _use(access: MountAccess | BlockAccess, mode: str, *, readonly: bool) -> str:
    """One line that is equal exactly when two requests ask for the same."""
    what = ["mount", access.fs_type, *access.mount_flags] if isinstance(access, MountAccess) else ["block"]
    return json.dumps([str(mode), readonly, *what])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        message = f"{path} is not a record of this driver; remove it if it is not yours"
        raise DriverError(ErrorCode.DEGRADED, message) from error
    if not isinstance(document, dict) or document.pop("version", None) != _VERSION:
        message = f"{path} was written by another version of this driver; finish with that one"
        raise DriverError(ErrorCode.DEGRADED, message)
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    staged = path.with_name(f"{path.name}.new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps({"version": _VERSION, **document}).encode())
        file.flush()
        os.fsync(descriptor)
    staged.replace(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
