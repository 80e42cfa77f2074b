"""The runner alone, held to one rung of the ladder: what CreateVolume is made of, without gRPC."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from csi_driver.config import load
from csi_driver.orchestrator import inventory, paths
from csi_driver.orchestrator.runner import WorkerRunner
from tests.harness.stack import HOST

READY_SECONDS = 60.0
TIME_LIMIT = 60.0


@contextlib.contextmanager
def runner_on(rung: str, config_path: Path) -> Iterator[WorkerRunner]:
    """Lend a runner for the hosts of the configuration, on this rung and no other."""
    config = load(config_path)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as run_root:
        runner = WorkerRunner(
            lambda connection: inventory.render(config, connection=connection),
            hosts=tuple(config.hosts),
            content=paths.content(),
            run_root=Path(run_root),
            rung=rung,
        )
        try:
            _wait(runner, rung)
            yield runner
        finally:
            runner.close()


def _wait(runner: WorkerRunner, rung: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while runner.rung != rung:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the runner is on rung {runner.rung}, not {rung}: {runner.reason}")
        time.sleep(0.05)


def volume(name: str, size_bytes: int) -> dict[str, Any]:
    """Return the resource that CreateVolume with default parameters has made."""
    return {
        "key": "a",
        "kind": "volume",
        "state": "present",
        "name": name,
        "required_bytes": size_bytes,
        "limit_bytes": 0,
        "volblocksize": 16384,
        "thin": True,
        "blocksize": 512,
        "properties": {},
        "attributes": {},
    }


def apply(runner: WorkerRunner, config_path: Path, resource: dict[str, Any]) -> None:
    """Apply one resource on the one host; raise when it was not done."""
    host = load(config_path).hosts[HOST]
    request = {
        "owner": "bench",
        "parent": host.parent,
        "settings_dir": host.settings_dir,
        "privilege": host.privilege,
        "resources": [resource],
    }
    result: Any = runner.run("apply", HOST, request, time_limit=TIME_LIMIT)
    if "results" not in result or "error" in result["results"][0]:
        raise RuntimeError(f"apply: {result}")
