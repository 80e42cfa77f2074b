"""The simulated host for tests and the demo: starts the daemon as a process of its own and asks it by its socket."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_REPOSITORY = Path(__file__).parents[2]
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LONGEST_SOCKET = 100


class SimulatorError(Exception):
    """The daemon did not start, or refused a control request."""


class SimulatedHost:
    """
    One simulated FreeBSD storage host below ``root``, reached by SSH as ``info`` describes.

    Use as a context manager, or with ``start`` and ``stop``. ``stop`` keeps the directory; a later ``start`` finds its
    state.
    """

    def __init__(  # noqa: PLR0913 - the ways a host can differ
        self,
        root: Path | str,
        release: str = "14.3",
        *,
        prepared: bool = True,
        grammar: str = "classic",
        ssh: str = "auto",
        pools: tuple[str, ...] = ("tank=100G",),
        login: str = "root",
        compiled: bool | None = None,
    ) -> None:
        self.root = Path(root)
        self._arguments = ["--release", release, "--prepared" if prepared else "--bare", "--grammar", grammar]
        self._arguments += ["--ssh", ssh, "--login", login]
        if compiled is not None:
            self._arguments.append("--compiled" if compiled else "--no-compiled")
        self._arguments += [word for pool in pools for word in ("--pool", pool)]
        self._process: subprocess.Popen[str] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What ``host.json`` says of address, port, user, keys, paths, portals and the rest."""
        found: dict[str, Any] = json.loads((self.root / "host.json").read_text(encoding="utf-8"))
        return found

    def start(self) -> None:
        """Start the daemon and wait until SSH answers; raises SimulatorError."""
        self.root.mkdir(parents=True, exist_ok=True)
        errors = self.root / "simulator.log"
        with errors.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.simulator",
                    "start",
                    "--root",
                    str(self.root),
                    "--until-eof",
                    *self._arguments,
                ],
                cwd=_REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        if not self._is_ready():
            self.kill()
            raise SimulatorError(f"the simulator did not start: {errors.read_text(encoding='utf-8', errors='replace')}")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        return bool(readable) and self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        """End the daemon, its SSH server and every session; nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        _close_pipes(process)

    def kill(self) -> None:
        """SIGKILL the daemon, as a crash of the simulator itself would; ``start`` finds what was committed."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(_STOP_SECONDS)
            _close_pipes(process)

    def control(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One control request; raises SimulatorError when the daemon refuses it."""
        return control(self.root, op, **arguments)

    def run(self, *argv: str) -> dict[str, Any]:
        """Run a simulated command without SSH, as root on the console: ``{"rc", "out", "err"}``."""
        return self.control("run", argv=list(argv))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def control(root: Path, op: str, **arguments: Any) -> dict[str, Any]:
    """One request to the daemon that serves ``root``."""
    with _connect(root / "control.sock") as connection, connection.makefile("rw", encoding="utf-8") as lines:
        lines.write(json.dumps({"op": op, **arguments}) + "\n")
        lines.flush()
        answer = lines.readline()
    if not answer:
        raise SimulatorError("the daemon went away")
    reply: dict[str, Any] = json.loads(answer)
    if "error" in reply:
        raise SimulatorError(f"{op}: {reply['error']}")
    return reply


def _connect(path: Path) -> socket.socket:
    """Unix socket paths are short; a long one is reached through a link."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return _open(str(path))
    directory = Path(tempfile.mkdtemp(prefix="sim-"))
    try:
        (directory / "d").symlink_to(path.parent)
        return _open(str(directory / "d" / path.name))
    finally:
        shutil.rmtree(directory)


def _open(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + 2.0
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.01)
        except OSError:
            connection.close()
            raise
        else:
            return connection
