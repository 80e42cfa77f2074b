"""
The seam below the backend: run a playbook on a storage host, get its one task's result.

What is behind it (stock ansible-runner, or one of the warm rungs) may differ in speed, never in
results.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import shutil
import socket
import tempfile
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from csi_driver.orchestrator import inventory, paths
from csi_driver.orchestrator.worker_process import MARK, ChildProcess, TimeoutExpired, kill_marked, start_module
from csi_driver.orchestrator.worker_settings import WorkerSettings, worker_environment
from csi_driver.orchestrator.worker_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from csi_driver.config import Config

# How long past its time limit a run may take to be killed and reported.
GRACE_SECONDS = 15.0
END_SECONDS = 10.0
# A worker that dies before it says anything will do so again: after so many it is no accident.
BARREN_STARTS = 3
# ssh and Ansible make unix sockets below our directories and add up to 60 characters; a path holds about 100.
SHORT_PATH = 40

log = logging.getLogger(__name__)


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


def start_runner(config: Config, *, run_root: Path) -> WorkerRunner:
    """Start what runs playbooks on the configured hosts, below the existing directory `run_root`."""
    return WorkerRunner(
        lambda connection: inventory.render(config, connection=connection),
        hosts=tuple(config.hosts_in_service),
        content=paths.content(),
        run_root=run_root,
        rung=config.ansible.rung,
    )


class WorkerRunner:
    """
    A worker process (see `worker`) that runs the playbooks; started anew when it dies.

    Create it before gRPC is imported. `render` returns the text of a YAML inventory of `hosts` whose
    connections are of the given type; `rung` is the highest rung that may be used, or `auto`.
    """

    def __init__(
        self,
        render: Callable[[str], str],
        *,
        hosts: Sequence[str],
        content: paths.Content,
        run_root: Path,
        rung: str = "auto",
    ) -> None:
        self._start = functools.partial(_Worker, render, hosts, content, run_root, rung)
        self._lock = threading.Lock()
        self._closed = False
        self._barren = 0
        self._worker = self._start()

    @property
    def rung(self) -> str:
        """The rung of the ladder in use; see `worker`."""
        return self._worker.rung

    @property
    def reason(self) -> str:
        """Why that rung and no faster one."""
        return self._worker.reason

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._worker.pid

    def run(
        self, playbook: str, host: str, request: Mapping[str, object], *, time_limit: float
    ) -> Mapping[str, object]:
        """See `PlaybookRunner.run`."""
        answer = self._living().call(playbook, host, request, time_limit)
        if answer["kind"] == "unreachable":
            raise HostUnreachable(answer["text"])
        if answer["kind"] == "died":
            raise RunDied(answer["text"])
        result: Mapping[str, object] = answer["result"]
        return result

    def problem(self) -> str | None:
        """
        Return why no playbook can be run in this process any more; None as long as one can.

        A worker that died is started anew for it. Whether a storage host can be reached is no matter here.
        """
        try:
            self._living()
        except RunDied as error:
            return None if self._closed else str(error)
        if self._barren < BARREN_STARTS:
            return None
        return f"the process that runs Ansible died {self._barren} times without a word; see the driver's log"

    def close(self) -> None:
        """See `PlaybookRunner.close`."""
        with self._lock:
            self._closed = True
            self._worker.close()

    def _living(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise RunDied("the driver is shutting down")
            if self._worker.answered:
                self._barren = 0
            if not self._worker.alive:
                log.warning("the process that runs Ansible died and is started anew")
                self._barren += not self._worker.answered
                self._worker.close()
                self._worker = self._started()
            return self._worker

    def _started(self) -> _Worker:
        try:
            return self._start()
        except OSError as error:
            raise RunDied(f"the process that runs Ansible cannot be started: {error.strerror}") from error


class _Worker:
    """One worker process, its directories, and the calls that wait for it."""

    def __init__(
        self,
        render: Callable[[str], str],
        hosts: Sequence[str],
        content: paths.Content,
        run_root: Path,
        rung: str,
    ) -> None:
        self._directory = _private_directory(run_root)
        self.rung = "starting"
        self.reason = ""
        self.answered = False
        self._numbers = itertools.count()
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._ended = False
        self._process, self._wire = _spawn(self._directory)
        self._wire.send(
            WorkerSettings(
                directory=str(self._directory),
                inventory=self._write("inventory.yml", render("ansible.builtin.ssh")),
                kept_inventory=self._write("kept.yml", render("freebsd.storage.agent")),
                hosts=tuple(hosts),
                playbooks=str(content.playbooks),
                collections=str(content.collections),
                rung=rung,
            ).as_message()
        )
        threading.Thread(target=self._listen, daemon=True, name="worker-answers").start()

    @property
    def alive(self) -> bool:
        """Whether the worker still takes calls."""
        return not self._ended

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def call(self, playbook: str, host: str, request: Mapping[str, object], time_limit: float) -> dict[str, Any]:
        """Have the worker run a playbook; wait for its answer."""
        number = next(self._numbers)
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._ended:
                return _died("the process that runs Ansible has ended")
            self._pending[number] = future
        try:
            self._wire.send(
                {
                    "op": "run",
                    "number": number,
                    "playbook": playbook,
                    "host": host,
                    "request": request,
                    "time_limit": time_limit,
                }
            )
            return future.result(time_limit + GRACE_SECONDS)
        except OSError:
            return _died("the process that runs Ansible has ended")
        except FutureTimeoutError:
            # It answers even when a run hangs, so it hangs itself. Without it, its runs end too.
            self._process.kill()
            return _died(f"the process that runs Ansible has not answered within {time_limit:.0f} s")
        finally:
            self._pending.pop(number, None)

    def close(self) -> None:
        """End the worker and remove what is left of it."""
        self._wire.close()
        try:
            self._process.wait(END_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # It ends what it started, unless it was killed itself.
        kill_marked(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _write(self, name: str, text: str) -> str:
        path = self._directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def _listen(self) -> None:
        while (message := self._wire.receive()) is not None:
            self._hear(message)
        with self._lock:
            self._ended = True
            pending = list(self._pending.values())
        for future in pending:
            # A future that has its answer already keeps it.
            with contextlib.suppress(Exception):
                future.set_result(_died("the process that runs Ansible died"))

    def _hear(self, message: dict[str, Any]) -> None:
        self.answered = True
        match message["op"]:
            case "done":
                future = self._pending.get(message["number"])
                if future is not None:
                    future.set_result(message)
            case "rung":
                self.rung, self.reason = message["rung"], message["reason"]
                level = logging.INFO if message["wanted"] else logging.WARNING
                log.log(level, "playbooks run on rung %s: %s", self.rung, self.reason)
            case "log":
                log.log(logging.getLevelName(message["level"]), "%s", message["text"])


def _died(text: str) -> dict[str, Any]:
    return {"kind": "died", "text": text}


def _spawn(directory: Path) -> tuple[ChildProcess, Wire]:
    ours, theirs = socket.socketpair()
    environment = worker_environment(os.environ)
    environment[MARK] = str(directory)
    with theirs:
        keep = theirs.fileno()
        process = start_module(
            "csi_driver.orchestrator.worker", str(keep), keep=[keep], environment=environment, directory=directory
        )
    return process, Wire(ours)


def _private_directory(run_root: Path) -> Path:
    """Make a private directory, below `run_root` if the path of that leaves room for the names of sockets."""
    return Path(tempfile.mkdtemp(prefix="worker-", dir=run_root if len(str(run_root)) <= SHORT_PATH else None))
