"""
The seam below the backend: run a playbook on a storage host, get its one task's result.

What is behind it (a worker process with stock ansible-runner, or the warm designs) may differ in
speed, never in results.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from csi_driver.orchestrator import inventory, paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.config import Config

GRACE_SECONDS = 10.0


class RunError(Exception):
    """A run has no result. The text is for people and holds no secret."""


class HostUnreachable(RunError):
    """The host was not reached, so nothing was done there."""


class RunDied(RunError):
    """The run ended without a result: what it did on the host is not known."""


class PlaybookRunner(Protocol):
    """Runs playbooks; safe to call from many threads."""

    def run(
        self, playbook: str, host: str, request: Mapping[str, object], *, time_limit: float
    ) -> Mapping[str, object]:
        """
        Run `apply` or `info` on the host with the request; return the task's result.

        A failed task has a result too, with `error`. `time_limit` is in seconds from now; a run
        that has not ended by then is killed. Raises `HostUnreachable` or `RunDied`.
        """
        ...

    def close(self) -> None:
        """End all runs and what serves them."""
        ...


class WorkerRunner:
    """
    Stock ansible-runner in a worker process of its own; see `worker`.

    Create it before gRPC is imported. `playbooks` is the directory of the playbooks, `inventory`
    a path for `--inventory`, `environment` what Ansible's processes get: nothing else is inherited.
    """

    def __init__(self, *, run_root: Path, playbooks: Path, inventory: Path, environment: Mapping[str, str]) -> None:
        self._playbooks = playbooks
        self._inventory = inventory
        self._environment = dict(environment)
        self._ids = itertools.count()
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "csi_driver.orchestrator.worker", str(run_root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
        )
        threading.Thread(target=self._read_replies, daemon=True, name="ansible-replies").start()

    def run(
        self, playbook: str, host: str, request: Mapping[str, object], *, time_limit: float
    ) -> Mapping[str, object]:
        """See `PlaybookRunner.run`."""
        job = {
            "playbook": str(self._playbooks / f"{playbook}.yml"),
            "inventory": str(self._inventory),
            "environment": self._environment,
            "host": host,
            "request": request,
            "time_limit": max(1, int(time_limit)),
        }
        return _result(self._reply(job, time_limit))

    def _reply(self, job: dict[str, Any], time_limit: float) -> dict[str, Any]:
        future: Future[dict[str, Any]] = Future()
        job_id = next(self._ids)
        with self._lock:
            if self._process.poll() is not None:
                raise RunDied("the process that runs Ansible has ended")
            self._pending[job_id] = future
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": job_id, **job}) + "\n")
            self._process.stdin.flush()
        try:
            return future.result(time_limit + GRACE_SECONDS)
        except FutureTimeoutError:
            raise RunDied(f"the run did not end within {time_limit:.0f} s") from None
        finally:
            self._pending.pop(job_id, None)

    def _read_replies(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply = json.loads(line)
            future = self._pending.get(reply["id"])
            if future is not None:
                future.set_result(reply)
        with self._lock:
            for future in self._pending.values():
                future.set_result({"died": "the process that runs Ansible has ended"})

    def close(self) -> None:
        """See `PlaybookRunner.close`."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(GRACE_SECONDS)


def start_runner(config: Config, *, run_root: Path) -> PlaybookRunner:
    """Start what runs playbooks on the configured hosts; `run_root` is private and outlives it."""
    content = paths.content()
    hosts = run_root / "inventory.yml"
    hosts.touch(mode=0o600)
    hosts.write_text(inventory.render(config))
    return WorkerRunner(
        run_root=run_root, playbooks=content.playbooks, inventory=hosts, environment=_environment(content, run_root)
    )


def _environment(content: paths.Content, run_root: Path) -> dict[str, str]:
    """What Ansible's processes get; nothing is inherited but the search path."""
    beside_python = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join((beside_python, os.environ.get("PATH", os.defpath))),
        "HOME": str(run_root),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(paths.PACKAGE.parent),
        "ANSIBLE_COLLECTIONS_PATH": str(content.collections),
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_HOME": str(run_root / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NO_TARGET_SYSLOG": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(run_root / "cp"),
    }


def _result(reply: dict[str, Any]) -> Mapping[str, object]:
    if "unreachable" in reply:
        raise HostUnreachable(str(reply["unreachable"].get("msg", "the host cannot be reached")))
    if "died" in reply:
        raise RunDied(reply["died"])
    result: Mapping[str, object] = reply["result"]
    return result
