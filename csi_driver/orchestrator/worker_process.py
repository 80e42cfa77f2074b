"""
Processes of the orchestrator: the only module of this side that starts any, and how they are ended.

Ansible's own workers leave the process group of their run, and ssh's shared connections detach
themselves, so a group kill is not enough. Everything that a worker starts, directly or not,
carries the worker's directory in its environment as `MARK`, and is found by it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.orchestrator import paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "CSI_WORKER_DIRECTORY"
_PS_SECONDS = 10.0
_KILL_SECONDS = 2.0
_PROC = Path("/proc")

ChildProcess = subprocess.Popen[bytes]
TimeoutExpired = subprocess.TimeoutExpired


def start_module(
    module: str, *arguments: str, keep: Sequence[int], environment: Mapping[str, str], directory: Path
) -> ChildProcess:
    """Start one of our modules in an interpreter of its own, with the descriptors `keep` left open."""
    search = os.pathsep.join(filter(None, (str(paths.PACKAGE.parent), environment.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        pass_fds=keep,
        env={**environment, "PYTHONPATH": search},
        cwd=directory,
    )


def start_piped(argv: Sequence[str]) -> ChildProcess:
    """Start a command with pipes to all three of its streams, in a session of its own."""
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def kill_tree(pid: int) -> None:
    """
    Kill the process and all its descendants; those that are already gone are ignored.

    Parents are stopped before their children are looked up, so none can start another meanwhile.
    """
    found = [pid]
    _signal(pid, signal.SIGSTOP)
    for parent in found:
        children = [child for child, its_parent in _processes() if its_parent == parent]
        for child in children:
            _signal(child, signal.SIGSTOP)
        found += children
    for process in reversed(found):
        _signal(process, signal.SIGKILL)


def kill_marked(directory: Path) -> None:
    """Kill whatever the worker with this directory has started, but not the calling process."""
    mark = f"{MARK}={directory}".encode()
    deadline = time.monotonic() + _KILL_SECONDS
    while (marked := [pid for pid in _marked(mark) if pid != os.getpid()]) and time.monotonic() < deadline:
        for pid in marked:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.01)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself, which is what was wanted
        os.kill(pid, number)


def _processes() -> list[tuple[int, int]]:
    """Return every process with its parent."""
    if not (_PROC / "self" / "stat").exists():
        return [(int(pid), int(parent)) for pid, parent in map(str.split, _ps("-axo", "pid=,ppid="))]
    found = []
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended between the listing and the reading
        # proc_pid_stat(5): pid (comm) state ppid; comm may hold anything, even parentheses.
        found.append((int(stat.parent.name), int(text.rpartition(")")[2].split()[1])))
    return found


def _marked(mark: bytes) -> list[int]:
    """Return the living processes of this user whose environment holds the mark."""
    if not (_PROC / "self" / "environ").exists():
        return [int(line.split()[0]) for line in _ps("-axewwo", "pid=,command=") if mark.decode() in line]
    found = []
    for process in _PROC.glob("[0-9]*"):
        try:
            # One that has ended, and was not waited for, has an empty environment.
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # another user's, or gone meanwhile
        if mark in variables:
            found.append(int(process.name))
    return found


def _ps(*arguments: str) -> list[str]:
    done = subprocess.run(["ps", *arguments], check=True, capture_output=True, text=True, timeout=_PS_SECONDS)
    return done.stdout.splitlines()
