"""
The worker process: runs playbooks for the driver, many at once.

It is a process of its own, started before the driver imports grpc, because a process that serves gRPC
must not fork. It ends, with everything it started, when the driver's end of the socket closes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csi_driver.orchestrator.warm.ladder import Ladder
from csi_driver.orchestrator.worker_job import Job, Outcome
from csi_driver.orchestrator.worker_process import kill_marked
from csi_driver.orchestrator.worker_settings import WorkerSettings
from csi_driver.orchestrator.worker_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping


class Worker:
    """Takes jobs from the wire, a thread for each, and answers each once."""

    def __init__(self, wire: Wire, settings: WorkerSettings) -> None:
        self._wire = wire
        self._ladder = Ladder(settings, self._report)

    def serve(self) -> None:
        """Work until the driver's end of the wire closes."""
        while (message := self._wire.receive()) is not None:
            job = Job.from_message(message)
            threading.Thread(target=self._work, args=(job,), daemon=True, name=f"job-{job.number}").start()

    def _report(self, rung: str, reason: str, wanted: bool) -> None:  # noqa: FBT001 - as the ladder calls it
        self._send({"op": "rung", "rung": rung, "reason": reason, "wanted": wanted})

    def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the driver has gone, and with it the reason for us
            self._wire.send(message)

    def _work(self, job: Job) -> None:
        def tell(outcome: Outcome) -> None:
            self._send(_answer(job, outcome))

        try:
            self._ladder.run(job, tell)
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller must get an answer
            # The traceback's own text may quote the request, so only where and what kind is told.
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"the worker failed: {type(error).__name__} in {place.name} ({place.filename}:{place.lineno})"
            tell(Outcome(kind="died", text=text))


def _answer(job: Job, outcome: Outcome) -> Mapping[str, Any]:
    return {
        "op": "done",
        "number": job.number,
        "kind": outcome.kind,
        "result": outcome.result,
        "text": outcome.text,
    }


def main(descriptor: int) -> None:
    """Serve the driver at the other end of the socket `descriptor`."""
    # Ctrl-C reaches the whole group; the driver decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # pexpect forks from a thread. It execs at once and our threads hold no lock across it.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    wire = Wire(socket.socket(fileno=descriptor))
    message = wire.receive()
    if message is None:
        return
    settings = WorkerSettings.from_message(message)
    os.environ.pop("PYTHONPATH", None)  # it served to find this package, and is no business of a run
    directory = Path(settings.directory)
    (directory / "ansible.cfg").touch(mode=0o600)
    (directory / "ssh").mkdir(mode=0o700)
    try:
        Worker(wire, settings).serve()
    finally:
        # The driver is gone, or wants us to be: nothing that still runs has anyone to answer to.
        kill_marked(directory)
        shutil.rmtree(settings.directory, ignore_errors=True)
        os._exit(0)  # without waiting for threads, whose runs were just killed


if __name__ == "__main__":
    main(int(sys.argv[1]))
