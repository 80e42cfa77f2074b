"""The ctld/CTL part of a machine: wires kernel, process and sockets to the simulated host."""

from __future__ import annotations

import shlex
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.daemon import Ctld, Environment, Invocation, Process, SignalFate
from tests.simulator.ctl.kernel import CtlError, CtlKernel
from tests.simulator.ctl.logins import (
    NOT_FOUND,
    SERVICE_UNAVAILABLE,
    TARGET_ERROR,
    LoginRequest,
    Refused,
    admit,
    read_request,
)
from tests.simulator.ctl.media import HostMedia
from tests.simulator.ctl.portal import Listeners, Reply
from tests.simulator.ctl.rcconf import MAIN_FILE, LoaderConf, RcConf, enabled
from tests.simulator.ctl.tables import KernelLun, KernelPort, Session
from tests.simulator.registry import Call, Json, Part, Unmodelled, options, part

if TYPE_CHECKING:
    from tests.simulator.machine import Machine

CTLD = "/usr/sbin/ctld"
PIDFILE = "/var/run/ctld.pid"
# Directories of the simulated host that this machine has too, with other content.
_HOST_ONLY = ("/boot", "/dev", "/etc", "/usr", "/var/log", "/var/run")


def invocation(args: list[str], cwd: str = "/") -> tuple[Invocation, set[str]]:
    """Return what ctld's arguments mean and the flags given. Raises BadOption."""
    found, operands = options(args, "dtuf:R", modelled="tuf")
    values = dict(found)
    path = str(Path(cwd, values.get("f", "/etc/ctl.conf"))) if "f" in values else "/etc/ctl.conf"
    flags = set(values) | ({"operands"} if operands else set())
    return Invocation((CTLD, *args), path, ucl="u" in values), flags


@part
class CtlPart(Part):
    """CTL in the kernel and the ctld process of one machine."""

    name: ClassVar[str] = "ctl"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._timers: set[threading.Timer] = set()
        self._stopped = threading.Event()
        self._listeners = Listeners(self)
        self._start_over()

    def _start_over(self) -> None:
        """An empty kernel and no process, as after power-on."""
        self.kernel = CtlKernel(
            HostMedia(self.machine.root, self.machine.storage),
            max_luns=self._tunable("kern.cam.ctl.max_luns", 1024),
            max_ports=self._tunable("kern.cam.ctl.max_ports", 256),
        )
        environment = Environment(
            release=self.machine.release.name,
            path=self.path,
            syslog=self.machine.syslog,
            later=self._later,
        )
        self.ctld = Ctld(self.kernel, environment, self._listeners)

    def path(self, path: str) -> Path:
        """
        Return where PATH lies on this machine.

        That is below the host's root, or where the tools of an SSH session, which are this
        machine's, have put a file (in /tmp, say).
        """
        inside = self.machine.path(path)
        elsewhere = Path(path)
        if inside.exists() or any(elsewhere.is_relative_to(place) for place in _HOST_ONLY):
            return inside
        return elsewhere if elsewhere.exists() else inside

    @property
    def rc_conf(self) -> RcConf:
        return RcConf(self.machine.path(MAIN_FILE))

    def _tunable(self, name: str, default: int) -> int:
        """Return a boot-time tunable as loader.conf(5) sets it."""
        value = LoaderConf(self.machine.path("/boot/loader.conf")).own().get(name)
        return default if value is None else int(value)

    # --- life of the machine ---

    def boot(self) -> None:
        """rc(8): start ctld from its file if rc.conf enables it; an invalid file stops only it."""
        if enabled(self.rc_conf.get("ctld_enable")):
            self.start_service()

    def start_service(self) -> tuple[int, list[str]]:
        """Start ctld with rc.conf's flags; return exit status and messages."""
        flags = shlex.split(self.rc_conf.get("ctld_flags") or "")
        return self.ctld.start(invocation(flags)[0])

    def halt(self) -> None:
        self._cancel_timers()
        counted = self.ctld.counters
        self.ctld.power_off()
        self.kernel.power_off()
        self._start_over()
        self.ctld.counters = counted
        self.machine.path(PIDFILE).unlink(missing_ok=True)

    def stop(self) -> None:
        self._stopped.set()
        self._cancel_timers()
        self._listeners.close()
        for session in list(self.kernel.sessions.values()):
            session.close()

    def _cancel_timers(self) -> None:
        for timer in list(self._timers):
            timer.cancel()
        self._timers.clear()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ACTION under the machine's lock after SECONDS."""

        def run() -> None:
            with self.machine.lock:
                self._timers.discard(timer)
                self._attempt(action)

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run ACTION; what goes wrong has no caller to tell, so it goes to the command log."""
        call, started = Call(("ctld", "SIGHUP")), time.time()
        try:
            action()
        except Unmodelled as error:
            text = f"simulator: ctld: {error} is not modelled"
            self.machine.log.add(call, 2, started, 0.0, "unmodelled", text)
        except Exception:  # noqa: BLE001 - a defect of the simulator must reach the test that met it
            self.machine.log.add(call, 70, started, 0.0, "defect", traceback.format_exc())

    def hangup(self) -> None:
        """Send SIGHUP to ctld; a fault armed at `ctld.reload` may delay it (`late`, `ms`) or lose it (`lost`)."""
        fault = self.machine.faults.take("ctld.reload")
        if fault is None:
            fate = SignalFate()
        elif fault.action == "lost":
            fate = SignalFate(lost=True)
        elif fault.action == "late" and isinstance(fault.extra.get("ms"), int):
            fate = SignalFate(delay=float(str(fault.extra["ms"])) / 1000)
        else:
            raise ValueError(f"fault at ctld.reload: {fault.action} {fault.extra}")
        self.ctld.hangup(fate)

    # --- logins (each takes the lock itself) ---

    def login(
        self, listen: str, request: Mapping[str, Json], peer: str, close: Callable[[], None]
    ) -> tuple[Reply, Session | None]:
        try:
            typed = read_request(request, peer)
            self._take_login_fault(typed)
            with self.machine.lock:
                session = self._admit(listen, typed, close)
                return {"ok": True, "session": session.id, "luns": self._luns(session)}, session
        except Refused as refusal:
            status = refusal.status
            text = msg.LOGIN_STATUS[status]
            return {"ok": False, "class": status[0], "detail": status[1], "text": text}, None

    def _take_login_fault(self, request: LoginRequest) -> None:
        """
        Carry out a fault armed at `ctld.login`.

        It may `stall` the answer (`seconds`: ctld waits for a free child) or `refuse` the login
        (service unavailable).
        """
        names = f"{request.initiator} {request.target}"
        fault = self.machine.faults.take("ctld.login", argv=names)
        if fault is None:
            return
        if fault.action == "stall":
            self._stopped.wait(float(str(fault.extra.get("seconds", 60))))
        elif fault.action == "refuse":
            raise Refused(SERVICE_UNAVAILABLE)
        else:
            raise ValueError(f"fault at ctld.login: {fault.action}")

    def _admit(self, listen: str, request: LoginRequest, close: Callable[[], None]) -> Session:
        group = self.ctld.portal_group(listen)
        process = self.ctld.process
        if group is None or process is None:
            raise Refused(NOT_FOUND)
        port = admit(process.config, group, request)
        kernel_port = self.kernel.find_port(port.target.name, group.tag)
        if kernel_port is None:
            raise Refused(NOT_FOUND)
        try:
            return self.kernel.begin_session(kernel_port, request.initiator, request.address, close)
        except CtlError:
            raise Refused(TARGET_ERROR) from None

    def luns(self, session: Session) -> Reply:
        with self.machine.lock:
            if session.id not in self.kernel.sessions:
                return {"ok": False, "class": 2, "detail": 10, "text": "Session does not exist"}
            return {"ok": True, "session": session.id, "luns": self._luns(session)}

    def _luns(self, session: Session) -> list[Json]:
        return [_lun_json(number, lun) for number, lun in self.kernel.session_luns(session)]

    def ended(self, session: Session) -> None:
        with self.machine.lock:
            self.kernel.end_session(session)

    # --- what tests look at ---

    def observe(self) -> dict[str, Json]:
        config_path = self.machine.path("/etc/ctl.conf")
        return {
            "luns": [{**_lun_json(lun.id, lun), "options": {**lun.options}} for lun in self.kernel.luns.values()],
            "ports": [_port_json(port) for port in self.kernel.ports.values()],
            "sessions": [_session_json(session) for session in self.kernel.sessions.values()],
            "ctld": _process_json(self.ctld.process),
            "listening": list(self._listeners.addresses),
            "ctl_conf": _text(config_path),
        }

    def counters(self) -> dict[str, int]:
        counted = self.ctld.counters
        return {
            "reloads": counted.applied,
            "reloads_signalled": counted.signalled,
            "reloads_lost": counted.lost,
            "reloads_refused": counted.refused,
        }


def ctl_part(machine: Machine) -> CtlPart:
    """Return the machine's CTL part."""
    return machine.part(CtlPart)


def _text(path: Path) -> str | None:
    return path.read_text(errors="surrogateescape") if path.exists() else None


def _process_json(process: Process | None) -> Json:
    if process is None:
        return None
    return {"pid": process.pid, "argv": list(process.invocation.argv)}


def _lun_json(number: int, lun: KernelLun) -> dict[str, Json]:
    return {
        "lun": number,
        "path": None if lun.medium is None else str(lun.medium.host_path),
        "size_bytes": lun.size_bytes,
        "blocksize": lun.blocksize,
        "readonly": not lun.writable,
        "serial": lun.serial,
        "device_id": lun.device_id,
    }


def _port_json(port: KernelPort) -> dict[str, Json]:
    return {
        "id": port.id,
        "frontend": port.frontend,
        "online": port.online,
        "target": port.target,
        "tag": port.physical,
        "luns": {str(number): lun for number, lun in (port.lun_map or {}).items()},
        "initiators": list(port.initiators.values()),
    }


def _session_json(session: Session) -> dict[str, Json]:
    return {
        "id": session.id,
        "initiator": session.initiator,
        "address": session.address,
        "target": session.target,
        "port": session.port_id,
    }
