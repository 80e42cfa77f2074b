"""
The process in which ansible-runner lives, one thread a run.

It is executed, not forked, and before the driver imports gRPC: ansible-runner starts processes, and
forking under gRPC is unsafe. It reads jobs from its standard input and writes replies to its
standard output, one JSON object a line; when its input ends it kills what runs and exits. The only
module that imports ansible_runner.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import ansible_runner

RESULT_EVENTS = {"runner_on_ok": "result", "runner_on_failed": "result", "runner_on_unreachable": "unreachable"}


class Worker:
    """Takes jobs `{id, playbook, host, request, time_limit, …}` and answers each once."""

    def __init__(self, run_root: Path) -> None:
        self._run_root = run_root
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Serve until the input ends."""
        for line in sys.stdin:
            job = json.loads(line)
            threading.Thread(target=self._answer, args=(job,), daemon=True).start()

    def _answer(self, job: dict[str, Any]) -> None:
        try:
            reply = self._run(job)
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller must get an answer
            reply = {"died": f"{type(error).__name__} while running {job['playbook']}"}
        with self._lock:
            sys.stdout.write(json.dumps({"id": job["id"], **reply}) + "\n")
            sys.stdout.flush()

    def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        run_dir = Path(tempfile.mkdtemp(prefix="run-", dir=self._run_root))
        try:
            with _request_pipe(run_dir / "request", job["request"]):
                return _play(job, run_dir)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)


@contextlib.contextmanager
def _request_pipe(path: Path, request: dict[str, Any]) -> Any:
    """Offer the request to the one reader of a FIFO, so that it never lies on a disk."""
    os.mkfifo(path, 0o600)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("w") as pipe:
            json.dump(request, pipe)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        # A writer nobody has read from still waits in open(); a moment's reader lets it go.
        with contextlib.suppress(FileNotFoundError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        writer.join(timeout=5)


def _play(job: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    replies: list[dict[str, Any]] = []

    def on_event(event: dict[str, Any]) -> bool:
        kind = RESULT_EVENTS.get(event["event"])
        if kind is not None:
            replies.append({kind: event["event_data"]["res"]})
        return False  # keep no event file

    done = ansible_runner.run_command(
        executable_cmd="ansible-playbook",
        cmdline_args=[job["playbook"], "--inventory", job["inventory"], "--limit", job["host"]],
        private_data_dir=str(run_dir),
        envvars={**job["environment"], "FREEBSD_STORAGE_REQUEST": str(run_dir / "request")},
        event_handler=on_event,
        runner_mode="subprocess",
        timeout=job["time_limit"],
        quiet=True,
    )
    if len(replies) != 1:
        return {"died": f"the run ended as {done[2] and 'failed' or 'empty'} with {len(replies)} results"}
    return replies[0]


def main() -> None:
    """Run as `python -m csi_driver.orchestrator.worker RUN_ROOT`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Worker(Path(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
