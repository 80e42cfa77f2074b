"""The driver's processes on both sides, and what they take: Linux's /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from csi_driver.orchestrator.warm.channel import BOOT
from csi_driver.orchestrator.worker_process import MARK

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What processes take together while nothing is asked of them."""

    processes: int
    core_percent: float
    megabytes: float


def measure(driver: int, host: int, seconds: float) -> Usage:
    """Watch the driver with this process id, all it has started, and its interpreters below the simulated host's."""
    before = {process: _ticks(process) for process in ours(driver, host)}
    time.sleep(seconds)
    after = {process: _ticks(process) for process in ours(driver, host)}
    ticks = sum(now - before.get(process, 0) for process, now in after.items())
    return Usage(
        processes=len(after),
        core_percent=100 * ticks / os.sysconf("SC_CLK_TCK") / seconds,
        megabytes=megabytes(after),
    )


def megabytes(found: Iterable[int]) -> float:
    """What processes take together, with what they share counted once."""
    return sum(_proportional_kilobytes(process) for process in found) / 1024


def resident_megabytes(process: int) -> float:
    """What one process has in memory, with what it shares."""
    lines = _read(process, "status").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"VmRSS:")) / 1024


def ours(driver: int, host: int) -> list[int]:
    """The driver, what it has started, even if that has detached itself, and the agents on the host."""
    parents = _parents()
    found = _below(driver, parents)
    marks = {mark for process in found for mark in _marks(process)}
    marked = {process for process in parents if marks & _marks(process)}
    boot = BOOT.partition("\n")[0].encode()
    agents = {process for process in _below(host, parents) if boot in _read(process, "cmdline")}
    return sorted(found | marked | agents)


def _below(ancestor: int, parents: dict[int, int]) -> set[int]:
    found = {ancestor}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _marks(process: int) -> set[bytes]:
    return {variable for variable in _read(process, "environ").split(b"\0") if variable.startswith(MARK.encode())}


def _parents() -> dict[int, int]:
    parents = {}
    for process in PROC.glob("[0-9]*"):
        fields = _fields(int(process.name))
        if fields:
            parents[int(process.name)] = int(fields[1])
    return parents


def _fields(process: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on; none when it is gone."""
    return _read(process, "stat").decode(errors="replace").rpartition(")")[2].split()


def _ticks(process: int) -> int:
    fields = _fields(process)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _proportional_kilobytes(process: int) -> int:
    lines: Iterable[bytes] = _read(process, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss:"))


def _read(process: int, name: str) -> bytes:
    try:
        return (PROC / str(process) / name).read_bytes()
    except OSError:
        return b""
