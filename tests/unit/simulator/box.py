"""A simulated machine in the test's own process: no daemon, no SSH."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tests.simulator.commands import load_all
from tests.simulator.dispatch import execute
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Result

GIB = 1 << 30
MIB = 1 << 20


class Box:
    def __init__(self, root: Path, release: str = "14.3", pool_bytes: int = 100 * GIB) -> None:
        load_all()
        self.root = root
        self.release = release
        self.pool_bytes = pool_bytes
        self.machine = Machine(root, release, {"tank": pool_bytes})
        if self.machine.storage.tree.get("tank/csi") is None:
            self.must("zfs create tank/csi")

    def run(self, command: str, user: str = "root", stdin: Path | None = None, stdout: Path | None = None) -> Result:
        source = os.open(stdin, os.O_RDONLY) if stdin else -1
        sink = os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if stdout else -1
        try:
            return execute(self.machine, Call(tuple(shlex.split(command)), user=user, stdin=source, stdout=sink))
        finally:
            for descriptor in (source, sink):
                if descriptor >= 0:
                    os.close(descriptor)

    def must(self, command: str) -> str:
        result = self.run(command)
        assert result.rc == 0, result.err
        return result.out

    def refused(self, command: str, user: str = "root") -> str:
        """What the command complains of; it must fail."""
        result = self.run(command, user)
        assert result.rc != 0
        return result.err

    def value(self, name: str, prop: str) -> str:
        return self.must(f"zfs get -Hp -o value {prop} {name}").strip()

    def number(self, name: str, prop: str) -> int:
        return int(self.value(name, prop))

    def device(self, name: str) -> Path:
        return self.root / "dev" / "zvol" / name

    def write(self, name: str, data: bytes, offset: int = 0) -> None:
        """Write through the device node, as CTL would."""
        with self.device(name).open("r+b") as device:
            device.seek(offset)
            device.write(data)

    def read(self, name: str, length: int, offset: int = 0) -> bytes:
        with self.device(name).open("rb") as device:
            device.seek(offset)
            return device.read(length)

    def again(self) -> Box:
        """The machine after its daemon was killed and started anew."""
        return Box(self.root, self.release, self.pool_bytes)
