"""
The ctld process: starting, SIGHUP, SIGTERM, SIGKILL, and the logins it grants.

Not thread-safe by itself: every method is called with the host's lock held. A reload does not
happen in `hangup` but a little later, as on FreeBSD: nothing tells the caller when, or whether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.apply import Applier, Tags, from_kernel
from tests.simulator.ctl.config import Config, Portal, PortalGroup
from tests.simulator.ctl.kernel import CtlKernel
from tests.simulator.ctl.load import Loaded, load
from tests.simulator.ctl.vis import encode
from tests.simulator.registry import Unmodelled

# Beyond what this machine's own processes can have: a signal sent by number reaches nobody.
_FIRST_PID = 5_001_234
_BUILTIN_PHYSICAL_PORTS = ("camsim", "ioctl", "tpc")


class Sockets(Protocol):
    """The listening sockets of the process."""

    def update(self, wanted: list[Portal]) -> list[str]:
        """Make WANTED the open ones; return what could not be bound, in ctld's words."""

    def close(self) -> None:
        """Close all of them."""


@dataclass(frozen=True)
class Environment:
    """What the process needs of its host."""

    release: str
    path: Callable[[str], Path]
    syslog: Callable[[str, str], None]
    later: Callable[[float, Callable[[], None]], None]


@dataclass(frozen=True)
class Invocation:
    """ctld's command line: argv as ps(1) shows it, and what of it matters."""

    argv: tuple[str, ...]
    config_path: str = "/etc/ctl.conf"
    ucl: bool = False


@dataclass
class Counters:
    """How often SIGHUP was sent and what became of it."""

    signalled: int = 0
    lost: int = 0
    applied: int = 0
    refused: int = 0


@dataclass(frozen=True)
class SignalFate:
    """What happens to one SIGHUP: LOST, or acted upon after DELAY seconds."""

    delay: float = 0.005
    lost: bool = False


@dataclass
class Process:
    """A running ctld."""

    pid: int
    invocation: Invocation
    config: Config
    tags: Tags = field(default_factory=Tags)
    reload_pending: bool = False


class Ctld:
    """At most one ctld process on the host, and how it treats the kernel."""

    def __init__(
        self,
        kernel: CtlKernel,
        environment: Environment,
        sockets: Sockets,
        first_pid: int = _FIRST_PID,
    ) -> None:
        self.kernel = kernel
        self.counters = Counters()
        self.process: Process | None = None
        self._env = environment
        self._sockets = sockets
        self._next_pid = first_pid

    # --- command line phase ---

    def load(self, invocation: Invocation) -> Loaded:
        """Read and check the file INVOCATION names, as `ctld -t` does."""
        path = invocation.config_path
        found = load(path, release=self._env.release, ucl=invocation.ucl, resolve=self._env.path)
        return Loaded(found.config, tuple(map(encode, found.messages)))

    def test(self, invocation: Invocation) -> tuple[int, list[str]]:
        """Return exit status and messages of `ctld -t`."""
        loaded = self.load(invocation)
        if loaded.config is None:
            return 1, [*loaded.messages, msg.CONFIGURATION_ERROR_EXITING]
        return 0, list(loaded.messages)

    def start(self, invocation: Invocation) -> tuple[int, list[str]]:
        """
        Start the daemon; return exit status and messages of the phase before daemon(3).

        A configuration that cannot be applied is only told to syslog: the status is 0, the
        process is gone, and what it had created stays in the kernel.
        """
        loaded = self.load(invocation)
        messages = list(loaded.messages)
        if loaded.config is None:
            return 1, [*messages, msg.CONFIGURATION_ERROR_EXITING]
        if self.process is not None:
            return 1, [*messages, msg.ALREADY_RUNNING.format(self.process.pid)]
        trouble = self._physical_ports(loaded.config)
        if trouble:
            return 1, [*messages, trouble, msg.PORTS_ERROR_EXITING]
        self._run(invocation, loaded.config)
        return 0, messages

    def _physical_ports(self, config: Config) -> str | None:
        for target in config.targets.values():
            wanted = target.physical_port
            if wanted is not None:
                if wanted.split("/")[0].lower() in _BUILTIN_PHYSICAL_PORTS:
                    raise Unmodelled(f"ctl.conf: port {wanted}")
                return msg.UNKNOWN_PORT.format(wanted, target.name)
        return None

    def _run(self, invocation: Invocation, config: Config) -> None:
        process = Process(self._next_pid, invocation, config)
        self._next_pid += 7
        if self._apply(process, from_kernel(self.kernel), config) != 0:
            self._log(process, msg.FAILED_TO_APPLY)
            self._sockets.close()
            return
        self.process = process
        pidfile = self._env.path(config.pidfile or "")
        pidfile.parent.mkdir(parents=True, exist_ok=True)
        pidfile.touch(mode=0o600)
        pidfile.write_text(str(process.pid))

    # --- signals ---

    def hangup(self, fate: SignalFate) -> None:
        """SIGHUP: re-read the file later. A signal that finds one pending changes nothing."""
        process = self._running()
        self.counters.signalled += 1
        if fate.lost:
            self.counters.lost += 1
        elif not process.reload_pending:
            process.reload_pending = True
            self._env.later(fate.delay, lambda: self._reload(process))

    def _reload(self, process: Process) -> None:
        """Act on a pending SIGHUP, unless the process is gone by now."""
        if self.process is not process:
            return
        process.reload_pending = False
        loaded = self.load(process.invocation)
        for text in loaded.messages:
            self._syslog(process, text)
        trouble = loaded.config and self._physical_ports(loaded.config)
        if loaded.config is None or trouble:
            if trouble:
                self._log(process, trouble)
            self._log(
                process,
                msg.PORTS_ERROR_CONTINUING if trouble else msg.CONFIGURATION_ERROR_CONTINUING,
            )
            self.counters.refused += 1
            return
        old, process.config = process.config, loaded.config
        if self._apply(process, old, loaded.config) != 0:
            self._log(process, msg.FAILED_TO_RELOAD)
        self._move_pidfile(old, loaded.config)
        self.counters.applied += 1

    def _move_pidfile(self, old: Config, new: Config) -> None:
        if old.pidfile and new.pidfile and old.pidfile != new.pidfile:
            self._env.path(old.pidfile).rename(self._env.path(new.pidfile))

    def terminate(self) -> None:
        """SIGTERM: everything of ctld leaves the kernel, sessions end, the process exits 0."""
        process = self._running()
        nothing = Config()
        self._apply(process, process.config, nothing)
        self._env.path(process.config.pidfile or "").unlink(missing_ok=True)
        self._log(process, msg.EXITING_ON_SIGNAL)
        self._gone()

    def kill(self) -> None:
        """SIGKILL: no new logins; LUNs, ports and sessions stay; the pidfile too."""
        self._running()
        self._gone()

    def power_off(self) -> None:
        """The host loses power: the process is gone without a trace but its files."""
        if self.process is not None:
            self._gone()

    def _gone(self) -> None:
        self.process = None
        self._sockets.close()

    def _running(self) -> Process:
        if self.process is None:
            raise ProcessLookupError("ctld is not running")
        return self.process

    # --- the work ---

    def _apply(self, process: Process, old: Config, new: Config) -> int:
        """Apply NEW and open its sockets; return the number of errors ctld counts."""
        process.tags.assign(old, new)
        applier = Applier(self.kernel, self._env.release, lambda text: self._log(process, text))
        applier.apply(old, new)
        failed = self._sockets.update(_listening(new))
        for text in failed:
            self._log(process, text)
        return applier.errors + len(failed)

    def portal_group(self, listen: str) -> PortalGroup | None:
        """Return the group whose socket LISTEN is, as the running process sees it."""
        if self.process is None:
            return None
        for group in self.process.config.portal_groups.values():
            if not group.unassigned and any(p.listen == listen for p in group.portals):
                return group
        return None

    def _log(self, process: Process, text: str) -> None:
        self._syslog(process, encode(text))

    def _syslog(self, process: Process, text: str) -> None:
        self._env.syslog(f"ctld[{process.pid}]", text)


def _listening(config: Config) -> list[Portal]:
    """Return the portals of every group that is this host's and that a target uses."""
    return [
        portal
        for group in config.portal_groups.values()
        if not group.foreign and not group.unassigned
        for portal in group.portals
    ]
