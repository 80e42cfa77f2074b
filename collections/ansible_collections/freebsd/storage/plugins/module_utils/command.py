# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The only place that starts processes.

Commands are lists of arguments, found through the inherited PATH, run in the C locale, and ended
at the deadline of the whole request. `Popen` is used instead of `AnsibleModule.run_command` because
independent commands run side by side.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple, Optional, Protocol, Union

from .errors import HostError

WIDTH = 32  # commands at once; ZFS commits those of one transaction group together


class Completed(NamedTuple):
    """
    A command that ended.

    `late` when it was killed at the deadline, so that its effect is unknown; `unstarted` when it
    never ran.
    """

    argv: tuple[str, ...]
    rc: int
    out: str
    err: str
    late: bool = False
    unstarted: Optional[HostError] = None


class Running(Protocol):
    """A command under way."""

    def wait(self) -> Completed:
        """Return when the command has ended, or was killed at the deadline."""


class Dialogue(Protocol):
    """A command that is spoken to, line by line."""

    def say(self, line: str) -> None:
        """Tell it a line; if it does not listen any more, `hear` will show it."""

    def hear(self) -> Optional[str]:
        """Return its next line; None when it has ended, or at the deadline."""

    def end(self) -> Completed:
        """End its input; return how it ended, `late` if it has not, after which it is left alone."""


class Commands(Protocol):
    """Runs commands and counts them."""

    count: int

    def start(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Running:
        """Start a command; raise `HostError` if it cannot be started."""

    def run(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Completed:
        """Run a command to its end."""

    def run_all(self, argvs: Sequence[Sequence[str]], stdins: Sequence[Optional[bytes]] = ()) -> list[Completed]:
        """
        Run independent commands side by side; results in the order given. Never raises.

        `stdins` has what each reads on its standard input; where it is empty, none reads anything.
        """

    def leave(self, pipeline: Sequence[Sequence[str]], log: int) -> None:
        """
        Start commands, each reading what the one before it writes, that go on when this process has ended.

        They are in a session and a process group of their own, whose number becomes the first line of the file
        `log`. It is their standard error too, and stays open in each of them, and with it a lock on it.
        """

    def converse(self, argv: Sequence[str]) -> Dialogue:
        """Start a command to be spoken to; it does not get what is held. Raise `HostError` as `start` does."""

    def remaining(self) -> float:
        """Return the seconds until the deadline; negative when it has passed."""

    def hold(self, descriptor: int) -> None:
        """
        Keep the descriptor open in every command from now on.

        A lock on it outlives this process until the last of its commands has ended.
        """


class _Process:
    def __init__(
        self,
        argv: tuple[str, ...],
        popen: subprocess.Popen[bytes],
        stdin: Optional[bytes],
        deadline: float,
    ) -> None:
        self._argv = argv
        self._popen = popen
        self._stdin = stdin
        self._deadline = deadline

    def wait(self) -> Completed:
        try:
            left = max(self._deadline - time.monotonic(), 0.01)
            out, err = self._popen.communicate(self._stdin, timeout=left)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            out, err = self._popen.communicate()
            return Completed(self._argv, self._popen.returncode, _text(out), _text(err), late=True)
        return Completed(self._argv, self._popen.returncode, _text(out), _text(err))


class _Dialogue:
    """The other end may be root's, so that it cannot be killed from here: the end of its input has to do."""

    def __init__(self, argv: tuple[str, ...], popen: subprocess.Popen[bytes], deadline: float) -> None:
        self._argv = argv
        self._popen = popen
        self._deadline = deadline
        self._heard = b""
        self._late = False

    def say(self, line: str) -> None:
        stream = self._popen.stdin
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.write(line.encode() + b"\n")
                stream.flush()

    def hear(self) -> Optional[str]:
        while b"\n" not in self._heard:
            data = self._more()
            if not data:
                return None
            self._heard += data
        line, _newline, self._heard = self._heard.partition(b"\n")
        return _text(line)

    def _more(self) -> bytes:
        """Return what it has said, as soon as it says something; nothing when it has ended or time is up."""
        if self._popen.stdout is None or self._popen.stdout.closed:
            return b""
        descriptor = self._popen.stdout.fileno()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        if not waiting.poll(max(self._deadline - time.monotonic(), 0) * 1000):
            self._late = True
            return b""
        return os.read(descriptor, 1 << 16)

    def end(self) -> Completed:
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
            self._popen.stdin = None
        left = 0.01 if self._late else max(self._deadline - time.monotonic(), 0.01)
        try:
            _out, err = self._popen.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            for stream in (self._popen.stdout, self._popen.stderr):
                if stream is not None:
                    stream.close()
            return Completed(self._argv, -1, "", "", late=True)
        return Completed(self._argv, self._popen.returncode, "", _text(err))


class _Unstarted:
    def __init__(self, argv: tuple[str, ...], error: HostError) -> None:
        self._completed = Completed(argv, 127, "", error.msg, unstarted=error)

    def wait(self) -> Completed:
        return self._completed


class SystemCommands:
    """Runs real commands. `deadline` is a `time.monotonic()` value."""

    def __init__(self, deadline: float) -> None:
        self.count = 0
        self._held: tuple[int, ...] = ()
        self._deadline = deadline
        self._environment = dict(os.environ, LC_ALL="C")

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - time.monotonic()

    def hold(self, descriptor: int) -> None:
        """Keep the descriptor open in every command from now on."""
        self._held = (*self._held, descriptor)

    def start(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Running:
        """Start a command in the C locale, without a standard input unless one is given."""
        command = tuple(argv)
        popen = self._popen(command, subprocess.DEVNULL if stdin is None else subprocess.PIPE, self._held)
        return _Process(command, popen, stdin, self._deadline)

    def converse(self, argv: Sequence[str]) -> Dialogue:
        """Start a command to be spoken to, in the C locale."""
        command = tuple(argv)
        return _Dialogue(command, self._popen(command, subprocess.PIPE, ()), self._deadline)

    def _popen(self, command: tuple[str, ...], stdin: int, held: tuple[int, ...]) -> subprocess.Popen[bytes]:
        try:
            popen = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                pass_fds=held,
            )
        except OSError as error:
            raise _not_started(command[0], error) from error
        self.count += 1
        return popen

    def leave(self, pipeline: Sequence[Sequence[str]], log: int) -> None:
        """Start commands that go on when this process has ended."""
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                os.write(log, f"{os.getpid()}\n".encode())
                _start_pipeline(pipeline, log, self._environment)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.count += len(pipeline)

    def run(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Completed:
        """Run a command to its end."""
        return self.start(argv, stdin).wait()

    def run_all(self, argvs: Sequence[Sequence[str]], stdins: Sequence[Optional[bytes]] = ()) -> list[Completed]:
        """Run independent commands side by side, so many at once as the width allows."""
        done: list[Completed] = []
        running: deque[Running] = deque()
        for argv, stdin in zip(argvs, stdins or [None] * len(argvs)):
            if len(running) >= WIDTH:
                done.append(running.popleft().wait())
            running.append(self._start_when_possible(argv, stdin, running, done))
        done.extend(process.wait() for process in running)
        return done

    def _start_when_possible(
        self, argv: Sequence[str], stdin: Optional[bytes], running: deque[Running], done: list[Completed]
    ) -> Running:
        """Start a command; while the system has no room for a process, wait for one of ours to end."""
        while True:
            try:
                return self.start(argv, stdin)
            except HostError as error:  # noqa: PERF203 - a process is started anyway
                cause = error.__cause__
                if not (running and isinstance(cause, OSError) and cause.errno == errno.EAGAIN):
                    return _Unstarted(tuple(argv), error)
                done.append(running.popleft().wait())


def _start_pipeline(pipeline: Sequence[Sequence[str]], log: int, environment: Mapping[str, str]) -> None:
    """What goes wrong is told in the log; nobody waits for these commands but whoever reads that."""
    source: Union[int, IO[bytes], None] = subprocess.DEVNULL
    for number, argv in enumerate(pipeline):
        last = number == len(pipeline) - 1
        try:
            popen = subprocess.Popen(
                list(argv),
                stdin=source,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        except OSError as error:
            os.write(log, f"{_not_started(argv[0], error).msg}\n".encode())
            return
        source = popen.stdout


def _not_started(name: str, error: OSError) -> HostError:
    if error.errno == errno.ENOENT:
        path = os.environ.get("PATH", "")
        return HostError("degraded", f"the command {name} is not in the PATH of the SSH user: {path}")
    if error.errno == errno.EACCES:
        return HostError("denied", f"the SSH user may not run the command {name}")
    return HostError("degraded", f"the command {name} cannot be started: {error.strerror}")


def _text(output: bytes) -> str:
    return output.decode("utf-8", "backslashreplace")
