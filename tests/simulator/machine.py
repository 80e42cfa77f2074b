"""The simulated host as one object: release, storage, parts, command log, faults. Knows no sockets and no SSH."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TypeVar, cast

from tests.simulator import registry
from tests.simulator.faults import Faults
from tests.simulator.journal import CommandLog
from tests.simulator.registry import Json, Part
from tests.simulator.releases import RELEASES, Release
from tests.simulator.storage import Storage

_Kind = TypeVar("_Kind", bound=Part)


class Machine:
    """
    State of one simulated host below ``root``.

    Whoever changes state holds ``lock``. Handlers registered as exclusive have it already.
    """

    def __init__(
        self, root: Path, release: str = "14.3", pools: dict[str, int] | None = None, hostname: str = "nas1"
    ) -> None:
        self.root = root.resolve()
        self.release: Release = RELEASES[release]
        self.hostname = hostname
        self.lock = threading.RLock()
        self.log = CommandLog()
        self.faults = Faults()
        self.clock_offset = 0.0
        self.booted = time.time()
        self.epoch = 0
        self.storage = Storage(self, pools or {})
        self._parts = {name: kind(self) for name, kind in registry.PARTS.items()}

    def part(self, kind: type[_Kind]) -> _Kind:
        """Return the instance of a registered part."""
        return cast("_Kind", self._parts[kind.name])

    def path(self, path: str) -> Path:
        """Where an absolute path of the simulated host really lies; one that already is below ``root`` stays."""
        given = Path(path)
        if given.is_relative_to(self.root):
            return given
        return self.root / path.lstrip("/")

    def now(self) -> float:
        """The simulated wall clock, which a test can make jump."""
        return time.time() + self.clock_offset

    def syslog(self, ident: str, text: str) -> None:
        """One line in /var/log/messages; ``ident`` as ``ctld[1234]``. Newlines are encoded as vis(3) does."""
        stamp = time.strftime("%b %e %H:%M:%S", time.localtime(self.now()))
        target = self.path("/var/log/messages")
        target.parent.mkdir(parents=True, exist_ok=True)
        escaped = text.replace("\n", "\\n")[:1024]
        with target.open("a", encoding="utf-8", errors="surrogateescape") as out:
            out.write(f"{stamp} {self.hostname} {ident}: {escaped}\n")

    def boot(self) -> None:
        """Bring every part up, as rc(8) would after power-on."""
        with self.lock:
            self.booted = self.now()
            for part in self._parts.values():
                part.boot()

    def reboot(self) -> None:
        """Cut the power and boot again; ZFS keeps what was committed, everything volatile is gone."""
        with self.lock:
            self.epoch += 1
            for part in self._parts.values():
                part.halt()
            self.storage.halt()
            self.boot()

    def stop(self) -> None:
        """End all parts' threads and sockets and leave the state on disk."""
        for part in self._parts.values():
            part.stop()
        self.storage.close()

    def observe(self) -> dict[str, Json]:
        """Everything a test may want to look at."""
        with self.lock:
            state: dict[str, Json] = {"release": self.release.name, **self.storage.observe()}
            for part in self._parts.values():
                state.update(part.observe())
            state["faults"] = self.faults.observe()
            state["files"] = self._settings_files()
            return state

    def _settings_files(self) -> Json:
        """Paths of the files below the collection's settings directory."""
        settings = self.path("/usr/local/etc/freebsd-storage")
        return [str(path.relative_to(settings)) for path in sorted(settings.rglob("*")) if path.is_file()]

    def counters(self) -> dict[str, Json]:
        """Commands by name, what was not modelled, internal defects, and the parts' own counters."""
        with self.lock:
            counted: dict[str, Json] = dict(self.log.counters())
            for part in self._parts.values():
                counted.update(part.counters())
            return counted
