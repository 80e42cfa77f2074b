"""
A process with Ansible imported, which forks a child for each `ansible-playbook` run.

Started with the path of a unix socket. A client (`launcher`) connects, sends one JSON line
`{argv, cwd, env}` with its standard input, output and error attached, and gets back the child's
exit status as one line when the run has ended. A client that goes away takes its run with it.

Single-threaded, so that forking is safe, and no run ever takes place in the server itself. What
Ansible reads from the environment when it is imported is the same for all runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
from typing import NoReturn

JOB_BYTES = 1 << 20
DIED_OF_SIGNAL = 128
# What every run imports anyway. None of it starts threads or reads a run's own settings.
IMPORTED = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.module_common",
    "ansible.executor.task_executor",
    "ansible.executor.task_queue_manager",
    "ansible.inventory.manager",
    "ansible.plugins.action.normal",
    "ansible.plugins.connection.ssh",
    "ansible.plugins.inventory.yaml",
    "ansible.plugins.shell.sh",
    "ansible.plugins.strategy.linear",
    "ansible.template",
    "ansible.vars.manager",
    "multiprocessing.managers",
)


class ForkServer:
    """Accepts jobs on `listener`, one fork each, until it is told to stop or its parent has gone."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, socket.socket] = {}
        self._wake, self._wake_up = socket.socketpair()
        for end in (self._wake, self._wake_up):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_up.fileno())
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._parent_gone)

    def serve(self) -> None:
        """Serve until the standard input ends."""
        while True:
            for key, _ in self._selector.select():
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        try:
            job, descriptors = receive_job(client)
        except (OSError, ValueError):
            client.close()
            return
        if threading.active_count() != 1:
            raise RuntimeError("the fork server has threads: forking would not be safe")
        child = os.fork()
        if child == 0:
            self._become(job, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._clients[child] = client
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._abandon(child))

    def _become(self, job: dict[str, object], descriptors: list[int]) -> NoReturn:
        """Turn this forked child into the run."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            os.closerange(len(descriptors), max(self._selector.get_map()) + 64)
            status = run_playbook(job)
        finally:
            # Not sys.exit: what the server registered to be done at its own end is not ours to do.
            os._exit(status)

    def _abandon(self, child: int) -> None:
        """The client has gone: so has the reason for the run."""
        self._forget(child)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    def _forget(self, child: int) -> None:
        client = self._clients.pop(child, None)
        if client is not None:
            self._selector.unregister(client)
            client.close()

    def _reap(self, wake: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            self._tell(child, os.waitstatus_to_exitcode(status))

    def _tell(self, child: int, code: int) -> None:
        client = self._clients.get(child)
        if client is not None:
            with contextlib.suppress(OSError):
                client.sendall(f"{code if code >= 0 else DIED_OF_SIGNAL - code}\n".encode())
        self._forget(child)

    def _parent_gone(self, _: object) -> None:
        if not os.read(sys.stdin.fileno(), 1):
            for child in list(self._clients):
                self._abandon(child)
            sys.exit(0)


def receive_job(client: socket.socket) -> tuple[dict[str, object], list[int]]:
    """Read one job line and the descriptors that came with it."""
    text, descriptors, _, _ = socket.recv_fds(client, JOB_BYTES, 3)
    while not text.endswith(b"\n"):
        more = client.recv(JOB_BYTES)
        if not more:
            raise ValueError("the client went away in the middle of its job")
        text += more
    return json.loads(text), descriptors


def run_playbook(job: dict[str, object]) -> int:
    """Do in this process what the command `ansible-playbook` does; return its exit status."""
    os.setsid()
    os.chdir(str(job["cwd"]))
    environment = job["env"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    arguments = job["argv"]
    assert isinstance(arguments, list)
    sys.argv = arguments
    cli = importlib.import_module("ansible.cli.playbook").PlaybookCLI
    try:
        cli.cli_executor(arguments)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    """Run as `python -m csi_driver.orchestrator.warm.forkserver SOCKET`; says `ready` when it is."""
    for name in IMPORTED:
        importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    ForkServer(listener).serve()


if __name__ == "__main__":
    main()
