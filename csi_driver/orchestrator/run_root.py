"""
The private directory of this process, in memory where there is such a file system: requests pass through it.

Who has one holds a lock in it. So those of drivers that were killed are known by their locks, which nobody
holds, and the next driver on the machine removes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 - a private directory is made below it
LOCK = "lock"
_PREFIX = "csi-driver-"
_UNLOCKED_PREFIX = "csi-making-"


@contextlib.contextmanager
def run_root(parent: Path | None = None) -> Iterator[Path]:
    """Lend a new 0700 directory, below `parent` if that is given, and remove it with all it holds."""
    parent = parent or _memory()
    _remove_abandoned(parent)
    made = Path(tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX, dir=parent))
    with (made / LOCK).open("x") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # It has its name only now that it has its lock, or another driver might take it for abandoned.
        directory = made.rename(parent / made.name.replace(_UNLOCKED_PREFIX, _PREFIX))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _memory() -> Path:
    in_memory = MEMORY_FILE_SYSTEM.is_dir() and os.access(MEMORY_FILE_SYSTEM, os.W_OK)
    return MEMORY_FILE_SYSTEM if in_memory else Path(tempfile.gettempdir())


def _remove_abandoned(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        # Another login's, without a lock, or in use: then it is not ours to remove.
        with contextlib.suppress(OSError), (directory / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
