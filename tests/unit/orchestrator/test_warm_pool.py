"""The pool of parked runs, with runs that only say what was done to them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from csi_driver.orchestrator.warm import pool as pool_module
from csi_driver.orchestrator.warm.pool import Pool


class Run:
    """Stands in for a WarmRun; `parks` is its answer, after `gate` if there is one."""

    parks = True
    gate: threading.Event | None = None

    def __init__(self, playbook: str, host: str) -> None:
        self.place = (playbook, host)
        self.born = time.monotonic()
        self.ended = False
        self.abandoned = False

    def park(self, seconds: float) -> bool:
        if self.gate is not None:
            assert self.gate.wait(seconds)
        return self.parks

    def abandon(self) -> None:
        self.abandoned = True


@pytest.fixture
def started() -> list[Run]:
    return []


@pytest.fixture
def pool(started: list[Run]) -> Pool:
    def start(playbook: str, host: str) -> Any:
        started.append(Run(playbook, host))
        return started[-1]

    return Pool(start)


def test_one_run_is_parked_for_each_place_that_is_expected(pool: Pool, started: list[Run]) -> None:
    """And none for any other."""
    pool.expect("apply", "a")
    pool.expect("info", "a")
    assert pool.tend()
    assert sorted(run.place for run in started) == [("apply", "a"), ("info", "a")]
    assert pool.tend()
    assert len(started) == 2


def test_a_run_is_given_away_once(pool: Pool, started: list[Run]) -> None:
    """The next caller gets none until there is another."""
    pool.expect("apply", "a")
    pool.tend()
    assert pool.take("apply", "a") is started[0]
    assert pool.take("apply", "a") is None
    assert pool.take("apply", "b") is None
    assert not started[0].abandoned


def test_a_place_whose_runs_did_not_suffice_gets_two(pool: Pool, started: list[Run]) -> None:
    """For a while."""
    assert pool.take("apply", "a") is None
    pool.tend()
    assert [run.place for run in started] == [("apply", "a")] * 2


def test_old_and_ended_runs_are_not_given_away(pool: Pool, started: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are dropped, and replaced."""
    pool.expect("apply", "a")
    pool.tend()
    started[0].ended = True
    assert pool.take("apply", "a") is None
    pool.tend()
    monkeypatch.setattr(pool_module, "OLDEST_SECONDS", 0.0)
    assert pool.take("apply", "a") is None
    assert all(run.abandoned for run in started)


def test_a_host_that_is_not_used_loses_its_runs(
    pool: Pool, started: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parked runs cost memory."""
    pool.expect("apply", "a")
    pool.tend()
    monkeypatch.setattr(pool_module, "USED_SECONDS", 0.0)
    assert pool.tend()
    assert started[0].abandoned
    assert len(started) == 1


def test_no_more_runs_are_parked_than_the_limit(pool: Pool, started: list[Run]) -> None:
    """However many hosts there are."""
    for number in range(pool_module.MOST_RUNS + 5):
        pool.expect("apply", f"host{number}")
    pool.tend()
    assert len(started) == pool_module.MOST_RUNS


def test_a_run_that_cannot_be_parked_is_told(pool: Pool, started: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """And killed, and not given away."""
    monkeypatch.setattr(Run, "parks", False)
    pool.expect("apply", "a")
    assert not pool.tend()
    assert started[0].abandoned
    assert pool.take("apply", "a") is None


def test_a_run_about_to_be_parked_is_waited_for_by_one(
    pool: Pool, started: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another caller is not kept waiting."""
    gate = threading.Event()
    monkeypatch.setattr(Run, "gate", gate)
    pool.expect("apply", "a")
    threading.Thread(target=pool.tend, daemon=True).start()
    while not started:
        time.sleep(0.01)
    taken: list[Any] = []
    waiting = threading.Thread(target=lambda: taken.append(pool.take("apply", "a")))
    waiting.start()
    time.sleep(0.1)
    assert pool.take("apply", "a") is None
    assert taken == []
    gate.set()
    waiting.join(5)
    assert taken == started[:1]


def test_cleared_runs_are_killed(pool: Pool, started: list[Run]) -> None:
    """What they were made from has changed; the places stay expected."""
    pool.expect("apply", "a")
    pool.tend()
    pool.clear()
    assert started[0].abandoned
    pool.tend()
    assert pool.take("apply", "a") is started[1]
