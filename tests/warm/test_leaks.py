"""Nothing grows: not processes, descriptors, files or sockets, however often a playbook was run."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

import pytest

from csi_driver.orchestrator.runner import WorkerRunner
from csi_driver.orchestrator.warm.ladder import KEEPER_SECONDS
from csi_driver.orchestrator.warm.pool import SHORT_SECONDS
from tests.simulator.host import SimulatedHost
from tests.warm import processes
from tests.warm.storage import Storage, alive, descriptors, no_volume, until, volume

# `make soak-warm` asks for more.
RUNS = int(os.environ.get("WARM_RUNS", "200"))
WARM_UP = 20
# A second parked run is kept for a while after one did not suffice, and the keeper looks now and then.
SETTLE_SECONDS = SHORT_SECONDS + KEEPER_SECONDS + 3.0


@pytest.fixture
def runner(host: SimulatedHost) -> Iterator[WorkerRunner]:
    with Storage(host).runner("standby") as runner:
        yield runner


def inside(runner: WorkerRunner) -> int:
    """How many entries the worker's directory holds."""
    return sum(1 for _ in runner._worker._directory.rglob("*"))


def picture(runner: WorkerRunner, host: SimulatedHost) -> dict[str, int]:
    """Everything that could grow."""
    gc.collect()
    agents = processes.agents(host)
    return {
        "processes": len(processes.all_of(runner, host)),
        "descriptors of this process": descriptors(os.getpid()),
        "descriptors of the worker": descriptors(runner.pid),
        "descriptors of the fork server": descriptors(processes.fork_server(runner)),
        "descriptors of the agents": sum(map(descriptors, agents)),
        "agents": len(agents),
        "files of the worker": inside(runner),
        "files on the host": sum(1 for _ in Storage(host).temporary.rglob("*")),
    }


def a_volume_comes_and_goes(storage: Storage, runner: WorkerRunner, name: str) -> None:
    made = storage.apply(runner, volume(name))["results"][0]["volume"]
    assert storage.info(runner, kinds=["volumes"])["volumes"][0]["uuid"] == made["uuid"]
    storage.apply(runner, no_volume(made["uuid"]))


@pytest.mark.timeout(3600)
def test_nothing_grows_with_the_number_of_runs(runner: WorkerRunner, storage: Storage, host: SimulatedHost) -> None:
    """The same picture after many runs as after the first few, and the top rung still in use."""
    for number in range(WARM_UP // 3):
        a_volume_comes_and_goes(storage, runner, f"first-{number}")
    time.sleep(SETTLE_SECONDS)
    before = settled(runner, host)
    for number in range(RUNS // 3):
        a_volume_comes_and_goes(storage, runner, f"volume-{number}")
    time.sleep(SETTLE_SECONDS)
    after = settled(runner, host)
    grown = {what: (before[what], after[what]) for what in before if after[what] > before[what]}
    assert grown == {}
    assert runner.rung == "standby"


def settled(runner: WorkerRunner, host: SimulatedHost) -> dict[str, int]:
    """The largest of each figure over some seconds: a pool that is being refilled looks small at times."""
    pictures = []
    for _ in range(4):
        pictures.append(picture(runner, host))
        time.sleep(0.5)
    return {what: max(one[what] for one in pictures) for what in pictures[0]}


def test_nothing_is_left_when_the_runner_is_closed(storage: Storage, host: SimulatedHost) -> None:
    """Processes and files on both sides are gone; the run directory, see `Storage.runner`."""
    before = set(storage.temporary.iterdir())
    with storage.runner("standby") as runner:
        storage.apply(runner, volume("one"))
        everything = processes.all_of(runner, host)
    until(lambda: not any(map(alive, everything)), "something outlives its runner")
    until(lambda: set(storage.temporary.iterdir()) <= before, "files are left on the host")
