"""What a caller sees is the same on every rung."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from csi_driver.orchestrator.runner import HostUnreachable, RunDied, WorkerRunner
from tests.simulator.host import SimulatedHost
from tests.warm.storage import GIB, Storage, no_volume, until, volume

RUNGS = ("standby", "forked", "plain")
SECRET = "hunter2-and-more"
TEMPLATE = "{{ lookup('pipe', 'touch %s') }}"
# What differs between two hosts that were asked the same.
ACCIDENTAL = ("uuid", "created", "commands", "key")


@pytest.fixture(scope="module", params=RUNGS)
def runner(request: pytest.FixtureRequest, host: SimulatedHost) -> Iterator[WorkerRunner]:
    with Storage(host).runner(request.param) as runner:
        yield runner


def essence(value: Any) -> Any:
    """The value without what is different every time."""
    if isinstance(value, dict):
        return {key: essence(part) for key, part in value.items() if key not in ACCIDENTAL}
    if isinstance(value, list):
        # Volumes are listed by their random uuids.
        return sorted(map(essence, value), key=lambda part: str(part.get("name")) if isinstance(part, dict) else "")
    return value


def conversation(storage: Storage, runner: WorkerRunner) -> list[Any]:
    """A little of everything that can be asked, and what came back."""
    answers = [storage.apply(runner, volume("one"), volume("two", 2 * GIB), volume("Großer Name/…"))]
    uuids = [item["volume"]["uuid"] for item in answers[0]["results"]]
    answers += [
        storage.apply(runner, volume("one")),
        storage.apply(runner, volume("one", volblocksize=8192), volume("three")),
        storage.apply(runner, volume("vast", 1 << 60, thin=False)),
        storage.apply(runner, volume("small", limit_bytes=1)),
        storage.info(runner, kinds=["volumes", "capacity"]),
        storage.apply(runner, volume("lost"), parent="tank/elsewhere"),
        storage.apply(runner, *map(no_volume, uuids)),
        storage.apply(runner),
    ]
    return answers


def test_all_rungs_give_the_same_results(host: SimulatedHost) -> None:
    """Results, errors in items, failures of the whole task: alike to the letter, but for what is random."""
    storage = Storage(host)
    answers = []
    for rung in RUNGS:
        storage.clear()
        with storage.runner(rung) as runner:
            answers.append([essence(answer) for answer in conversation(storage, runner)])
        storage.clear()
    assert answers[0] == answers[2]
    assert answers[1] == answers[2]


def test_a_request_is_never_a_template(runner: WorkerRunner, storage: Storage, tmp_path: Path) -> None:
    """What would run a command, were it templated, is a name like any other."""
    name = TEMPLATE % (tmp_path / "made")
    made = storage.apply(runner, volume(name))["results"][0]["volume"]
    assert made["name"] == name
    assert not (tmp_path / "made").exists()


def test_runs_at_the_same_time_do_not_mix(runner: WorkerRunner, storage: Storage) -> None:
    """Many callers at once get each the answer to their own question."""
    names = [f"volume-{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(lambda name: storage.apply(runner, volume(name)), names))
    assert [result["results"][0]["volume"]["name"] for result in results] == names


def test_a_run_past_its_time_limit_is_reported_and_a_retry_converges(runner: WorkerRunner, storage: Storage) -> None:
    """The module waits for the host's lock. Where an agent is it dies with its run; over plain ssh it may go on."""
    with storage.locked(), pytest.raises(RunDied, match="time limit"):
        storage.apply(runner, volume("late"), limit=4, lock_timeout=60)
    threading.Event().wait(1)
    assert storage.datasets() == [] or runner.rung == "plain"
    made = storage.apply(runner, volume("late"))["results"][0]["volume"]
    assert storage.datasets() == [made["dataset"]]


def test_no_secret_shows_in_any_process_or_file(runner: WorkerRunner, storage: Storage) -> None:
    """While the module works, its secrets are in no environment, no command line and no file of ours."""
    with ThreadPoolExecutor(1) as pool:
        with storage.locked():
            future = pool.submit(
                storage.apply, runner, volume("kept"), secrets={"chap": SECRET}, lock_timeout=30, limit=40
            )
            threading.Event().wait(3)
            shown = _shown(runner, storage)
        result = future.result()
    assert result["results"][0]["volume"]["name"] == "kept"
    assert SECRET not in str(result)
    assert shown == []


def _shown(runner: WorkerRunner, storage: Storage) -> list[str]:
    """Where the secret can be read: processes' arguments and environments, and files of ours on either side."""
    places = [path for name in ("cmdline", "environ") for path in Path("/proc").glob(f"[0-9]*/{name}")]
    for root in (runner._worker._directory, storage.temporary, Path.home() / ".ansible"):
        places += [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in places if SECRET.encode() in _content(path)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_host_that_went_away_is_unreachable_and_works_again_when_it_is_back(
    runner: WorkerRunner, tmp_path: Path
) -> None:
    """The host of these tests is left alone: this one is its own, with a runner on the same rung."""
    with SimulatedHost(tmp_path / "host") as other:
        storage = Storage(other)
        with storage.runner(runner.rung) as own:
            assert storage.apply(own, volume("before"))["changed"] is True
            other.stop()
            with pytest.raises(HostUnreachable):
                storage.apply(own, volume("meanwhile"))
            other.start()
            until(lambda: _works(storage, own), "the runner does not reach the host again")
            assert storage.apply(own, volume("before"))["changed"] is False


def _works(storage: Storage, runner: WorkerRunner) -> bool:
    try:
        storage.apply(runner)
    except HostUnreachable:
        return False
    return True
