"""Killing what a worker has started, and the wire between driver and worker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from csi_driver.orchestrator.worker_process import MARK, kill_marked, kill_tree
from csi_driver.orchestrator.worker_wire import Wire

# A process that has a child in a session of its own, which has another child.
FAMILY = """
import os, subprocess, sys, time
if sys.argv[1] != "0":
    child = subprocess.Popen([sys.executable, *sys.orig_argv[1:-1], str(int(sys.argv[1]) - 1)], start_new_session=True)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def family(**variables: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Start three generations; return the first and the ids of all."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY, "2"], stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )
    assert process.stdout is not None
    return process, [int(process.stdout.readline()) for _ in range(3)]


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def all_gone(pids: list[int]) -> bool:
    """Whether they are all gone, soon."""
    deadline = time.monotonic() + 5
    while any(map(lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(lives, pids))


def test_a_tree_is_killed_across_sessions() -> None:
    """A group kill would miss those that left the group."""
    process, pids = family()
    kill_tree(process.pid)
    assert all_gone(pids)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_tree_that_is_gone_is_no_error() -> None:
    """It ended by itself in the meantime."""
    process = subprocess.Popen(["true"])
    process.wait()
    kill_tree(process.pid)


def test_what_carries_the_mark_is_killed_and_nothing_else(tmp_path: Path) -> None:
    """Even when its parents are gone."""
    process, pids = family(**{MARK: str(tmp_path)})
    other, others = family(**{MARK: str(tmp_path / "other")})
    os.kill(process.pid, 9)
    process.wait()
    kill_marked(tmp_path)
    assert all_gone(pids)
    assert all(map(lives, others))
    kill_tree(other.pid)
    for started in (process, other):
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


def test_messages_arrive_whole_and_in_order() -> None:
    """Whatever their size."""
    here, there = map(Wire, socket.socketpair())
    here.send({"text": "é" * 30_000})
    here.send({"number": 2})
    assert there.receive() == {"text": "é" * 30_000}
    assert there.receive() == {"number": 2}
    here.close()
    assert there.receive() is None
    there.close()


def test_a_message_that_breaks_off_is_the_end() -> None:
    """Its sender died while sending."""
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    theirs.sendall(b'\0\0\0\x10{"half":')
    theirs.close()
    assert wire.receive() is None
    wire.close()
