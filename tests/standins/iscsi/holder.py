"""
The process that is a session: it keeps the connection and the devices until someone ends it.

It ends when asked to log out, when the portal refuses it after a lost connection (the kernel would
keep such a session, failed, until someone logs out), or when its files are taken away.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any

from iscsi import devices
from iscsi.state import State

_CONNECT_SECONDS = 5.0
_TICK_SECONDS = 0.5
_AUTH = {"username": "user", "password": "secret", "username_in": "mutual_user", "password_in": "mutual_secret"}


class Refused(Exception):
    """The portal answered the login with a status that is not success."""

    def __init__(self, status_class: int, detail: int, text: str) -> None:
        super().__init__(f"{text} ({status_class:02x}/{detail:02x})")
        self.status_class = status_class
        self.detail = detail


class Holder:
    """One session."""

    def __init__(self, state: State, node: dict[str, str], initiator: str) -> None:
        self._state = state
        self._node = node
        self._initiator = initiator
        self._connection: socket.socket | None = None
        self._pending = b""
        self._lost_at = 0.0
        self._ended = False
        self.session: dict[str, Any] = {}

    def start(self) -> None:
        """Log in and make the devices; raise `Refused` or `OSError` if that fails."""
        luns = self._log_in()
        with self._state.locked():
            self.session = {
                "sid": self._state.next_number(),
                "pid": os.getpid(),
                "target": self._node["target"],
                "portal": self._node["portal"],
                "iface": self._node["iface"],
                "initiator": self._initiator,
                "replacement_timeout": self._node["node.session.timeo.replacement_timeout"],
                "state": "LOGGED_IN",
                "disks": [],
            }
            self._take(luns)

    def _log_in(self) -> list[dict[str, Any]]:
        address, _, port = self._node["portal"].rpartition(":")
        self._connection = socket.create_connection((address.strip("[]"), int(port)), _CONNECT_SECONDS)
        self._pending = b""
        login = {
            "op": "login",
            "initiator": self._initiator,
            "target": self._node["target"],
            "chap": self._chap(),
        }
        answer = self._ask(login)
        if not answer["ok"]:
            self._connection.close()
            raise Refused(answer["class"], answer["detail"], answer["text"])
        return list(answer["luns"])

    def _chap(self) -> dict[str, str] | None:
        """What iscsid would say and expect (initiator_common.c): the method set in the record does not count."""
        auth = {key: self._node.get(f"node.session.auth.{key}", "") for key in _AUTH}
        if not auth["password"]:
            if auth["username_in"] or auth["password_in"]:
                raise OSError("incoming credentials without outgoing ones: iscsid makes no session")
            return None
        return {_AUTH[key]: value for key, value in auth.items() if value}

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._connection is not None
        self._connection.settimeout(_CONNECT_SECONDS)
        self._connection.sendall(json.dumps(question).encode() + b"\n")
        while b"\n" not in self._pending:
            received = self._connection.recv(65536)
            if not received:
                raise ConnectionError("the portal closed the connection")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def _take(self, luns: list[dict[str, Any]]) -> None:
        """Make a device of each LUN that has none yet; call it with the lock held."""
        known = {disk["lun"]: disk for disk in self.session["disks"]}
        try:
            for lun in luns:
                if lun["lun"] in known:
                    devices.resize(known[lun["lun"]]["device"])
                else:
                    self._add(lun)
        except BaseException:
            self._state.forget_session(self.session)
            raise
        self._state.write_session(self.session)

    def _add(self, lun: dict[str, Any]) -> None:
        if lun["path"] is None:
            print(f"LUN {lun['lun']} of session {self.session['sid']} has no medium: no disk", flush=True)
            return
        name = self._state.free_name()
        directory = self._state.root / "sys" / "block" / name / "device"
        directory.mkdir(parents=True)
        disk = {"lun": lun["lun"], "name": name, "device": ""}
        self.session["disks"].append(disk)
        (directory / "vpd_pg80").write_bytes(devices.serial_page(lun["serial"]))
        disk["device"] = devices.attach(lun)
        link = self._state.root / "dev" / name
        link.unlink(missing_ok=True)
        link.symlink_to(disk["device"])

    def serve(self) -> None:
        """Hold the session until it ends."""
        os.chdir(self._state.root)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._state.socket_path(self.session["sid"]))
        listener.listen()
        while self._state.session_path(self.session["sid"]).exists():
            connected = [self._connection] if self._connection else []
            ready, _, _ = select.select([listener, *connected], [], [], _TICK_SECONDS)
            if listener in ready and self._obey(listener):
                return
            if self._connection in ready and self._connection is not None:
                self._notice()
            if self._connection is None and not self._recover():
                return

    def _notice(self) -> None:
        """Something came from the portal unasked: it can only be the end of the connection."""
        assert self._connection is not None
        self._connection.close()
        self._connection = None
        self._lost_at = time.monotonic()
        self._set_state("FAILED")

    def _recover(self) -> bool:
        """Try to log in again; whether the session lives on."""
        try:
            self._log_in()
        except Refused as refused:
            print(f"session {self.session['sid']} ends: {refused}", flush=True)
            return False
        except OSError:
            self._connection = None
            return time.monotonic() - self._lost_at < float(self.session["replacement_timeout"])
        self._set_state("LOGGED_IN")
        return True

    def _set_state(self, state: str) -> None:
        self.session["state"] = state
        if self._state.session_path(self.session["sid"]).exists():
            self._state.write_session(self.session)

    def _obey(self, listener: socket.socket) -> bool:
        """Do what iscsiadm asks; whether that ends the session."""
        client, _ = listener.accept()
        with client:
            order = client.recv(64).decode()
            if order == "logout":
                self.end()
            elif order == "rescan" and self._connection is not None:
                luns = self._ask({"op": "rescan"}).get("luns", [])
                with self._state.locked():
                    self._take(luns)
            client.sendall(b"done")
        return order == "logout"

    def end(self) -> None:
        """Close the connection and take the devices away, once: their names may be used again."""
        if self._ended:
            return
        self._ended = True
        if self._connection is not None:
            self._connection.close()
        with self._state.locked():
            self._state.forget_session(self.session)


def run(state: State, node: dict[str, str], initiator: str, answer: int) -> None:
    """Be a session until it ends; what became of the login is written to `answer`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    holder = Holder(state, node, initiator)
    try:
        holder.start()
    except Refused as refused:
        outcome = {"refused": [refused.status_class, refused.detail]}
    except (OSError, devices.AttachError) as error:
        outcome = {"failed": str(error)}
    else:
        outcome = {"ok": True}
    os.write(answer, json.dumps(outcome).encode())
    os.close(answer)
    if "ok" in outcome:
        try:
            holder.serve()
        finally:
            holder.end()


def spawn(state: State, node: dict[str, str], initiator: str) -> dict[str, Any]:
    """Start a session's process, wait for its login, and return what became of it."""
    read_end, write_end = os.pipe()
    first = os.fork()
    if first == 0:
        _become_daemon(state, read_end)
        status = 0
        try:
            run(state, node, initiator, write_end)
        except BaseException:  # noqa: BLE001 - the last resort of a process of its own: tell, then end
            traceback.print_exc()
            status = 1
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(write_end)
    os.waitpid(first, 0)
    with os.fdopen(read_end, "rb") as answer:
        told = answer.read()
    return json.loads(told) if told else {"failed": "the session holder died: see holder.log"}


def _become_daemon(state: State, read_end: int) -> None:
    """Leave the caller's process group, and its pipes, which it reads to their end."""
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(read_end)
    log = os.open(state.root / "holder.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
