"""
service(8) and the verbs rc.subr(8) gives /etc/rc.d/ctld.

Where each text goes, and that a service which is not enabled answers with status 0, is as in
libexec/rc/rc.subr, run_rc_command().
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.part import PIDFILE, CtlPart, ctl_part
from tests.simulator.ctl.rcconf import MAIN_FILE, enabled
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Result, Unmodelled, command

_PREFIXES = ("fast", "force", "one", "quiet")
_DESCRIPTION = "CAM Target Layer / iSCSI target daemon"
_RCVAR = "ctld_enable"
_BASE_SERVICES = frozenset(
    [
        "bgfsck",
        "cron",
        "devd",
        "hostname",
        "iscsid",
        "iscsictl",
        "kld",
        "local",
        "mountd",
        "netif",
        "newsyslog",
        "nfsd",
        "nfsuserd",
        "ntpd",
        "powerd",
        "routing",
        "rpcbind",
        "sendmail",
        "sshd",
        "syslogd",
        "sysctl",
        "zfs",
        "zpool",
        "zvol",
    ]
)
# Verbs that ask rc.conf first whether the service is enabled.
_GUARDED = frozenset(("start", "restart", "reload", "poll", "extracommands", "disable"))


@command("service")
def service(machine: Machine, call: Call) -> Result:
    """`service NAME VERB`."""
    if len(call.args) < 2 or call.args[0].startswith("-"):
        raise Unmodelled("service's own options and its usage")
    name, verb = call.args[0], call.args[1]
    if name == "ctld":
        return CtldService(ctl_part(machine), call).run(verb)
    if name in _BASE_SERVICES:
        raise Unmodelled(f"the service {name}")
    return Result(1, out=msg.SERVICE_UNKNOWN.format(name))


class CtldService:
    """/etc/rc.d/ctld, called once."""

    def __init__(self, part: CtlPart, call: Call) -> None:
        if not call.is_root:
            raise Unmodelled("service as a user")
        self._part = part
        self._prefix = ""

    @property
    def _pid(self) -> int | None:
        process = self._part.ctld.process
        return None if process is None else process.pid

    @property
    def _enabled(self) -> bool:
        return self._prefix in ("one", "force") or enabled(self._part.rc_conf.get(_RCVAR))

    def run(self, text: str) -> Result:
        """Do what VERB says, with a prefix as rc.subr understands it."""
        self._prefix = next((p for p in _PREFIXES if text.startswith(p)), "")
        if self._prefix == "quiet":
            raise Unmodelled("the prefix quiet")
        verb = text[len(self._prefix) :]
        verbs: dict[str, Callable[[], Result]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
            "status": self._status,
            "poll": self._poll,
            "rcvar": self._show_rcvar,
            "enable": lambda: self._set_rcvar("YES", "enabled"),
            "disable": lambda: self._set_rcvar("NO", "disabled"),
            "enabled": lambda: Result(0 if self._enabled else 1),
            "describe": lambda: Result(out=f"{_DESCRIPTION}\n"),
            "extracommands": lambda: Result(out="reload\n"),
        }
        if verb == "delete":
            raise Unmodelled("the verb delete")
        if verb not in verbs:
            usage = msg.RC_USAGE.format("ctld")
            return Result(1, err=msg.UNKNOWN_DIRECTIVE.format("ctld", verb) + usage)
        guarded = verb in _GUARDED or (verb == "stop" and self._pid is None)
        if guarded and not self._enabled:
            return Result(0, out=msg.NOT_ENABLED.format(verb=verb, name="ctld", rcvar=_RCVAR))
        return verbs[verb]()

    def _not_running(self) -> Result:
        return Result(1, err=msg.NOT_RUNNING_CHECK.format("ctld", PIDFILE))

    def _start(self) -> Result:
        if self._pid is not None and self._prefix != "fast":
            return Result(1, err=msg.RUNNING_ALREADY.format("ctld", self._pid))
        required = self._part.machine.path("/etc/ctl.conf")
        if not required.exists():
            warning = msg.NOT_READABLE.format("ctld", "/etc/ctl.conf")
            return Result(1, err=warning + msg.FAILED_PRECMD.format("ctld"))
        status, messages = self._part.start_service()
        said = "".join(f"ctld: {text}\n" for text in messages)
        starting = "" if self._prefix == "fast" else msg.STARTING.format("ctld")
        if status != 0:
            return Result(1, out=starting, err=said + msg.FAILED_START.format("ctld"))
        return Result(0, out=starting, err=said)

    def _stop(self) -> Result:
        pid = self._pid
        if pid is None:
            return Result(0) if self._prefix == "fast" else self._not_running()
        self._part.ctld.terminate()
        return Result(0, out=msg.STOPPING.format("ctld") + msg.WAITING.format(pid))

    def _restart(self) -> Result:
        stopped = self._stop()
        started = self._start()
        return Result(started.rc, stopped.out + started.out, stopped.err + started.err)

    def _reload(self) -> Result:
        if self._pid is None:
            return self._not_running()
        self._part.hangup()
        return Result()

    def _status(self) -> Result:
        if self._pid is None:
            return Result(1, out=msg.NOT_RUNNING.format("ctld"))
        return Result(0, out=msg.RUNNING_AS.format("ctld", self._pid))

    def _poll(self) -> Result:
        if self._pid is not None:
            raise Unmodelled("poll on a running service")
        return Result()

    def _show_rcvar(self) -> Result:
        value = self._part.rc_conf.get(_RCVAR)
        text = f'# ctld : {_DESCRIPTION}\n#\n{_RCVAR}="{value}"\n#   (default: "")\n\n'
        return Result(out=text)

    def _set_rcvar(self, value: str, word: str) -> Result:
        self._part.rc_conf.set(_RCVAR, value)
        return Result(out=f"ctld {word} in {MAIN_FILE}\n")
