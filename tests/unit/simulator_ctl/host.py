"""A simulated machine in this process, as the tests of ctld and CTL drive it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tests.simulator import dispatch
from tests.simulator.commands import load_all
from tests.simulator.ctl.part import CtlPart, ctl_part
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Json, Result
from tests.simulator.state import FILESYSTEM, VOLUME, Dataset, new_guid

load_all()

GIB = 1 << 30
PREFIX = "iqn.2025-01.com.example:"
NODE = "iqn.1994-09.org.freebsd:node1"


class Host:
    """The machine with the shortcuts that read well in a test."""

    def __init__(self, root: Path, release: str = "14.3") -> None:
        self.machine = Machine(root, release, {"tank": 100 * GIB})
        self.machine.storage.add(Dataset("tank/csi", FILESYSTEM, new_guid(), 1, 0, 2))
        self.conf = self.machine.path("/etc/ctl.conf")
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._initiators: list[Initiator] = []

    def stop(self) -> None:
        """End the machine and every connection to it."""
        self.machine.stop()
        for initiator in self._initiators:
            initiator.close()

    @property
    def part(self) -> CtlPart:
        return ctl_part(self.machine)

    def run(self, *argv: str, user: str = "root", cwd: str = "/") -> Result:
        """Execute one command as the SSH session's shell would."""
        result = dispatch.execute(self.machine, Call(argv, cwd=cwd, user=user))
        assert "simulator: defect" not in result.err, result.err
        return result

    def write(self, text: str, *, mode: int = 0o600) -> None:
        """Write ctl.conf; `PORTAL` becomes a loopback address that is free."""
        self.conf.write_text(text.replace("PORTAL", f"127.0.0.1:{self.port}"))
        self.conf.chmod(mode)

    def start(self) -> None:
        self.run("sysrc", "ctld_enable=YES")
        started = self.run("service", "ctld", "start")
        assert started.rc == 0, started

    def reload(self) -> None:
        """Reload and wait until ctld has acted on it (or refused)."""
        before = self.acted
        assert self.run("service", "ctld", "reload").rc == 0
        wait_until(lambda: self.acted > before)

    @property
    def acted(self) -> int:
        counted = self.part.ctld.counters
        return counted.applied + counted.refused

    def volume(self, name: str, size_bytes: int = GIB) -> None:
        """Make or grow a zvol."""
        storage = self.machine.storage
        dataset = storage.tree.get(name)
        if dataset is None:
            dataset = Dataset(name, VOLUME, new_guid(), 1, 0, 1, volblocksize=16384)
            dataset.local["volsize"] = str(size_bytes)
            storage.add(dataset)
        dataset.local["volsize"] = str(size_bytes)
        with storage.file(dataset.guid).open("ab") as file:
            file.truncate(size_bytes)

    def messages(self) -> list[str]:
        """What ctld told syslog, without the header."""
        log = self.machine.path("/var/log/messages")
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition("]: ")[2] for line in lines if " ctld[" in line]

    def login(self, target: str = f"{PREFIX}pvc-1", **fields: Json) -> Initiator:
        """Log in to TARGET over TCP, with other FIELDS than usual."""
        request = {"op": "login", "initiator": NODE, "target": target, "chap": None, **fields}
        self._initiators.append(Initiator(self.port, request))
        return self._initiators[-1]

    def sizes(self) -> dict[str, int]:
        """Blocks by LUN name, as the kernel lists them."""
        return {lun.options["ctld_name"]: lun.blocks for lun in self.part.kernel.luns.values()}

    def targets(self) -> list[str]:
        """Names of the iSCSI ports the kernel has."""
        return [str(p.target) for p in self.part.kernel.ports.values() if p.frontend == "iscsi"]


class Initiator:
    """One TCP connection to ctld."""

    def __init__(self, port: int, request: dict[str, Json]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._lines = self.socket.makefile("r")
        self.reply = self.ask(request)

    def ask(self, request: dict[str, Json]) -> dict[str, Json]:
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(self._lines.readline())
        assert isinstance(reply, dict)
        return reply

    def closed(self) -> bool:
        """Tell whether the target has closed the connection (waits up to the time-out)."""
        return self._lines.readline() == ""

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Poll until CONDITION holds; fail after SECONDS."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.002)


def target_text(name: str, *, lun: str | None = None, group: str = "pg0", auth: str = "ag0") -> str:
    """Return a target's block with one LUN."""
    lun_line = f'  lun 0 "{lun or name}"\n'
    return f'target "{PREFIX}{name}" {{\n  auth-group "{auth}"\n  portal-group "{group}"\n{lun_line}}}\n'


def lun_text(name: str, *, serial: str = "a1b2c3d4e5f60718", path: str | None = None) -> str:
    """Return a LUN's block."""
    return (
        f'lun "{name}" {{\n  path "{path or f"/dev/zvol/tank/csi/{name}"}"\n'
        f'  serial "{serial}"\n  device-id "csi-{name}"\n}}\n'
    )


GROUPS = f"""portal-group "pg0" {{
  listen PORTAL
}}
auth-group "ag0" {{
  auth-type none
  initiator-name "{NODE}"
}}
"""


def one_volume(name: str = "pvc-1") -> str:
    """Return a file that exports one zvol to one node."""
    return GROUPS + lun_text(name) + target_text(name)
