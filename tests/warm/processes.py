"""Finding the processes of a runner by what they do."""

from __future__ import annotations

from csi_driver.orchestrator.runner import WorkerRunner
from tests.bench.processes import _below, _parents, ours
from tests.simulator.host import SimulatedHost
from tests.warm.storage import alive, reading

FORK_SERVER = "csi_driver.orchestrator.warm.forkserver"
SSH = "ssh -"
AGENT = "import sys;s=open(0"


def all_of(runner: WorkerRunner, host: SimulatedHost) -> list[int]:
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


def fork_server(runner: WorkerRunner) -> int:
    """The process that forks runs: the worker's own child; the newest while another one retires."""
    found = [
        process for process, parent in _parents().items() if parent == runner.pid and FORK_SERVER in reading(process)
    ]
    assert found, "there is no fork server"
    return max(found)


def runs(runner: WorkerRunner) -> list[int]:
    """The main processes of the runs that the fork server has forked."""
    parents = _parents()
    servers = [one for one, parent in parents.items() if parent == runner.pid and FORK_SERVER in reading(one)]
    return [process for process, parent in parents.items() if parent in servers and alive(process)]


def channels(runner: WorkerRunner) -> list[int]:
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
