"""SIGKILL of any process of ours: the next call works, a retry converges, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from csi_driver.orchestrator.runner import HostUnreachable, RunDied, RunError, WorkerRunner
from tests.simulator.host import SimulatedHost
from tests.warm import processes
from tests.warm.storage import Storage, alive, until, volume

Find = Callable[[WorkerRunner, SimulatedHost], list[int]]
VICTIMS: dict[str, Find] = {
    "the worker": lambda runner, _: [runner.pid],
    "the fork server": lambda runner, _: [processes.fork_server(runner)],
    "every run": lambda runner, _: processes.runs(runner),
    "the ssh clients": lambda runner, _: processes.channels(runner),
    "the agents": lambda _, host: processes.agents(host),
}


@pytest.fixture(scope="module", params=["standby", "forked"])
def rung(request: pytest.FixtureRequest) -> str:
    """The warm rungs; what can be killed on the plain one, the runner's own tests kill."""
    return str(request.param)


@pytest.fixture(scope="module")
def runner(host: SimulatedHost, rung: str) -> Iterator[WorkerRunner]:
    with Storage(host).runner(rung) as runner:
        yield runner


@pytest.fixture(autouse=True)
def _ready(runner: WorkerRunner, storage: Storage, rung: str) -> None:
    """Begin with everything in its place: channels up, and on the top rung runs parked."""
    until(lambda: _works(storage, runner), "the runner has not recovered")
    until(lambda: runner.rung == rung, f"the runner has not climbed: {runner.reason}", 90)
    until(lambda: len(processes.runs(runner)) >= (2 if rung == "standby" else 0), "no runs are parked")


def _works(storage: Storage, runner: WorkerRunner) -> bool:
    with contextlib.suppress(RunError):
        storage.apply(runner)
        return True
    return False


def kill(victims: list[int]) -> None:
    """Kill them all at once."""
    assert victims
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


@contextlib.contextmanager
def held_up(storage: Storage, runner: WorkerRunner) -> Iterator[Future[Any]]:
    """A call whose module is on the host and waits for the lock, until the context ends."""
    with ThreadPoolExecutor(1) as pool, storage.locked():
        future = pool.submit(storage.apply, runner, volume("hit"), lock_timeout=40)
        threading.Event().wait(1.5)
        assert not future.done()
        yield future


@pytest.mark.parametrize("name", VICTIMS)
def test_killed_while_idle_the_next_call_succeeds(
    name: str, runner: WorkerRunner, storage: Storage, host: SimulatedHost
) -> None:
    """Nothing was under way, so a caller that comes afterwards notices nothing but time."""
    before = processes.all_of(runner, host)
    victims = VICTIMS[name](runner, host)
    if not victims and runner.rung == "forked" and name == "every run":
        return  # none waits on this rung
    kill(victims)
    until(lambda: not any(map(alive, victims)), "a killed process is still there")
    if name == "the worker":
        threading.Event().wait(0.2)  # its end is noticed by the end of its answers
    if name == "every run":
        # The child that waits for the request outlives its run for a moment. If it still got to read it, nobody knows
        # what was done, and that is the answer.
        with contextlib.suppress(RunDied):
            storage.apply(runner, volume("next"))
    assert storage.apply(runner, volume("next"))["results"][0]["volume"]["name"] == "next"
    if name == "the worker":
        until(lambda: not any(map(alive, before)), "something of the killed worker is left")


@pytest.mark.parametrize("name", VICTIMS)
def test_killed_while_a_module_runs_the_caller_is_told_and_a_retry_converges(
    name: str, runner: WorkerRunner, storage: Storage, host: SimulatedHost
) -> None:
    """What the module did is not known, so the answer is an error, or a true result; never a false one."""
    with held_up(storage, runner) as future:
        kill(VICTIMS[name](runner, host))
        if name != "the fork server":  # its runs may end in peace
            assert isinstance(future.exception(timeout=30), RunDied | HostUnreachable)
    until(future.done, "the caller was never told")
    until(lambda: _works(storage, runner), "the runner has not recovered")
    retried = storage.apply(runner, volume("hit"))
    assert retried["results"][0]["volume"]["name"] == "hit"
    assert storage.datasets() == [retried["results"][0]["volume"]["dataset"]]


def test_a_module_whose_caller_died_does_not_go_on(runner: WorkerRunner, storage: Storage, host: SimulatedHost) -> None:
    """With the worker gone the channel ends, and with it the module that waits on the host."""
    with held_up(storage, runner) as future:
        kill([runner.pid])
        assert isinstance(future.exception(timeout=30), RunDied)
        until(lambda: not processes.agents(host), "agents outlive their channel")
    threading.Event().wait(0.5)
    assert storage.datasets() == []


def test_nothing_outlives_a_driver_that_was_killed(storage: Storage, host: SimulatedHost) -> None:
    """The worker ends with the socket to its driver; everything else with the worker."""
    others = processes.below(host)
    agents = set(processes.agents(host))
    with storage.runner("standby") as runner:
        storage.apply(runner, volume("one"))
        # Another runner's agent may fork a child of its own at any time.
        strange = others | {process for process, parent in processes.parents().items() if parent in agents}
        everything = [process for process in processes.all_of(runner, host) if process not in strange]
        assert len(everything) > 5
        runner._worker._wire._connection.shutdown(2)  # what the kernel does for a driver that is gone
        until(lambda: not any(map(alive, everything)), "something outlives the driver")


def test_no_file_is_left_on_the_host_by_agents_killed_while_idle(storage: Storage, host: SimulatedHost) -> None:
    """An agent that was killed cannot clean up; the child that waits beside it does."""
    others, before = processes.agents(host), set(storage.temporary.iterdir())
    with storage.runner("standby") as runner:
        storage.apply(runner, volume("one"))
        threading.Event().wait(1)  # so that the child is there again
        kill([agent for agent in processes.agents(host) if agent not in others])
        until(lambda: set(storage.temporary.iterdir()) <= before, "a killed agent's directory is left")
