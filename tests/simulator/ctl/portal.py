"""
ctld's listening sockets and the connections that become sessions.

The wire is not iSCSI: one JSON object per line stands for a login (`{"op": "login", ...}`), the
open connection is the session, `{"op": "rescan"}` on it gives the LUNs anew, closing ends it.
Only loopback addresses are bound on this machine; others exist in name, as the simulated host's
network is not this machine's.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.config import Portal
from tests.simulator.ctl.tables import Session
from tests.simulator.registry import Json

Reply = dict[str, Json]
_LINE_LIMIT = 1 << 16
# FreeBSD's words where this machine's strerror(3) has others.
_STRERROR = {errno.EADDRNOTAVAIL: "Can't assign requested address"}


class Logins(Protocol):
    """What answers on a connection; each call takes the host's lock itself."""

    def login(
        self, listen: str, request: Mapping[str, Json], peer: str, close: Callable[[], None]
    ) -> tuple[Reply, Session | None]:
        """Return the answer, and the session when the login was granted."""

    def luns(self, session: Session) -> Reply:
        """Return what the session sees now."""

    def ended(self, session: Session) -> None:
        """The initiator closed its connection."""


class Connection:
    """One accepted connection, served by its own thread until either side closes it."""

    def __init__(self, sock: socket.socket, listen: str, peer: str, logins: Logins) -> None:
        self._socket = sock
        self._listen = listen
        self._peer = peer
        self._logins = logins

    def serve(self) -> None:
        """Answer line by line; the first line must be a login."""
        session: Session | None = None
        with self._socket, self._socket.makefile("rb") as lines:
            with contextlib.suppress(OSError):
                session = self._login(lines.readline(_LINE_LIMIT))
                while session is not None and (line := lines.readline(_LINE_LIMIT)):
                    self._answer(session, line)
            if session is not None:
                self._logins.ended(session)

    def close(self) -> None:
        """End the connection from the target's side; safe from any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _login(self, line: bytes) -> Session | None:
        request = _decode(line)
        if request.get("op") != "login":
            self._send(_unknown(request))
            return None
        reply, session = self._logins.login(self._listen, request, self._peer, self.close)
        self._send(reply)
        return session

    def _answer(self, session: Session, line: bytes) -> None:
        request = _decode(line)
        known = request.get("op") == "rescan"
        self._send(self._logins.luns(session) if known else _unknown(request))

    def _send(self, reply: Reply) -> None:
        self._socket.sendall(json.dumps(reply, separators=(",", ":")).encode() + b"\n")


def _decode(line: bytes) -> Mapping[str, Json]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _unknown(request: Mapping[str, Json]) -> Reply:
    return {"ok": False, "class": 2, "detail": 0, "text": f"unknown request {dict(request)!r}"}


class Listeners:
    """The sockets of one ctld process, by the listen text of the file."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._open: dict[str, socket.socket | None] = {}

    @property
    def addresses(self) -> list[str]:
        return list(self._open)

    def update(self, wanted: list[Portal]) -> list[str]:
        """Open what is newly wanted, keep what still is, close the rest; return bind errors."""
        errors: list[str] = []
        seen: dict[str, socket.socket | None] = {}
        for portal in wanted:
            if portal.listen in seen:
                errors.append(msg.BIND_FAILED.format(portal.listen, "Address already in use"))
            elif portal.listen in self._open:
                seen[portal.listen] = self._open.pop(portal.listen)
            else:
                self._start(portal, seen, errors)
        self.close()
        self._open = seen
        return errors

    def _start(self, portal: Portal, opened: dict[str, socket.socket | None], errors: list[str]) -> None:
        if not ipaddress.ip_address(portal.host).is_loopback:
            opened[portal.listen] = None
            return
        try:
            listener = socket.create_server(
                (portal.host, portal.port),
                family=socket.AF_INET6 if ":" in portal.host else socket.AF_INET,
                backlog=128,
            )
        except OSError as error:
            reason = _STRERROR.get(error.errno or 0, os.strerror(error.errno or 0))
            errors.append(msg.BIND_FAILED.format(portal.listen, reason))
            return
        opened[portal.listen] = listener
        name = f"ctld {portal.listen}"
        threading.Thread(target=self._accept, args=(listener, portal.listen), name=name, daemon=True).start()

    def _accept(self, listener: socket.socket, listen: str) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:  # closed: ctld no longer listens here
                return
            connection = Connection(sock, listen, str(peer[0]), self._logins)
            threading.Thread(target=connection.serve, name="iscsi session", daemon=True).start()

    def close(self) -> None:
        """Close every socket; connections that are sessions live on."""
        for listener in self._open.values():
            if listener is not None:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
        self._open = {}
