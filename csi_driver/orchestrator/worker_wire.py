"""
Messages between our own processes: JSON objects with a four-byte length in front.

Requests hold secrets, so they travel on socket pairs and pipes and are never written to a file.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH = struct.Struct(">I")


class Wire:
    """One end of a message stream; sending is safe from any thread, receiving from one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, object]) -> None:
        """Send one message whole; raise `OSError` when the other end is gone."""
        body = json.dumps(message, separators=(",", ":")).encode()
        with self._sending:
            self._connection.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None when the other end is gone, even in mid-message."""
        try:
            head = self._reader.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack(head)
            body = self._reader.read(length)
        except OSError:
            return None
        if len(body) < length:
            return None
        message: dict[str, Any] = json.loads(body)
        return message

    def close(self) -> None:
        """Close this end; a receiver blocked here or there sees the end of the stream."""
        with contextlib.suppress(OSError):  # the other end closed first: there is nobody left to tell
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._connection.close()
