"""The lane: group commit for changes, and reads beside it; tested with a callable in place of Ansible."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from csi_driver.orchestrator.lanes import Busy, DeadlinePassed, Lane, Operation, Reads, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from csi_driver.orchestrator.lanes import Batch


class Gate:
    """A run that notes its batches and waits, run by run, until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self._permits = threading.Semaphore(0)

    def __call__(self, batch: Batch) -> Mapping[str, str]:
        self.batches.append([str(operation.resource["name"]) for operation in batch])
        assert self._permits.acquire(timeout=10)
        return {operation.key: f"done {operation.resource['name']}" for operation in batch}

    def let(self, runs: int = 1) -> None:
        """Let that many runs end."""
        self._permits.release(runs)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Callers."""
    with ThreadPoolExecutor(300) as threads:
        yield threads


def change(name: str, *, writes: str | None = None, reads: str | None = None) -> Operation:
    """A change that writes an object (its own name unless told) and may read another."""
    return Operation(
        {"name": name},
        writes=frozenset({("o", writes or name)}),
        reads=frozenset({("o", reads)} if reads else ()),
    )


def soon(seconds: float = 10.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads; a test that waits too long has failed."""
    end = soon()
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def submit(
    pool: ThreadPoolExecutor, lane: Lane[str], operation: Operation, *, queued: int, seconds: float = 10.0
) -> Future[str]:
    """Submit from a thread of its own and return once it has arrived: `queued` then wait."""
    future = pool.submit(lane.submit, operation, soon(seconds))
    until(lambda: len(lane._queue) == queued or future.done())
    return future


def occupied(pool: ThreadPoolExecutor, lane: Lane[str], gate: Gate) -> Future[str]:
    """Keep the lane busy with a first run."""
    future = pool.submit(lane.submit, change("first"), soon())
    until(lambda: gate.batches == [["first"]])
    return future


def test_an_idle_lane_starts_at_once(pool: ThreadPoolExecutor) -> None:
    """There is no timer: the first change does not wait for company."""
    gate = Gate()
    lane = Lane(gate)
    future = occupied(pool, lane, gate)
    gate.let()
    assert future.result() == "done first"


def test_what_gathers_during_a_run_goes_out_as_one_run_in_order(pool: ThreadPoolExecutor) -> None:
    """Group commit, first in first out."""
    gate = Gate()
    lane = Lane(gate)
    futures = [occupied(pool, lane, gate)]
    futures += [submit(pool, lane, change(str(number)), queued=number + 1) for number in range(20)]
    gate.let(2)
    assert [future.result() for future in futures] == ["done first", *(f"done {number}" for number in range(20))]
    assert gate.batches == [["first"], [str(number) for number in range(20)]]


def test_a_batch_has_a_limit_and_the_rest_goes_next(pool: ThreadPoolExecutor) -> None:
    """Order is kept over the cut."""
    gate = Gate()
    lane = Lane(gate, limit=3)
    occupied(pool, lane, gate)
    for number in range(7):
        submit(pool, lane, change(str(number)), queued=number + 1)
    gate.let(4)
    until(lambda: len(gate.batches) == 4)
    assert gate.batches[1:] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_an_equal_change_joins_one_that_waits_or_runs(pool: ThreadPoolExecutor) -> None:
    """Many callers, one piece of work, one answer."""
    gate = Gate()
    lane = Lane(gate)
    futures = [occupied(pool, lane, gate), pool.submit(lane.submit, change("first"), soon())]
    futures += [submit(pool, lane, change("again"), queued=1) for _ in range(20)]
    time.sleep(0.05)
    gate.let(2)
    assert {future.result() for future in futures[:2]} == {"done first"}
    assert {future.result() for future in futures[2:]} == {"done again"}
    assert gate.batches == [["first"], ["again"]]


def test_two_writes_of_one_object_never_share_a_run(pool: ThreadPoolExecutor) -> None:
    """The later one goes next, and what neither meets does not wait for it."""
    gate = Gate()
    lane = Lane(gate)
    occupied(pool, lane, gate)
    for number, operation in enumerate((change("a", writes="x"), change("b", writes="x"), change("c"))):
        submit(pool, lane, operation, queued=number + 1)
    gate.let(3)
    until(lambda: len(gate.batches) == 3)
    assert gate.batches[1:] == [["a", "c"], ["b"]]


def test_a_write_and_a_read_of_one_object_never_share_a_run_but_two_reads_do(pool: ThreadPoolExecutor) -> None:
    """Readers share; a writer waits for them, and they for it."""
    gate = Gate()
    lane = Lane(gate)
    occupied(pool, lane, gate)
    operations = (change("a", reads="x"), change("b", reads="x"), change("c", writes="x"), change("d", reads="x"))
    for number, operation in enumerate(operations):
        submit(pool, lane, operation, queued=number + 1)
    gate.let(4)
    until(lambda: len(gate.batches) == 4)
    assert gate.batches[1:] == [["a", "b"], ["c"], ["d"]]


def test_nothing_overtakes_what_it_conflicts_with(pool: ThreadPoolExecutor) -> None:
    """Create, delete, create of one name end with the name there: the third does not join the first."""
    gate = Gate()
    lane = Lane(gate)
    occupied(pool, lane, gate)
    create, delete = change("create", writes="x"), change("delete", writes="x")
    for number, operation in enumerate((create, delete, create)):
        submit(pool, lane, operation, queued=number + 1)
    gate.let(4)
    until(lambda: len(gate.batches) == 4)
    assert gate.batches[1:] == [["create"], ["delete"], ["create"]]


def test_a_change_whose_time_is_up_before_its_turn_is_never_begun(pool: ThreadPoolExecutor) -> None:
    """`Busy` means that nothing was done, and it stays so."""
    gate = Gate()
    lane = Lane(gate)
    occupied(pool, lane, gate)
    late = submit(pool, lane, change("late"), queued=1, seconds=0.1)
    with pytest.raises(Busy):
        late.result()
    gate.let(2)
    submit(pool, lane, change("next"), queued=1).result()
    assert gate.batches == [["first"], ["next"]]


def test_a_deadline_in_the_past_is_refused_at_once() -> None:
    """No run is started for nobody."""
    gate = Gate()
    with pytest.raises(Busy):
        Lane(gate).submit(change("a"), time.monotonic() - 1)
    assert gate.batches == []


def test_once_begun_a_change_is_finished_and_a_retry_joins_it(pool: ThreadPoolExecutor) -> None:
    """`DeadlinePassed` says that it goes on; the same change again gets its outcome."""
    gate = Gate()
    lane = Lane(gate)
    with pytest.raises(DeadlinePassed):
        pool.submit(lane.submit, change("first"), soon(0.1)).result()
    retry = pool.submit(lane.submit, change("first"), soon())
    time.sleep(0.05)
    gate.let()
    assert retry.result() == "done first"
    assert gate.batches == [["first"]]


def test_a_caller_who_gives_up_does_not_take_the_change_from_a_more_patient_one(pool: ThreadPoolExecutor) -> None:
    """The change is dropped only when nobody waits for it."""
    gate = Gate()
    lane = Lane(gate)
    occupied(pool, lane, gate)
    patient = submit(pool, lane, change("shared"), queued=1)
    with pytest.raises(Busy):
        pool.submit(lane.submit, change("shared"), soon(0.1)).result()
    gate.let(2)
    assert patient.result() == "done shared"


def test_when_the_run_dies_every_change_of_the_batch_is_uncertain_and_the_lane_goes_on(
    pool: ThreadPoolExecutor,
) -> None:
    """The cause is kept for whoever can say more."""
    runs: list[int] = []

    def run(batch: Batch) -> Mapping[str, str]:
        runs.append(len(batch))
        if len(runs) == 1:
            raise ConnectionResetError("the host went away")
        return {operation.key: "done" for operation in batch}

    lane: Lane[str] = Lane(run)
    with pytest.raises(Uncertain) as caught:
        lane.submit(change("a"), soon())
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert lane.submit(change("a"), soon()) == "done"
    assert pool is not None


def test_a_change_without_an_outcome_is_uncertain() -> None:
    """A run that forgets one of its items has not done it for sure."""
    lane: Lane[str] = Lane(lambda _: {})
    with pytest.raises(Uncertain):
        lane.submit(change("a"), soon())


def test_a_run_is_never_called_twice_at_once_however_many_submit(pool: ThreadPoolExecutor) -> None:
    """Three hundred callers, conflicts among them: each is answered, one run at a time."""
    running = threading.Lock()

    def run(batch: Batch) -> Mapping[str, str]:
        assert running.acquire(blocking=False)
        names = [str(operation.resource["name"]) for operation in batch]
        objects = [target for operation in batch for target in operation.writes]
        assert len(objects) == len(set(objects))
        time.sleep(0.001)
        running.release()
        return dict(zip((operation.key for operation in batch), names, strict=True))

    lane: Lane[str] = Lane(run, limit=16)
    futures = {
        str(number): pool.submit(lane.submit, change(str(number), writes=str(number % 40)), soon(30))
        for number in range(300)
    }
    assert all(future.result() == name for name, future in futures.items())


class Asked:
    """A read that notes its queries and waits until it is let go."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._permits = threading.Semaphore(0)

    def __call__(self, query: str) -> str:
        self.queries.append(query)
        assert self._permits.acquire(timeout=10)
        return f"{query} {len(self.queries)}"

    def let(self, reads: int) -> None:
        """Let that many reads end."""
        self._permits.release(reads)


def test_a_read_joins_only_one_that_has_not_started(pool: ThreadPoolExecutor) -> None:
    """One under way may have looked before the caller's own change."""
    asked = Asked()
    reads = Reads(asked, at_once=1)
    first = pool.submit(reads.read, "q", soon())
    until(lambda: asked.queries == ["q"])
    later = [pool.submit(reads.read, "q", soon()) for _ in range(10)]
    until(lambda: len(reads._waiting) == 1)
    time.sleep(0.05)
    asked.let(2)
    assert first.result() == "q 1"
    assert {future.result() for future in later} == {"q 2"}
    assert asked.queries == ["q", "q"]


def test_reads_run_a_few_at_once(pool: ThreadPoolExecutor) -> None:
    """A slow one does not hold up another, and the host is not flooded."""
    asked = Asked()
    reads = Reads(asked, at_once=2)
    futures = [pool.submit(reads.read, str(number), soon()) for number in range(6)]
    until(lambda: len(asked.queries) == 2 and len(reads._waiting) == 4)
    asked.let(6)
    assert len({future.result() for future in futures}) == 6


def test_a_read_passes_on_what_went_wrong_and_the_next_one_works() -> None:
    """An error belongs to those who asked."""
    answers = iter([ValueError("no"), "yes"])

    def run(_: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    reads: Reads[str, str] = Reads(run)
    with pytest.raises(ValueError, match="no"):
        reads.read("q", soon())
    assert reads.read("q", soon()) == "yes"


def test_a_read_knows_whether_it_began(pool: ThreadPoolExecutor) -> None:
    """`Busy` before, `DeadlinePassed` after."""
    asked = Asked()
    reads = Reads(asked, at_once=1)
    with pytest.raises(DeadlinePassed):
        pool.submit(reads.read, "slow", soon(0.1)).result()
    with pytest.raises(Busy):
        pool.submit(reads.read, "waiting", soon(0.1)).result()
    asked.let(2)
    assert asked.queries == ["slow"]


def test_reads_that_wait_become_one_where_one_answers_both(pool: ThreadPoolExecutor) -> None:
    """And only those: what cannot be merged is read on its own, in its turn."""
    asked = Asked()
    reads = Reads(
        asked, at_once=1, merged=lambda one, other: one + other if one.isalpha() and other.isalpha() else None
    )
    first = pool.submit(reads.read, "x", soon())
    until(lambda: asked.queries == ["x"])
    answers = []
    for count, query in enumerate(["a", "1", "b", "2"], start=1):
        answers.append(pool.submit(reads.read, query, soon()))
        until(lambda count=count: sum(len(read.query) for read in reads._waiting) == count)  # type: ignore[misc]
    asked.let(4)
    assert [answer.result(10) for answer in (first, *answers)] == ["x 1", "ab 2", "1 3", "ab 2", "2 4"]
    assert asked.queries == ["x", "ab", "1", "2"]
