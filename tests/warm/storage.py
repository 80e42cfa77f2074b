"""A simulated storage host and runners for it, held to one rung each."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from csi_driver import config
from csi_driver.orchestrator import inventory, paths
from csi_driver.orchestrator.runner import WorkerRunner
from tests.simulator.host import SimulatedHost

HOST = "nas1"
OWNER = "warm"
GIB = 1 << 30
PATIENCE = 30.0
LIMIT = 60.0


class Storage:
    """What tests ask of one host, through whichever runner they bring."""

    def __init__(self, host: SimulatedHost) -> None:
        self.host = host
        self.temporary, self._python = own_temporary(host)

    @contextlib.contextmanager
    def runner(self, rung: str) -> Iterator[WorkerRunner]:
        """Lend a runner that has reached the rung; nothing of it may be left afterwards."""
        with tempfile.TemporaryDirectory(prefix="csi-", dir="/tmp") as directory:
            runner = WorkerRunner(
                self._inventory,
                hosts=(HOST,),
                content=paths.content(),
                run_root=Path(directory),
                rung=rung,
            )
            try:
                until(lambda: runner.rung == rung, f"the runner is on {runner.rung}: {runner.reason}")
                yield runner
            finally:
                runner.close()
            assert list(Path(directory).iterdir()) == []

    def _inventory(self, connection: str) -> str:
        info = self.host.info
        host = {
            "ansible_host": info["address"],
            "ansible_port": info["port"],
            "ansible_user": info["user"],
            "ansible_ssh_private_key_file": info["identity_file"],
            "ansible_python_interpreter": str(self._python),
            "host_key": info["host_key"],
            "parent": info["parent"],
            "settings_dir": info["settings_dir"],
            "portals": info["portals"],
        }
        known = config.parse({"cluster": OWNER, "storage_hosts": {"hosts": {HOST: host}}})
        return inventory.render(known, connection=connection)

    def apply(self, runner: WorkerRunner, *resources: dict[str, Any], limit: float = LIMIT, **more: Any) -> Any:
        """Apply resources; the whole result."""
        return runner.run("apply", HOST, self._request(resources=list(resources), **more), time_limit=limit)

    def info(self, runner: WorkerRunner, **more: Any) -> Any:
        """Ask what the host holds; the whole result."""
        return runner.run("info", HOST, self._request(**more), time_limit=LIMIT)

    def _request(self, **more: Any) -> dict[str, Any]:
        info = self.host.info
        common = {"owner": OWNER, "parent": info["parent"], "settings_dir": info["settings_dir"], "privilege": "none"}
        return common | more

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that every module takes, so that a module begun now waits."""
        with (Path(self.host.info["settings_dir"]) / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def datasets(self) -> list[str]:
        """What is below the parent."""
        parent = self.host.info["parent"]
        return [name for name in self.host.control("state")["datasets"] if name.startswith(f"{parent}/")]

    def clear(self) -> None:
        """Destroy what is below the parent, from the console."""
        for name in self.datasets():
            self.host.run("zfs", "destroy", name)


def own_temporary(host: SimulatedHost) -> tuple[Path, Path]:
    """
    Return a directory for temporary files, and an interpreter for the host that uses it.

    It is not the machine's own /tmp, which others use, too: what is in this one was left by us.
    """
    temporary, python = host.root / "tmp-of-python", host.root / "python" / "python3"
    for directory in (temporary, python.parent):
        directory.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nTMPDIR={temporary} exec {host.info["python"]} "$@"\n')
    python.chmod(0o755)
    return temporary, python


def volume(name: str, size: int = GIB, **more: Any) -> dict[str, Any]:
    """Return a wanted volume."""
    return {
        "key": name,
        "kind": "volume",
        "state": "present",
        "name": name,
        "required_bytes": size,
        "limit_bytes": 0,
        "volblocksize": 16384,
        "thin": True,
        "blocksize": 512,
        "properties": {},
        "attributes": {},
    } | more


def no_volume(uuid: str) -> dict[str, Any]:
    """Return a volume that is not wanted any more."""
    return {"key": uuid, "kind": "volume", "state": "absent", "uuid": uuid}


def until(true: Callable[[], object], failing: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, failing
        time.sleep(0.02)


def reading(process: int) -> str:
    """The program and arguments of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(process: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def descriptors(process: int) -> int:
    """How many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
