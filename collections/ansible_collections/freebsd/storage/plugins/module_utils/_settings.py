# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The host's own settings: which parent datasets may be worked on, and the locks of those who do.

All lie in the settings directory that the role storage_host makes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable

from .errors import HostError

PARENTS = "parents.json"
LOCK = "lock"
CTL_LOCK = "ctl.lock"
REMEDY = "run the role storage_host on this host"

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


def parents(settings_dir: str) -> Mapping[str, str]:
    """Return the GUID of each parent dataset that is registered; raise `HostError` without one."""
    path = Path(settings_dir, PARENTS)
    try:
        data: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}; {REMEDY}") from error
    except ValueError as error:
        raise HostError("degraded", f"{path} is not JSON ({error}); {REMEDY}") from error
    if not isinstance(data, dict):
        raise HostError("degraded", f"{path} does not hold an object; {REMEDY}")
    return {str(name): str(guid) for name, guid in data.items()}


def check_parent(settings_dir: str, parent: str, guid: str) -> None:
    """Raise `HostError` unless the dataset that was read is the one registered under this name."""
    expected = parents(settings_dir).get(parent)
    if expected is None:
        path = Path(settings_dir, PARENTS)
        raise HostError("degraded", f"{parent} is not registered in {path}; {REMEDY}")
    if expected != guid:
        raise HostError(
            "degraded",
            f"{parent} is another dataset (GUID {guid}) than the one registered ({expected}): "
            "bring the right one back, or register this one with the role storage_host",
            expected=expected,
            actual=guid,
        )


@contextlib.contextmanager
def locked(
    settings_dir: str,
    timeout: float,
    *,
    name: str = LOCK,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """
    Hold a lock of the host, that of the runs unless another is named, and yield its descriptor.

    Raise `busy` when it is not free in time.

    The lock belongs to the open file: a command that inherits the descriptor keeps it until it ends,
    so that a killed run and its successor do not work at the same time.
    """
    path = Path(settings_dir, name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}; {REMEDY}") from error
    try:
        _wait_for(descriptor, path, timeout, now, sleep)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(
    descriptor: int,
    path: Path,
    timeout: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    end = now() + timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise HostError("degraded", f"{path}: {error.strerror}") from error
        if now() >= end:
            raise HostError("busy", f"another run has held {path} for {timeout:g} seconds; try again")
        sleep(min(pause, max(end - now(), 0)))
        pause = min(pause * 2, _LONGEST_PAUSE)
