"""Asks several storage hosts at once, and lets none of them use up the caller's time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from csi_driver.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 5.0
# A host that did not answer when it was asked last is waited for no longer than this.
IMPATIENCE_SECONDS = 1.0


class Asker:
    """
    Asks hosts on behalf of callers that can do without the answer of some.

    What it remembers of them only decides how long they are waited for.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS, impatience: float = IMPATIENCE_SECONDS) -> None:
        self._patience = patience
        self._impatience = impatience
        self._late: set[str] = set()

    def ask(
        self, question: Callable[[str, float], Answer], hosts: Collection[str], *, deadline: float
    ) -> dict[str, Answer | DriverError]:
        """
        Return what each host answers, or why it does not.

        The question is given a host and until when to wait for it, a `time.monotonic()` value.
        """
        if not hosts:
            return {}

        def answer(host: str) -> Answer | DriverError:
            return self._answer(question, host, deadline)

        with ThreadPoolExecutor(len(hosts), thread_name_prefix="asking") as threads:
            return dict(zip(hosts, threads.map(answer, hosts), strict=True))

    def _answer(self, question: Callable[[str, float], Answer], host: str, deadline: float) -> Answer | DriverError:
        patience = self._impatience if host in self._late else self._patience
        try:
            answer = question(host, min(deadline, time.monotonic() + patience))
        except DriverError as error:
            self._late.add(host)
            return error
        self._late.discard(host)
        return answer
