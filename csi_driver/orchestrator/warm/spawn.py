"""
ansible-runner's child process, forked by the fork server instead of executed.

ansible-runner has no place where a process can be handed in, so its name `pexpect` is bound to a stand-in
that differs in `spawn` only: that is the one private thing of ansible-runner we touch, and
`tests/contract` holds it to what is used here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pexpect
from pexpect.fdpexpect import fdspawn

from csi_driver.orchestrator.worker_process import MARK, ChildProcess, start_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

START_SECONDS = 20.0
LOST_STATUS = 255


class ForkServerLost(Exception):
    """The fork server does not take jobs: nothing was started."""


class ForkServer:
    """The fork server's end in the worker. Safe to use from many threads."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            keep = theirs.fileno()
            self._process: ChildProcess = start_module(
                "csi_driver.orchestrator.warm.forkserver",
                str(keep),
                keep=[keep],
                environment={**os.environ, **environment, MARK: str(directory)},
                directory=directory,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until Ansible is imported; raise `ForkServerLost` if that fails."""
        self._control.settimeout(START_SECONDS)
        try:
            said = self._control.recv(16)
        except OSError as error:
            raise ForkServerLost(f"it did not start: {error}") from error
        if said != b"ready":
            raise ForkServerLost(f"it ended with status {self._process.wait()} before it was ready")

    def fork(self, job: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket:
        """Start a run with these descriptors as 0, 1, 2 and so on; return the socket of its job."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                with self._lock:
                    socket.send_fds(self._control, [json.dumps(job).encode()], [theirs.fileno(), *descriptors])
            except OSError as error:
                ours.close()
                raise ForkServerLost(str(error)) from error
        return ours

    def retire(self) -> None:
        """Take no more jobs; it ends when the last of its runs has."""
        self._control.close()
        threading.Thread(target=self._process.wait, daemon=True, name="fork-server-end").start()


class ForkedRun(fdspawn):  # type: ignore[misc]
    """What `pexpect.spawn` would have returned, for a run that the fork server started."""

    exitstatus: int | None

    def __init__(self, output: int, job: socket.socket, **options: Any) -> None:  # noqa: ANN401 - pexpect's own
        super().__init__(output, encoding="utf-8", codec_errors="replace", **options)
        self._job = job.makefile("r")
        self._connection = job
        self.pid = self._number()

    def isalive(self) -> bool:
        """Whether it may still write; once it cannot, wait for its exit status."""
        if not self.flag_eof:
            return True
        if self.exitstatus is None:
            self.exitstatus = self._number()
        return False

    def stop(self) -> None:
        """Let the run's main process use no time until `resume`."""
        self._tell(b"S")

    def resume(self) -> bool:
        """Undo `stop`; False if nobody is there any more who could."""
        return self._tell(b"C")

    def abandon(self) -> None:
        """Have the run killed, whatever it does; its output then ends."""
        with contextlib.suppress(OSError):  # it has ended, or the fork server has
            self._connection.shutdown(socket.SHUT_WR)

    def _tell(self, word: bytes) -> bool:
        try:
            return self._connection.send(word) == len(word)
        except OSError:  # likewise
            return False

    def close(self) -> None:
        """Close the ends of this process; a run that still lives is killed by that."""
        super().close()
        self._job.close()
        self._connection.close()

    def _number(self) -> int:
        line = self._job.readline()
        return int(line) if line else LOST_STATUS


Spawner = "Callable[[list[str], str, Mapping[str, str]], ForkedRun]"
_spawner: ContextVar[Callable[[list[str], str, Mapping[str, str]], ForkedRun] | None] = ContextVar(
    "spawner", default=None
)


class _Pexpect:
    """The module pexpect, except that `spawn` does what `spawning` says in its context."""

    def __getattr__(self, name: str) -> object:
        return getattr(pexpect, name)

    @staticmethod
    def spawn(program: str, arguments: list[str], *, cwd: str, env: Mapping[str, str], **options: object) -> object:
        spawner = _spawner.get()
        if spawner is None:
            return pexpect.spawn(program, arguments, cwd=cwd, env=env, **options)
        return spawner([program, *arguments], cwd, env)


def intercept(runner: ModuleType) -> None:
    """Let the module `ansible_runner.runner` start its processes through `spawning`."""
    if runner.pexpect is not pexpect and not isinstance(runner.pexpect, _Pexpect):
        raise AttributeError("ansible_runner.runner.pexpect is not the module pexpect")
    runner.pexpect = _Pexpect()  # type: ignore[attr-defined]


@contextlib.contextmanager
def spawning(spawner: Callable[[list[str], str, Mapping[str, str]], ForkedRun]) -> Iterator[None]:
    """Let `spawner` start what ansible-runner runs in this context."""
    token = _spawner.set(spawner)
    try:
        yield
    finally:
        _spawner.reset(token)
