"""
Waiting for a copy that a storage host is making: by asking again, so that its lane stays free meanwhile.

The copy goes on whether anybody asks or not; each question lets the host put it into place, if it is whole.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from csi_driver.errors import DriverError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
ANSWER_SECONDS = 2.0  # before the deadline, for the caller to be told how far it is


def until_copied(
    ask: Callable[[], Answer],
    deadline: float,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """
    Return the answer as soon as it is another than `COPYING`.

    Raises the last `COPYING` while there is still time to tell the caller, who is to ask again.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return ask()
        except DriverError as error:
            if error.code is not ErrorCode.COPYING or deadline - now() < pause + ANSWER_SECONDS:
                raise
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
