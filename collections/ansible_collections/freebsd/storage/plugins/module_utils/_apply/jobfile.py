# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The file of a copy's job: a lock as long as the job runs, its process group, and what its commands said.

It is of use only beside the record in ZFS: where there is none, so is none of a job. Those who call
hold the host's lock, so that no two of them look at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple, Optional

from ..errors import HostError

JOBS = "jobs"
_KILL_SECONDS = 10.0
_PAUSE = 0.01
_SAID_BYTES = 1 << 14


class JobFile(NamedTuple):
    """An open file whose lock is ours, for no job runs; `said` is what the last one left."""

    path: Path
    descriptor: int
    said: str

    def clear(self) -> None:
        """Forget what the last job said."""
        os.ftruncate(self.descriptor, 0)

    def remove(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the lock to the job that was started with it, or give it up."""
        os.close(self.descriptor)


def path_of(settings_dir: str, uuid: str) -> Path:
    """Return where the file of a copy's job is."""
    return Path(settings_dir, JOBS, f"copy-{uuid}")


def claim(path: Path) -> Optional[JobFile]:
    """Return the file, locked; None while a job has the lock."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    lines = os.pread(descriptor, _SAID_BYTES, 0).decode("utf-8", "backslashreplace").split("\n", 1)
    return JobFile(path, descriptor, lines[1] if len(lines) > 1 else "")


def seize(path: Path, seconds: float) -> JobFile:
    """Kill the job, if one runs, and return its file; raise `HostError` if it does not end in time."""
    end = time.monotonic() + min(seconds, _KILL_SECONDS)
    while True:
        job = claim(path)
        if job is not None:
            return job
        _kill(path)
        if time.monotonic() > end:
            raise HostError("busy", f"the copy under {path} has not ended although it was killed; try again")
        time.sleep(_PAUSE)


def _opened(path: Path) -> int:
    """Open the file, if it is ours: in the folder logins that are not root can make files, and links, as well."""
    try:
        path.parent.mkdir(0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}; run the role storage_host on this host") from error
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise HostError("denied", f"{path} is another login's, and so is the copy: let that one go on with it")
    return descriptor


def _kill(path: Path) -> None:
    """As long as somebody holds the lock, the process group in the file is that of the job."""
    with contextlib.suppress(OSError, ValueError):
        group = int(path.read_bytes().split(b"\n", 1)[0])
        if group > 1:
            os.killpg(group, signal.SIGKILL)
