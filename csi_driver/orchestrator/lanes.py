"""
The lane of a storage host: group commit for changes, and reads beside it.

While a run is under way further operations gather; when it ends, all that gathered go out as one
run. There is no timer: an idle lane starts at once. Knows neither Ansible nor gRPC nor what an
operation does, only what it writes and reads.

Deadlines are `time.monotonic()` values.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

Outcome = TypeVar("Outcome")
Query = TypeVar("Query", bound="Hashable")
Id = tuple[str, str]
"""An object that operations meet at: its kind, and its name or uuid."""

BATCH_LIMIT = 256
READS_AT_ONCE = 2
GIVEN_UP = float("-inf")


class LaneError(Exception):
    """An operation has no outcome to give to this caller."""


class Busy(LaneError):
    """The deadline passed while the operation waited its turn: nothing was done."""


class DeadlinePassed(LaneError):
    """The deadline passed while the operation ran: it goes on, and the same one again joins it."""


class Uncertain(LaneError):
    """The run died: the operation may or may not have been done."""


@dataclass(frozen=True)
class Operation:
    """
    One wanted change: `resource` says what (JSON data), the other two which objects it meets.

    `secrets` are those that the resource names. Operations are equal when the other three are.
    """

    resource: Mapping[str, object]
    writes: frozenset[Id]
    reads: frozenset[Id] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def key(self) -> str:
        """A name for this operation; equal operations, and only they, have the same."""
        meaning = [self.resource, sorted(self.writes), sorted(self.reads)]
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def conflicts_with(self, other: Operation) -> bool:
        """Whether the two share a write, or a write with a read."""
        return bool(
            self.writes & (other.writes | other.reads) or self.reads & other.writes,
        )


Batch = tuple[Operation, ...]


@dataclass(eq=False)
class _Ticket(Generic[Outcome]):
    """Something to be done once for all who wait for it; `deadline` is that of the most patient."""

    deadline: float
    future: Future[Outcome] = field(default_factory=Future)
    begun: bool = False

    def wait(self, deadline: float, lock: threading.Lock) -> Outcome:
        """Return the outcome, or tell what the passing of the deadline means for this caller."""
        try:
            return self.future.result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            with lock:
                # It may have ended between the time-out and here.
                if self.future.done():
                    return self.future.result()
                if self.begun:
                    raise _still_running() from None
                # Nobody may wait for it any more: then it shall not begin.
                if deadline >= self.deadline:
                    self.deadline = GIVEN_UP
                raise _not_begun() from None


@dataclass(eq=False)
class _Change(_Ticket[Outcome]):
    operation: Operation = field(kw_only=True)


class Lane(Generic[Outcome]):
    """
    The changes to one storage host, one run at a time.

    `run` is given at most `limit` operations, in the order of their arrival, no two of them in
    conflict, and returns an outcome for each by its key. It is never called twice at once.
    """

    def __init__(self, run: Callable[[Batch], Mapping[str, Outcome]], *, limit: int = BATCH_LIMIT) -> None:
        self._run = run
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: list[_Change[Outcome]] = []
        self._running: list[_Change[Outcome]] = []
        self._latest: dict[str, _Change[Outcome]] = {}
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many operations wait for the next run."""
        return len(self._queue)

    def submit(self, operation: Operation, deadline: float) -> Outcome:
        """
        Block until the operation is done and return its outcome.

        An operation equal to one queued or running shares its outcome. Raises `Busy` when it was
        dropped before it began, `DeadlinePassed` when it goes on without this caller, `Uncertain`
        when its run died.
        """
        if deadline <= time.monotonic():
            raise _not_begun()
        with self._lock:
            change = self._joinable(operation)
            if change is None:
                self._wake()
                change = _Change(deadline, operation=operation)
                self._queue.append(change)
                self._latest[operation.key] = change
            else:
                change.deadline = max(change.deadline, deadline)
        return change.wait(deadline, self._lock)

    def _joinable(self, operation: Operation) -> _Change[Outcome] | None:
        """
        Find an equal change that is not over.

        Not when something in conflict with it has come in since: to join would be to overtake, and
        the state left behind would be the other's.
        """
        change = self._latest.get(operation.key)
        if change is None:
            return None
        arrived = [*self._running, *self._queue]
        later = arrived[arrived.index(change) + 1 :]
        overtaken = any(operation.conflicts_with(other.operation) for other in later)
        return None if overtaken else change

    def _wake(self) -> None:
        if not self._busy:
            threading.Thread(target=self._work, name="lane").start()
            self._busy = True

    def _work(self) -> None:
        while batch := self._begin():
            operations = tuple(change.operation for change in batch)
            try:
                outcomes = self._run(operations)
            except BaseException as error:  # noqa: BLE001 - whatever it was, its work is uncertain
                self._end(batch, {}, error)
            else:
                self._end(batch, outcomes, None)

    def _begin(self) -> list[_Change[Outcome]]:
        """Take the next batch off the queue; an empty one ends the work."""
        with self._lock:
            self._drop_expired()
            batch = self._select()
            chosen = {id(change) for change in batch}
            self._queue = [change for change in self._queue if id(change) not in chosen]
            self._running = batch
            self._busy = bool(batch)
            for change in batch:
                change.begun = True
            return batch

    def _drop_expired(self) -> None:
        now = time.monotonic()
        for change in [change for change in self._queue if change.deadline <= now]:
            self._queue.remove(change)
            self._forget(change)
            change.future.set_exception(_not_begun())

    def _select(self) -> list[_Change[Outcome]]:
        """Choose in order of arrival; what is passed over holds back all in conflict with it."""
        batch: list[_Change[Outcome]] = []
        written: set[Id] = set()
        met: set[Id] = set()
        for change in self._queue:
            if len(batch) == self._limit:
                break
            writes, reads = change.operation.writes, change.operation.reads
            if not (writes & met or reads & written):
                batch.append(change)
            written |= writes
            met |= writes | reads
        return batch

    def _end(
        self,
        batch: list[_Change[Outcome]],
        outcomes: Mapping[str, Outcome],
        error: BaseException | None,
    ) -> None:
        with self._lock:
            self._running = []
            for change in batch:
                self._forget(change)
        for change in batch:
            key = change.operation.key
            if key in outcomes:
                change.future.set_result(outcomes[key])
            else:
                change.future.set_exception(_died(error))

    def _forget(self, change: _Change[Outcome]) -> None:
        if self._latest.get(change.operation.key) is change:
            del self._latest[change.operation.key]


@dataclass(eq=False)
class _Read(_Ticket[Outcome], Generic[Query, Outcome]):
    query: Query = field(kw_only=True)


class Reads(Generic[Query, Outcome]):
    """
    The reads of one storage host, a few at once, beside its lane.

    A caller joins an equal read only if that has not started yet: one under way may have looked
    before the caller's own change was made. Reads that wait and that `merged` makes one of are one.
    """

    def __init__(
        self,
        run: Callable[[Query], Outcome],
        *,
        at_once: int = READS_AT_ONCE,
        merged: Callable[[Query, Query], Query | None] = lambda one, other: one if one == other else None,
    ) -> None:
        self._run = run
        self._merged = merged
        self._at_once = at_once
        self._lock = threading.Lock()
        self._waiting: deque[_Read[Query, Outcome]] = deque()
        self._workers = 0

    def read(self, query: Query, deadline: float) -> Outcome:
        """
        Block until the answer is there and return it.

        Raises what `run` raises, `Busy` when the deadline passed before the read began, and
        `DeadlinePassed` when it passed afterwards.
        """
        if deadline <= time.monotonic():
            raise _not_begun()
        with self._lock:
            read = self._joined(query)
            if read is None:
                self._wake()
                read = _Read(deadline, query=query)
                self._waiting.append(read)
            read.deadline = max(read.deadline, deadline)
        return read.wait(deadline, self._lock)

    def _joined(self, query: Query) -> _Read[Query, Outcome] | None:
        """Return the waiting read that will answer this query too, made to do so."""
        for read in self._waiting:
            both = self._merged(read.query, query)
            if both is not None:
                read.query = both
                return read
        return None

    def _wake(self) -> None:
        if self._workers < self._at_once:
            threading.Thread(target=self._work, name="reads").start()
            self._workers += 1

    def _work(self) -> None:
        while (read := self._begin()) is not None:
            try:
                answer = self._run(read.query)
            except BaseException as error:  # noqa: BLE001 - it is the callers' to handle
                read.future.set_exception(error)
            else:
                read.future.set_result(answer)

    def _begin(self) -> _Read[Query, Outcome] | None:
        with self._lock:
            while self._waiting:
                read = self._waiting.popleft()
                if read.deadline > time.monotonic():
                    read.begun = True
                    return read
                read.future.set_exception(_not_begun())
            self._workers -= 1
            return None


def _not_begun() -> Busy:
    return Busy("the deadline passed before it was this operation's turn; nothing was done")


def _still_running() -> DeadlinePassed:
    return DeadlinePassed("the deadline passed while the operation ran; ask again for its outcome")


def _died(error: BaseException | None) -> Uncertain:
    uncertain = Uncertain("the run ended without an outcome for this operation; ask again")
    uncertain.__cause__ = error
    return uncertain
