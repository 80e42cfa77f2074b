"""
One run of one playbook under ansible-runner: the only module that imports ansible_runner.

The run has a private directory, which is removed whatever happens. The request reaches the action
plugin through a FIFO in it; no event is written to a file by ansible-runner, and the outcome is told as
soon as the task's result event arrives, before the run has ended.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ansible_runner.runner
from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from csi_driver.orchestrator.warm.spawn import intercept
from csi_driver.orchestrator.worker_job import Kind, Outcome
from csi_driver.orchestrator.worker_process import kill_tree
from csi_driver.orchestrator.worker_settings import ansible_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from csi_driver.orchestrator.worker_job import Job
    from csi_driver.orchestrator.worker_settings import WorkerSettings

_CHECK_SECONDS = 0.5
_UNWATCHED_SECONDS = 3600
_OPEN_SECONDS = 0.02
_TOLD_LINES = 3
_TOLD_CHARACTERS = 200


def run_plain(settings: WorkerSettings, job: Job, tell: Callable[[Outcome], None]) -> None:
    """Run the job with stock ansible-runner, and tell its outcome exactly once."""
    with private_directory(settings.directory) as directory:
        listener = Listener()
        listener.serve(job, tell)
        config = runner_config(settings, job.playbook, job.host, directory, _plain_variables(directory))
        with _delivery(directory / "request", job.request):
            status, code = play(config, listener, stop=lambda: _stop_late(job, listener))
        listener.ended(status, code)


def allow_spawning() -> None:
    """Let `warm.spawn.spawning` decide how ansible-runner starts processes; raise `AttributeError` if it cannot."""
    intercept(ansible_runner.runner)


def play(config: RunnerConfig, listener: Listener, *, stop: Callable[[], bool] | None = None) -> tuple[str, int | None]:
    """
    Have ansible-runner do a run; return its status and exit code when it has ended.

    `stop` is asked twice a second whether to kill it.
    """
    if stop is None:
        config.pexpect_timeout = _UNWATCHED_SECONDS
    status, code = Runner(config, event_handler=listener, cancel_callback=stop).run()
    return status, code


def _plain_variables(directory: Path) -> dict[str, str]:
    request = directory / "request"
    os.mkfifo(request, 0o600)
    return {"FREEBSD_STORAGE_REQUEST": str(request)}


def runner_config(
    settings: WorkerSettings,
    playbook: str,
    host: str,
    directory: Path,
    variables: Mapping[str, str],
) -> RunnerConfig:
    """Return the prepared configuration of one run in `directory`."""
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700)
    config = RunnerConfig(
        private_data_dir=str(directory),
        playbook=str(Path(settings.playbooks) / f"{playbook}.yml"),
        inventory=settings.inventory,
        limit=host,
        envvars=ansible_environment(settings)
        | {"ANSIBLE_LOCAL_TEMP": str(temporary), "TMPDIR": str(temporary), **variables},
        ident="run",
        quiet=True,
        fact_cache_type="memory",
        settings={"suppress_output_file": True, "pexpect_timeout": _CHECK_SECONDS},
    )
    config.prepare()
    return config


def fork_server_environment(settings: WorkerSettings) -> dict[str, str]:
    """Return the variables of a run that are the same for all runs: Ansible reads most when it is imported."""
    common = Path(settings.directory) / "common"
    common.mkdir(mode=0o700, exist_ok=True)
    with private_directory(settings.directory) as directory:
        environment: dict[str, str] = runner_config(settings, "info", "none", directory, {}).env
    del environment["AWX_ISOLATED_DATA_DIR"]
    return environment | {"ANSIBLE_LOCAL_TEMP": str(common), "TMPDIR": str(common)}


@contextlib.contextmanager
def private_directory(parent: str) -> Iterator[Path]:
    """Lend a new 0700 directory below `parent`, and remove it with all it holds."""
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        yield directory
    finally:
        # A run that was killed may still be writing: what it adds goes with the worker's directory.
        shutil.rmtree(directory, ignore_errors=True)


class Listener:
    """Hears ansible-runner's events and tells a job's outcome once, to whoever `serve` named."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._tell: Callable[[Outcome], None] | None = None
        self._lines: deque[str] = deque(maxlen=_TOLD_LINES)
        self.pid: int | None = None

    def serve(self, job: Job, tell: Callable[[Outcome], None]) -> None:
        """From now on the run works for this job."""
        with self._lock:
            self._job, self._tell = job, tell

    def release(self) -> bool:
        """Take the job back; False when its outcome was told already."""
        with self._lock:
            told, self._tell = self._tell is None, None
        return not told

    @property
    def last_words(self) -> str:
        """The last lines of what was printed; once there is a job they may hold its secrets."""
        return " / ".join(self._lines)

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Hear one event; the answer False keeps ansible-runner from writing it to a file."""
        self.pid = self.pid or event.get("pid")
        kind = event.get("event")
        if kind == "runner_on_ok":
            self._result(event["event_data"]["res"])
        elif kind == "runner_on_failed":
            self._failure(event["event_data"]["res"])
        elif kind == "runner_on_unreachable":
            self._once("unreachable", str(event["event_data"]["res"].get("msg", "no reason given")))
        elif lines := str(event.get("stdout") or "").strip().splitlines():
            self._lines.append(lines[0][:_TOLD_CHARACTERS])
        return False

    def module_result(self, result: Mapping[str, Any]) -> None:
        """Hear what the module answered with success, which Ansible's own events tell later."""
        self._result(result)

    def ended(self, status: str, code: int | None) -> None:
        """Hear that the run is over; without a result before, it died."""
        if self._job is not None and self._job.expired:
            self._once("died", f"{self._job.playbook} on {self._job.host} exceeded its time limit and was killed")
        else:
            why = f"the run ended without a result (status {status}, exit code {code}): {self.last_words}"
            self._once("died", why)

    def _result(self, result: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in result.items() if not key.startswith("_ansible")}
        self._once("result", "", kept)

    def _failure(self, result: Mapping[str, Any]) -> None:
        if isinstance(result.get("error"), dict):
            self._result({**result, "failed": True})
        else:
            # The module did not get as far as saying what went wrong, so nobody knows what it did.
            self._once("died", f"the module failed without an answer: {result.get('msg', 'no reason given')}")

    def _once(self, kind: Kind, text: str, result: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None and self._job is not None:
            tell(Outcome(kind=kind, text=self._job.redact(text), result=result or {}))


def _stop_late(job: Job, listener: Listener) -> bool:
    """Kill the run when its time is over; ansible-runner then kills what is left of its group."""
    if not job.expired:
        return False
    if listener.pid is not None:
        kill_tree(listener.pid)
    return True


@contextlib.contextmanager
def _delivery(request: Path, content: Mapping[str, object]) -> Iterator[None]:
    """Hand the request to whoever opens the FIFO for reading, for as long as the context lasts."""
    ended = threading.Event()
    thread = threading.Thread(target=_deliver, args=(request, content, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _deliver(request: Path, content: Mapping[str, object], ended: threading.Event) -> None:
    while not ended.wait(_OPEN_SECONDS):
        try:
            descriptor = os.open(request, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            continue  # nobody reads yet
        os.set_blocking(descriptor, True)
        # The reader dying in the middle of the request is told by the run's end.
        with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(content).encode())
        return
