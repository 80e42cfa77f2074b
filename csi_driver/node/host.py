"""
Running the node's own commands: the only place on this side that starts a process.

Knows no command by name. Locale is C, so that texts are the ones their parsers expect.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from csi_driver.errors import DriverError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Where mkfs, losetup and iscsiadm live; an unprivileged PATH often lacks these.
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_REAP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. `code` is its exit status, negative when a signal ended it."""

    argv: tuple[str, ...]
    code: int
    out: str = ""
    err: str = ""

    @property
    def told(self) -> str:
        """What the command said, on one line: its complaint, or else its output."""
        return " ".join((self.err.strip() or self.out.strip() or f"exit status {self.code}").split())


class Host(Protocol):
    """The machine this node runs on."""

    def run(self, *argv: str, deadline: float) -> Result:
        """
        Run a command to its end and return how it ended, whatever its exit status.

        `deadline` is a `time.monotonic()` value; past it the command's process group is killed.

        Raises:
            DriverError: `UNCERTAIN` past the deadline, `DEGRADED` if there is no such command.

        """
        ...


class LocalHost:
    """The machine this runs on, with the commands found through PATH."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        inherited = dict(os.environ if environment is None else environment)
        path = os.pathsep.join((inherited.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES))
        self._environment = {**inherited, "PATH": path, "LC_ALL": "C"}

    def run(self, *argv: str, deadline: float) -> Result:
        """See `Host.run`."""
        process = self._start(argv)
        try:
            out, err = process.communicate(timeout=max(deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired as expired:
            _kill(process)
            message = f"{argv[0]} did not end in time and was killed; it is tried again"
            raise DriverError(ErrorCode.UNCERTAIN, message) from expired
        return Result(argv, process.returncode, out, err)

    def _start(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        program = shutil.which(argv[0], path=self._environment["PATH"])
        if program is None:
            message = f"this node lacks the command {argv[0]}; install the package that has it"
            raise DriverError(ErrorCode.DEGRADED, message)
        return subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and its children; one stuck in the kernel is left behind, not waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_REAP_SECONDS)


def expect(result: Result, what: str, *, code: ErrorCode = ErrorCode.INTERNAL) -> Result:
    """Return the result of a command that succeeded; otherwise say that `what` failed, and why."""
    if result.code != 0:
        raise DriverError(code, f"{what} failed: {result.argv[0]}: {result.told}")
    return result
