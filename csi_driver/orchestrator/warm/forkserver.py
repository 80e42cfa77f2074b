"""
A process with Ansible imported, which forks a child for each `ansible-playbook` run.

It has one socket, inherited from the worker, on which each message is a job: one JSON object `{argv,
cwd, env}`, and with it the descriptors of the run: first a socket for this job alone, then those that
the child gets as 0, 1, 2 and so on. On the job's socket the server tells the child's process id when
it has started and its exit status when it has ended, one line each. There it is also told to stop
(`S`) and to continue (`C`) the child; when the other end is closed the run is killed. When the worker's
end of the server's socket is closed, the server ends as soon as the last run has.

Single-threaded, so that forking is safe, and no run ever takes place in the server itself: Ansible's
singletons are still unset when a child starts (but see `warmup`). What Ansible reads from the environment
when it is imported is the same for all runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
from typing import Any, NoReturn

from csi_driver.orchestrator.warm.warmup import load
from csi_driver.orchestrator.worker_process import kill_tree

JOB_BYTES = 1 << 17
MOST_DESCRIPTORS = 8
DIED_OF_SIGNAL = 128
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
SIGNALS = {b"S": signal.SIGSTOP, b"C": signal.SIGCONT}


class ForkServer:
    """Takes jobs from `control`, one fork each."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[int, socket.socket] = {}
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)  # noqa: FBT003 - its only argument
        self._waker.setblocking(False)  # noqa: FBT003
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno())
        self._selector.register(control, selectors.EVENT_READ, self._take)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)

    def serve(self) -> None:
        """Serve until there will be no more jobs, and those that there are have ended."""
        while self._control.fileno() >= 0 or self._jobs:
            for key, _ in self._selector.select():
                key.data()

    def _take(self) -> None:
        text, descriptors, _, _ = socket.recv_fds(self._control, JOB_BYTES, MOST_DESCRIPTORS)
        if not text:
            self._selector.unregister(self._control)
            self._control.close()
            return
        if threading.active_count() != 1:
            raise RuntimeError("the fork server has threads: forking would not be safe")
        status, *given = descriptors
        child = os.fork()
        if child == 0:
            become_run(json.loads(text), given)
        for descriptor in given:
            os.close(descriptor)
        connection = socket.socket(fileno=status)
        self._jobs[child] = connection
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(child))
        _say(connection, child)

    def _hear(self, child: int) -> None:
        """Stop or continue a run; kill it when nobody waits for it any more."""
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = self._jobs[child].recv(1)
        if said:
            os.kill(child, SIGNALS[said])  # it was not waited for yet, so the number is still its own
        else:
            self._forget(child)
            kill_tree(child)

    def _forget(self, child: int) -> None:
        connection = self._jobs.pop(child)
        self._selector.unregister(connection)
        connection.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            if child in self._jobs:
                code = os.waitstatus_to_exitcode(status)
                _say(self._jobs[child], code if code >= 0 else DIED_OF_SIGNAL - code)
                self._forget(child)


def _say(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # who has gone is noticed by the selector
        connection.sendall(b"%d\n" % number)


def become_run(job: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Turn this forked child into the run, with `descriptors` as 0, 1, 2 and so on."""
    status = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _place(descriptors)
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        gc.disable()  # a run is short, and looking for garbage would copy the server's pages
        tempfile.tempdir = None  # what it was found to be in the server is not where this run may write
        status = run_playbook(job["argv"])
    finally:
        # Not sys.exit: what the server registered to be done at its own end is not ours to do.
        os._exit(status)


def _place(descriptors: list[int]) -> None:
    """Give the descriptors their numbers and close all others; none may be overwritten on the way."""
    above = [os.dup(descriptor) for descriptor in descriptors]
    while min(above) < len(descriptors):
        above = [os.dup(descriptor) for descriptor in above]
    for number, descriptor in enumerate(above):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors), max(above) + 64)


def run_playbook(arguments: list[str]) -> int:
    """Do in this process what the command `ansible-playbook` does; return its exit status."""
    sys.argv = arguments
    try:
        importlib.import_module("ansible.cli.playbook").PlaybookCLI.cli_executor(arguments)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def adopt_orphans() -> None:
    """
    Be the parent, and so the reaper, of what the runs leave behind.

    In a container the driver itself may be process 1, which inherits orphans but does not expect any. Systems
    without prctl(2) have an init that does.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(descriptor: int) -> None:
    """Serve the worker at the other end of the socket `descriptor`, once everything is imported."""
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=descriptor)
    control.sendall(b"ready")
    ForkServer(control).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
