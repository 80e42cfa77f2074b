"""Finding and killing processes of the host's SSH sessions, portably (ps(1))."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time


def kill(pid: int) -> None:
    """SIGKILL; one that has already gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_gone(pid: int, seconds: float) -> None:
    """Wait until a process (not a child of ours) has gone, at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def parents() -> dict[int, int]:
    """Every process's parent. Asks the machine's own ps, never the simulated one."""
    ps = next(path for path in ("/bin/ps", "/usr/bin/ps") if os.path.exists(path))
    listing = subprocess.run([ps, "-axo", "pid=,ppid="], check=True, capture_output=True, text=True, timeout=10).stdout
    return {int(pid): int(ppid) for pid, ppid in (line.split() for line in listing.splitlines())}


def ancestors(pid: int) -> list[int]:
    """From the parent of ``pid`` upwards."""
    table = parents()
    found: list[int] = []
    while (pid := table.get(pid, 0)) > 1:
        found.append(pid)
    return found


def descendants(pid: int) -> list[int]:
    """All below ``pid``, children first."""
    table = parents()
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in table.items() if its_parent == parent]
    return found[1:]
