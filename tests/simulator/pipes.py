"""Reading and writing a client's descriptors for as long as the client lives."""

from __future__ import annotations

import os
import select
import time

_CHUNK = 1 << 16


class ClientDied(Exception):
    """The client process was killed while its command ran."""


class Input:
    """A client's standard input. ``lifeline`` becomes readable when the client dies (-1: nobody watches)."""

    def __init__(self, descriptor: int, lifeline: int = -1) -> None:
        self._descriptor = descriptor
        self._lifeline = lifeline

    def exactly(self, count: int) -> bytes:
        """``count`` bytes, fewer only at the end of the stream; raises ClientDied."""
        parts: list[bytes] = []
        missing = count
        while missing:
            self._wait()
            part = os.read(self._descriptor, min(missing, _CHUNK))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _wait(self) -> None:
        watched = [self._descriptor, *([self._lifeline] if self._lifeline >= 0 else [])]
        ready, _, _ = select.select(watched, [], [])
        if self._descriptor not in ready or _hung_up(self._lifeline):
            raise ClientDied


class Output:
    """A client's standard output; ``bytes_per_second`` 0 means as fast as it goes."""

    def __init__(self, descriptor: int, lifeline: int = -1, bytes_per_second: int = 0) -> None:
        self._descriptor = descriptor
        self._lifeline = lifeline
        self._rate = bytes_per_second
        self.written = 0

    def write(self, data: bytes) -> None:
        """All of it; raises BrokenPipeError when nobody reads any more, ClientDied."""
        while data:
            watched = [self._lifeline] if self._lifeline >= 0 else []
            dead, ready, _ = select.select(watched, [self._descriptor], [])
            if dead:
                raise ClientDied
            if ready:
                sent = os.write(self._descriptor, data[:_CHUNK])
                self.written += sent
                data = data[sent:]
                if self._rate:
                    time.sleep(sent / self._rate)


def _hung_up(lifeline: int) -> bool:
    if lifeline < 0:
        return False
    ready, _, _ = select.select([lifeline], [], [], 0)
    return bool(ready)
