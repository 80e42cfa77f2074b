"""Looking at what may never answer: a file on a dead device keeps whoever touches it, for ever if need be."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


class Unanswered(Exception):
    """What was looked at did not answer in time, or still owes an earlier answer."""


class Watch:
    """Looks, each time in a thread of its own; what hangs is not looked at again until it has answered."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owing: set[str] = set()

    def look(self, path: str, at: Callable[[str], Answer], *, deadline: float) -> Answer:
        """Return what `at` says of the path, or raise what it raises; `Unanswered` past the deadline."""
        with self._guard:
            if path in self._owing:
                raise Unanswered(path)
            self._owing.add(path)
        future: Future[Answer] = Future()
        threading.Thread(target=self._ask, args=(path, at, future), daemon=True, name="watch").start()
        try:
            return future.result(max(deadline - time.monotonic(), 0.001))
        except FutureTimeoutError:
            raise Unanswered(path) from None

    def _ask(self, path: str, at: Callable[[str], Answer], future: Future[Answer]) -> None:
        try:
            answer = at(path)
        except BaseException as error:  # noqa: BLE001 - it is the caller's to handle
            self._answered(path)
            future.set_exception(error)
        else:
            self._answered(path)
            future.set_result(answer)

    def _answered(self, path: str) -> None:
        with self._guard:
            self._owing.discard(path)
