"""One operation at a time on one volume."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator


class VolumeLocks:
    """
    Locks by volume id. A second operation is refused, not queued: its caller comes again.

    A lock lasts as long as the work, which may be longer than its caller waits.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: set[str] = set()

    @contextmanager
    def hold(self, volume_id: str) -> Iterator[None]:
        """Hold the volume's lock; `BUSY` if someone else does."""
        with self._guard:
            if volume_id in self._held:
                message = f"another operation on volume {volume_id} is under way on this node"
                raise DriverError(ErrorCode.BUSY, message)
            self._held.add(volume_id)
        try:
            yield
        finally:
            with self._guard:
                self._held.remove(volume_id)
