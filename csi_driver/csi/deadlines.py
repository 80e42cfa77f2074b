"""From what the caller is willing to wait to a point in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

DEFAULT_TIMEOUT = 300.0

# gRPC shows a call without a deadline as one with a deadline in centuries, or as None.
_LONGEST = 24 * 3600.0


def deadline(context: grpc.ServicerContext, *, default_timeout: float) -> float:
    """
    Return the call's deadline as a `time.monotonic()` value.

    A call without one gets `default_timeout` seconds: nothing in this driver waits for ever.
    """
    remaining: float | None = context.time_remaining()
    if remaining is None or remaining > _LONGEST:
        remaining = default_timeout
    return time.monotonic() + remaining
