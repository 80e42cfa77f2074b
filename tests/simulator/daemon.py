"""The daemon of one simulated host: the clients' socket, the control socket, and the faults that need processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.simulator import dispatch, processes, wire
from tests.simulator.accounts import Accounts
from tests.simulator.faults import Fault
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Json, Result
from tests.simulator.ssh import SshServer
from tests.simulator.state import POOL_HEALTH

COMMAND_SOCKET = "command.sock"
CONTROL_SOCKET = "control.sock"
_HANG_SECONDS = 3600.0


class Daemon:
    """
    Serves ``machine`` until ``stop``.

    The process's working directory must be the machine's root: paths of Unix sockets are short.
    """

    def __init__(self, machine: Machine, ssh: SshServer | None) -> None:
        self.machine = machine
        self.ssh = ssh
        self.stopped = threading.Event()
        self._released = threading.Event()
        self._clients: set[int] = set()
        self._operations: dict[str, Callable[[Mapping[str, Json]], dict[str, Json]]] = {
            "counters": lambda _: machine.counters(),
            "log": self._log,
            "state": lambda _: machine.observe(),
            "fault": self._arm,
            "clear-faults": self._clear_faults,
            "reboot": self._reboot,
            "cut": self._cut_all,
            "clock": self._clock,
            "pool": self._pool,
            "run": self._run,
            "shutdown": self._shutdown,
        }

    def start(self) -> None:
        """Listen on both sockets; returns once clients can connect."""
        self._listen(COMMAND_SOCKET, self._serve_client)
        self._listen(CONTROL_SOCKET, self._serve_control)

    def stop(self) -> None:
        self.stopped.set()
        self._released.set()
        if self.ssh is not None:
            self.ssh.stop()
        self.machine.stop()
        for name in (COMMAND_SOCKET, CONTROL_SOCKET):
            Path(name).unlink(missing_ok=True)

    def _listen(self, name: str, serve: Callable[[socket.socket], None]) -> None:
        Path(name).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen(512)
        if name == COMMAND_SOCKET:
            Path(name).chmod(0o666)

        def accept() -> None:
            while not self.stopped.is_set():
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True, name=name).start()

    # -- clients ---------------------------------------------------------------------------------------------------

    def _serve_client(self, connection: socket.socket) -> None:
        with connection:
            try:
                call = replace(wire.receive_call(connection), lifeline=connection.fileno())
                call = replace(call, user=self._user(connection, call))
            except (wire.Incomplete, OSError, ValueError):
                return
            self._clients.add(call.pid)
            try:
                result = dispatch.execute(self.machine, call, self._act)
                wire.deliver(call, result)
            except dispatch.ClientGone:
                return
            finally:
                self._clients.discard(call.pid)
                wire.close_all([call.stdin, call.stdout, call.stderr])
            wire.answer(connection, result.rc)

    def _user(self, connection: socket.socket, call: Call) -> str:
        """Who calls: what the kernel says. Our own user may be anybody: he says so in his environment."""
        uid = wire.peer(connection)
        return call.user if uid == os.geteuid() else Accounts(self.machine).name_of(uid)

    def _act(self, fault: Fault, call: Call) -> Result | None:
        """Carry out a command fault; see ``{"op": "fault"}`` in the package's documentation."""
        match fault.action:
            case "hang":
                self._released.wait(float(str(fault.extra.get("seconds", _HANG_SECONDS))))
                return None
            case "kill-client":
                processes.kill(call.pid)
                raise dispatch.ClientGone
            case "kill-module":
                processes.kill(call.parent)
                processes.kill(call.pid)
                raise dispatch.ClientGone
            case "cut":
                self._cut(call)
                return None
            case "reboot":
                threading.Thread(target=self._reboot, args=(fault.extra,), daemon=True).start()
                processes.wait_gone(call.pid, 10.0)
                raise dispatch.ClientGone
            case _:
                return dispatch.fail_only(fault, call)

    def _cut(self, call: Call) -> None:
        if self.ssh is None:
            raise RuntimeError("no SSH server to cut")
        self.ssh.cut(call.pid, call.env)

    # -- control ---------------------------------------------------------------------------------------------------

    def _serve_control(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="utf-8") as lines:
            for line in lines:
                lines.write(json.dumps(self.control(json.loads(line))) + "\n")
                lines.flush()

    def control(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Answer one control request; what goes wrong is answered as ``{"error": …}``."""
        operation = self._operations.get(str(request.get("op")))
        if operation is None:
            return {"error": f"unknown operation {request.get('op')!r}"}
        try:
            return operation(request)
        except Exception as error:  # noqa: BLE001 - a wrong request must be told to the test that made it
            return {"error": f"{type(error).__name__}: {error}"}

    def _log(self, request: Mapping[str, Json]) -> dict[str, Json]:
        since = request.get("since", 0)
        assert isinstance(since, int)
        return {"entries": [entry.as_json() for entry in self.machine.log.since(since)]}

    def _arm(self, request: Mapping[str, Json]) -> dict[str, Json]:
        self.machine.faults.arm(request)
        return {}

    def _clear_faults(self, _: Mapping[str, Json]) -> dict[str, Json]:
        self.machine.faults.clear()
        self._released.set()
        self._released = threading.Event()
        return {}

    def _reboot(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Power off, stay down for ``seconds`` (default 0), boot."""
        if self.ssh is not None:
            self.ssh.stop()
        self.machine.faults.clear()
        # Those of no session too, such as a send left to itself.
        processes.kill_at_once(list(self._clients))
        time.sleep(float(str(request.get("seconds", 0))))
        self.machine.reboot()
        if self.ssh is not None:
            self.ssh.start()
        return {}

    def _cut_all(self, _: Mapping[str, Json]) -> dict[str, Json]:
        if self.ssh is not None:
            self.ssh.cut_all()
        return {}

    def _clock(self, request: Mapping[str, Json]) -> dict[str, Json]:
        self.machine.clock_offset = float(str(request["offset"]))
        return {}

    def _pool(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Export or import a pool (``imported``), give it another ``health``, or have it lose data (``damaged``)."""
        health = request.get("health", "ONLINE")
        if health not in POOL_HEALTH:
            raise ValueError(f"a pool that is {health} is not modelled")
        damaged = request.get("damaged", [])
        assert isinstance(damaged, list)
        with self.machine.lock:
            pool = self.machine.storage.tree.pools[str(request["name"])]
            pool.health = str(request.get("health", pool.health))
            pool.damaged = [str(each) for each in damaged] if "damaged" in request else pool.damaged
            if "imported" in request:
                self.machine.storage.set_imported(pool.name, imported=bool(request["imported"]))
        return {}

    def _run(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Execute a command without SSH, as the host's own administrator would."""
        argv = request["argv"]
        assert isinstance(argv, list)
        call = Call(tuple(str(word) for word in argv))
        result = dispatch.execute(self.machine, call)
        return {"rc": result.rc, "out": result.out, "err": result.err}

    def _shutdown(self, _: Mapping[str, Json]) -> dict[str, Json]:
        os.kill(os.getpid(), signal.SIGTERM)
        return {}
