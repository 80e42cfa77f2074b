"""Finding the processes of a runner by what they do."""

from __future__ import annotations

from typing import Protocol

from tests.bench.processes import _below, _marks, _parents, ours
from tests.simulator.host import SimulatedHost
from tests.warm.storage import alive, reading

WORKER = "csi_driver.orchestrator.worker "
FORK_SERVER = "csi_driver.orchestrator.warm.forkserver"
SSH = "ssh -"
AGENT = "import sys;s=open(0"


class Runner(Protocol):
    """What has a worker: this is the worker's process id."""

    @property
    def pid(self) -> int: ...


def workers(driver: int) -> list[int]:
    """The worker of a driver's process; none while there is none."""
    return [one for one, parent in _parents().items() if parent == driver and WORKER in reading(one)]


def marks(process: int) -> set[str]:
    """By which worker the process was started."""
    return {mark.decode() for mark in _marks(process)}


def all_of(runner: Runner, host: SimulatedHost) -> list[int]:
    """The worker, what it has started, and its agents on the host."""
    assert host._process is not None
    return [process for process in ours(runner.pid, host._process.pid) if alive(process)]


def parents() -> dict[int, int]:
    """The parent of every process."""
    return _parents()


def below(host: SimulatedHost) -> set[int]:
    """Everything that runs on the host."""
    assert host._process is not None
    return _below(host._process.pid, _parents())


def fork_servers(runner: Runner) -> list[int]:
    """The processes that fork runs: the worker's own children, more than one while another retires."""
    return [
        process for process, parent in _parents().items() if parent == runner.pid and FORK_SERVER in reading(process)
    ]


def fork_server(runner: Runner) -> int:
    """The process that forks runs; the newest while another one retires."""
    found = fork_servers(runner)
    assert found, "there is no fork server"
    return max(found)


def runs(runner: Runner) -> list[int]:
    """The main processes of the runs that the fork server has forked."""
    parents = _parents()
    servers = [one for one, parent in parents.items() if parent == runner.pid and FORK_SERVER in reading(one)]
    return [process for process, parent in parents.items() if parent in servers and alive(process)]


def channels(runner: Runner) -> list[int]:
    """The ssh clients that the worker keeps."""
    return [
        process
        for process, parent in _parents().items()
        if parent == runner.pid and reading(process).startswith(SSH) and alive(process)
    ]


def agents(host: SimulatedHost) -> list[int]:
    """The interpreters that are kept on the host: those that are not another's child."""
    assert host._process is not None
    parents = _parents()
    found = {process for process in _below(host._process.pid, parents) if AGENT in reading(process) and alive(process)}
    return [process for process in found if parents[process] not in found and " -c import" in reading(process)]
