"""Watches for a secret where none may be: arguments and environments of all processes, and files."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

LARGEST = 8 << 20
PAUSE = 0.01


class Watch:
    """
    Looks again and again while it lasts; `found` says where a secret was seen.

    Of files it looks at those below `directory`, and at the end at those that came up elsewhere, where
    runs may leave something; but at none that is larger than any log.
    """

    def __init__(self, secrets: list[str], directory: Path) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        run = Path(os.environ.get("XDG_RUNTIME_DIR", "/run"))
        self._directory = directory
        self._elsewhere = {Path("/dev/shm"), Path(tempfile.gettempdir()), run}
        self._began = time.time()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch")
        self.found: set[str] = set()
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        for directory in self._elsewhere:
            self._search(directory.rglob("*"), since=self._began)

    def _work(self) -> None:
        while not self._end.wait(PAUSE):
            self._search(_processes())
            self._search(self._directory.rglob("*"))
            self.looks += 1

    def _search(self, paths: Iterator[Path], since: float = 0.0) -> None:
        with contextlib.suppress(OSError):
            for path in paths:
                self._look(path, since)

    def _look(self, path: Path, since: float) -> None:
        # Processes end and files go while one looks.
        with contextlib.suppress(OSError):
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST or found.st_mtime < since:
                return
            content = path.read_bytes()
            if any(secret in content for secret in self._secrets):
                self.found.add(str(path))


def _processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        yield process / "cmdline"
        yield process / "environ"
