"""Noticing that the files were changed from which runs are made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_driver.orchestrator.worker_settings import WorkerSettings


def fingerprint(settings: WorkerSettings) -> str:
    """Return a text that changes with the playbooks, the collections and the inventory, as far as stat(2) tells."""
    digest = hashlib.sha256()
    for path in sorted(_files(settings)):
        status = path.stat()
        digest.update(f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{status.st_ino}\n".encode())
    return digest.hexdigest()


def _files(settings: WorkerSettings) -> Iterator[Path]:
    yield Path(settings.inventory)
    yield from Path(settings.playbooks).glob("*.yml")
    yield from Path(settings.collections).glob("ansible_collections/*/*/plugins/**/*.py")
