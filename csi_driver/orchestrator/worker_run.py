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

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from csi_driver.orchestrator.worker_job import Outcome
from csi_driver.orchestrator.worker_process import kill_tree
from csi_driver.orchestrator.worker_settings import ansible_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from csi_driver.orchestrator.worker_job import Job
    from csi_driver.orchestrator.worker_settings import WorkerSettings

_CHECK_SECONDS = 0.5
_OPEN_SECONDS = 0.02
_TOLD_LINES = 3
_TOLD_CHARACTERS = 200


def run_plain(settings: WorkerSettings, job: Job, tell: Callable[[Outcome], None]) -> None:
    """Run the job with stock ansible-runner, and tell its outcome exactly once."""
    with private_directory(settings.directory) as directory:
        listener = Listener(job, tell)
        config = runner_config(settings, job.playbook, job.host, directory, _plain_variables(directory))
        runner = Runner(config, event_handler=listener, cancel_callback=lambda: _stop_late(job, listener))
        with _delivery(directory / "request", job.request):
            status, code = runner.run()
        listener.ended(status, code)


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
    *arguments: str,
) -> RunnerConfig:
    """Return the prepared configuration of one run in `directory`."""
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700)
    config = RunnerConfig(
        private_data_dir=str(directory),
        playbook=str(Path(settings.playbooks) / f"{playbook}.yml"),
        inventory=settings.inventory,
        limit=host,
        cmdline=" ".join(arguments) or None,
        envvars=ansible_environment(settings)
        | {"ANSIBLE_LOCAL_TEMP": str(temporary), "TMPDIR": str(temporary), **variables},
        ident="run",
        quiet=True,
        fact_cache_type="memory",
        settings={"suppress_output_file": True, "pexpect_timeout": _CHECK_SECONDS},
    )
    config.prepare()
    return config


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
    """Hears ansible-runner's events and tells the job's outcome once."""

    def __init__(self, job: Job, tell: Callable[[Outcome], None]) -> None:
        self._job = job
        self._tell = tell
        self._told = False
        self._lines: deque[str] = deque(maxlen=_TOLD_LINES)
        self.pid: int | None = None

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Hear one event; the answer False keeps ansible-runner from writing it to a file."""
        self.pid = self.pid or event.get("pid")
        kind = event.get("event")
        if kind == "runner_on_ok":
            self._result(event["event_data"]["res"])
        elif kind == "runner_on_failed":
            self._failure(event["event_data"]["res"])
        elif kind == "runner_on_unreachable":
            text = str(event["event_data"]["res"].get("msg", "no reason given"))
            self._once(Outcome(kind="unreachable", text=self._job.redact(text)))
        elif lines := str(event.get("stdout") or "").strip().splitlines():
            self._lines.append(lines[0][:_TOLD_CHARACTERS])
        return False

    def ended(self, status: str, code: int | None) -> None:
        """Hear that the run is over; without a result before, it died."""
        if self._job.expired:
            text = f"the run of {self._job.playbook} on {self._job.host} exceeded its time limit and was killed"
        else:
            said = self._job.redact(" / ".join(self._lines))
            text = f"the run ended without a result (status {status}, exit code {code}): {said}"
        self._once(Outcome(kind="died", text=text))

    def _result(self, result: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in result.items() if not key.startswith("_ansible")}
        self._once(Outcome(kind="result", result=kept))

    def _failure(self, result: Mapping[str, Any]) -> None:
        if isinstance(result.get("error"), dict):
            self._result({**result, "failed": True})
            return
        # The module did not get as far as saying what went wrong, so nobody knows what it did.
        text = self._job.redact(str(result.get("msg", "no reason given")))
        self._once(Outcome(kind="died", text=f"the module failed without an answer: {text}"))

    def _once(self, outcome: Outcome) -> None:
        if not self._told:
            self._told = True
            self._tell(outcome)


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
