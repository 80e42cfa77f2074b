"""Finding and killing processes of the host's SSH sessions, portably (ps(1))."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from tests.simulator.ssh.environment import ROOT_VARIABLE

_PROC = Path("/proc")


def kill(pid: int) -> None:
    """SIGKILL; one that has already gone is fine."""
    _send(pid, signal.SIGKILL)


def kill_at_once(pids: Iterable[int]) -> None:
    """SIGKILL to all as when the power fails: none goes on because the one it waited for died a moment sooner."""
    victims = set(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in victims:
            _send(pid, number)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def wait_gone(pid: int, seconds: float) -> None:
    """Wait until a process (not a child of ours) has gone, at most ``seconds``; 0 is no process."""
    deadline = time.monotonic() + seconds
    while pid > 0 and time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def _table() -> dict[int, tuple[int, str]]:
    """Every process's parent and name. Asks the machine's own ps, never the simulated one."""
    ps = next(path for path in ("/bin/ps", "/usr/bin/ps") if Path(path).exists())
    listing = subprocess.run(
        [ps, "-axo", "pid=,ppid=,comm="], check=True, capture_output=True, text=True, timeout=10
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    return {int(row[0]): (int(row[1]), row[2] if len(row) > 2 else "") for row in rows}


def name(pid: int) -> str:
    """The command name of a process; empty when it has gone."""
    return _table().get(pid, (0, ""))[1]


def ancestors(pid: int) -> list[int]:
    """From the parent of ``pid`` upwards."""
    table = _table()
    found: list[int] = []
    while (pid := table.get(pid, (0, ""))[0]) > 1:
        found.append(pid)
    return found


def descendants(pid: int) -> list[int]:
    """All below ``pid``, parents first."""
    table = _table()
    found = [pid]
    for parent in found:
        found += [child for child, (its_parent, _) in table.items() if its_parent == parent]
    return found[1:]


def of_host(root: Path) -> list[int]:
    """Processes that some session of the host started and whose parents have gone (Linux only; else none is found)."""
    wanted = f"{ROOT_VARIABLE}={root}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*/environ"):
        try:
            variables = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            found.append(int(entry.parent.name))
    return found
