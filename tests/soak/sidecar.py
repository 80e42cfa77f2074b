"""A client as patient as a sidecar: short deadlines, and the same call again until it is answered."""

from __future__ import annotations

import contextlib
import random as chance
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc

from tests.faults.world import UNFINISHED
from tests.harness.client import Cluster
from tests.harness.stack import Stack

Answer = TypeVar("Answer")

# What the provisioner has by default, and now and then one that a loaded host cannot meet.
DEADLINES = (*[15.0] * 9, 2.0)
PATIENCE_SECONDS = 240.0
PAUSE_SECONDS = (0.1, 1.0)
# Whatever else the storage lacks, a sidecar asks again: somebody may make room.
NO_ROOM = frozenset({"RESOURCE_EXHAUSTED", "OUT_OF_RANGE"})
# A connection is made anew as soon as the driver is back.
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class BrokenPromiseError(AssertionError):
    """An answer that a user must never get."""


class Impatient(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
    """Gives each call a deadline of a sidecar's kind instead of its own."""

    def __init__(self, random: chance.Random) -> None:
        self._random = random

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Pass the call on."""
        return continuation(client_call_details._replace(timeout=self._random.choice(DEADLINES)), request)


class Record:
    """What came of all calls, by what the user wanted: counts for the table, and broken promises in full."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.answers: Counter[tuple[str, str]] = Counter()
        self.slowest: dict[str, float] = {}
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def answered(self, what: str, status: str) -> None:
        """Count one answer."""
        with self._lock:
            self.answers[what, status] += 1

    def finished(self, what: str, seconds: float) -> None:
        """Count what a user got in the end."""
        with self._lock:
            self.done[what] += 1
            self.slowest[what] = max(seconds, self.slowest.get(what, 0.0))

    def problem(self, text: str) -> None:
        """Keep what must not be."""
        with self._lock:
            self.problems.append(text)


class Sidecar:
    """Asks until it is answered; `scarce` tells whether there was a lack of room since a moment."""

    def __init__(
        self, cluster: Cluster, random: chance.Random, record: Record, scarce: Callable[[float], bool]
    ) -> None:
        self._cluster = cluster
        self._random = random
        self._record = record
        self._scarce = scarce

    def insist(self, what: str, call: Callable[[Cluster], Answer], *, twins: bool = True) -> Answer:
        """Return the answer to a call; now and then two ask for the same at once, and both are to be told the same."""
        if not twins or self._random.random() > 0.1:
            return self._insist(what, call)
        answers: list[Answer] = []
        twin = threading.Thread(target=lambda: answers.append(self._insist(what, call)))
        twin.start()
        try:
            answer = self._insist(what, call)
        finally:
            twin.join()
        if answers != [answer]:
            raise BrokenPromiseError(f"{what}: two that ask for the same are told {answer!r} and {answers!r}")
        return answer

    def _insist(self, what: str, call: Callable[[Cluster], Answer]) -> Answer:
        began = time.monotonic()
        while True:
            try:
                answer = call(self._cluster)
            except grpc.RpcError as error:
                status = error.code().name
                self._record.answered(what, status)
                waited = time.monotonic() - began
                if not self._again(status, began) or waited > PATIENCE_SECONDS:
                    raise BrokenPromiseError(f"{what}: {status} after {waited:.0f} s: {error.details()}") from error
            else:
                self._record.answered(what, "OK")
                return answer
            time.sleep(self._random.uniform(*PAUSE_SECONDS))

    def _again(self, status: str, began: float) -> bool:
        return status in UNFINISHED or (status in NO_ROOM and self._scarce(began))


@contextlib.contextmanager
def connected(stack: Stack, random: chance.Random | None) -> Iterator[Cluster]:
    """Lend a client with connections of its own; a random one makes it impatient."""
    with contextlib.ExitStack() as open_channels:
        controller, node = (
            open_channels.enter_context(grpc.insecure_channel(driver.endpoint, options=OPTIONS))
            for driver in (stack.controller, stack.node)
        )
        if random is not None:
            controller = grpc.intercept_channel(controller, Impatient(random))
            node = grpc.intercept_channel(node, Impatient(random))
        yield Cluster(controller, node, stack.directory / "kubelet")
