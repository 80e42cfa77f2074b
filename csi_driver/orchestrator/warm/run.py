"""
A run whose playbook is started before there is a job for it.

It is an ordinary run of the ordinary playbook. Its action plugin says that it has come to where it needs
the request, and waits there; until the request arrives the run's main process, which would poll for a
result a thousand times a second, is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from typing import TYPE_CHECKING

from csi_driver.orchestrator.warm.spawn import ForkedRun, ForkServerLost, spawning
from csi_driver.orchestrator.worker_process import kill_tree
from csi_driver.orchestrator.worker_run import Listener, play, private_directory, runner_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from csi_driver.orchestrator.warm.spawn import ForkServer
    from csi_driver.orchestrator.worker_job import Job, Outcome
    from csi_driver.orchestrator.worker_settings import WorkerSettings

# The numbers that the descriptors have in the run; 0 to 2 are its standard streams.
REQUEST_DESCRIPTOR, PARKED_DESCRIPTOR, RESULT_DESCRIPTOR = 3, 4, 5


class WarmRun:
    """One run on the fork server; `dispatch` gives it its job."""

    def __init__(
        self,
        settings: WorkerSettings,
        server: ForkServer,
        playbook: str,
        host: str,
        variables: Mapping[str, str],
    ) -> None:
        self.born = time.monotonic()
        self._settings = settings
        self._server = server
        self._variables = variables
        self._playbook = playbook
        self._host = host
        self._listener = Listener()
        self._request_end, self._request = os.pipe()
        self._parked, self._parked_end = os.pipe()
        self._result, self._result_end = os.pipe()
        self._process: ForkedRun | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        # They guard our descriptors against being closed while they are in use.
        self._lock = threading.Lock()
        self._parking = threading.Lock()
        threading.Thread(target=self._play, daemon=True, name=f"run-{playbook}-{host}").start()

    @property
    def last_words(self) -> str:
        """The last lines of what it printed."""
        return self._listener.last_words

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._ended.is_set()

    def park(self, seconds: float) -> bool:
        """Wait until the run waits for its request, and stop it there; False if it never will."""
        with self._parking:
            if self._parked < 0 or not select.select([self._parked], [], [], seconds)[0]:
                return False
            if not os.read(self._parked, 1):
                return False
        if self._process is not None:
            self._process.stop()
        return True

    def dispatch(self, job: Job, tell: Callable[[Outcome], None]) -> bool:
        """
        Give the run its request and wait until it has ended or its time is over.

        False if it ended before it had the request: then nothing was done or told.
        """
        self._started.wait()
        if self._process is None:
            return False
        self._listener.serve(job, tell)
        expiry = threading.Timer(max(0.0, job.deadline - time.monotonic()), self.abandon)
        expiry.daemon = True
        expiry.start()
        try:
            if not (self._server.alive and self._process.resume() and self._deliver(job.request)):
                self.abandon()
                return not self._listener.release()
            self._hear_result()
            self._ended.wait()
        finally:
            expiry.cancel()
        return True

    def abandon(self) -> None:
        """Kill the run."""
        self._started.wait()
        if self._process is not None:
            self._process.abandon()
            if not self._server.alive and not self.ended:
                kill_tree(self._process.pid)

    def _hear_result(self) -> None:
        """Hear the module's result from the action plugin, some milliseconds before Ansible tells it."""
        descriptor = self._take("_result")
        if descriptor is not None:
            with os.fdopen(descriptor, "rb") as stream:
                line = stream.readline()
            if line.endswith(b"\n"):
                self._listener.module_result(json.loads(line))

    def _deliver(self, request: Mapping[str, object]) -> bool:
        descriptor = self._take("_request")
        if descriptor is None:
            return False
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(json.dumps(request).encode())
        except BrokenPipeError:
            return False  # not read to its end, so not begun
        return True

    def _play(self) -> None:
        try:
            with private_directory(self._settings.directory) as directory, spawning(self._spawn):
                config = runner_config(
                    self._settings,
                    self._playbook,
                    self._host,
                    directory,
                    {
                        **self._variables,
                        "FREEBSD_STORAGE_REQUEST": f"/dev/fd/{REQUEST_DESCRIPTOR}",
                        "FREEBSD_STORAGE_PARKED": f"/dev/fd/{PARKED_DESCRIPTOR}",
                        "FREEBSD_STORAGE_RESULT": f"/dev/fd/{RESULT_DESCRIPTOR}",
                    },
                )
                status, code = play(config, self._listener)
            self._listener.ended(status, code)
        except ForkServerLost as error:
            self._listener.ended(f"not started: {error}", None)
        finally:
            self._close()
            self._started.set()
            self._ended.set()

    def _spawn(self, arguments: list[str], cwd: str, environment: Mapping[str, str]) -> ForkedRun:
        """Have the fork server start the run; ansible-runner calls this."""
        output, output_end = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        job = {"argv": arguments, "cwd": cwd, "env": dict(environment)}
        given = [nothing, output_end, output_end, self._request_end, self._parked_end, self._result_end]
        try:
            self._process = ForkedRun(output, self._server.fork(job, given))
        except ForkServerLost:
            os.close(output)
            raise
        finally:
            for descriptor in {nothing, output_end}:
                os.close(descriptor)
            self._close_far_ends()
            self._started.set()
        return self._process

    def _close_far_ends(self) -> None:
        for name in ("_request_end", "_parked_end", "_result_end"):
            with contextlib.suppress(OSError):
                os.close(getattr(self, name))
            setattr(self, name, -1)

    def _close(self) -> None:
        self._close_far_ends()
        with self._parking:
            os.close(self._parked)
            self._parked = -1
        for name in ("_request", "_result"):
            if (descriptor := self._take(name)) is not None:
                os.close(descriptor)

    def _take(self, name: str) -> int | None:
        """Return a descriptor of ours to whoever asks first, to close it."""
        with self._lock:
            descriptor: int = getattr(self, name)
            setattr(self, name, -1)
        return descriptor if descriptor >= 0 else None
