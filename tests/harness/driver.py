"""Start and stop the real driver as its own processes, the way a pod would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from csi_driver.proto import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
STANDINS = REPOSITORY / "tests" / "standins" / "bin"
READY_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0


class DriverError(Exception):
    """The driver process did not start, or died."""


class DriverProcess:
    """One `csi-driver ROLE` process serving one unix socket."""

    def __init__(self, role: str, *, config: Path, directory: Path, environment: Mapping[str, str]) -> None:
        self.role = role
        self.config = config
        self.socket = directory / f"{role}.sock"
        self.log = directory / f"{role}.log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The address for gRPC clients."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        if self._process is None:
            raise DriverError(f"csi-driver {self.role} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the process and return when it answers Probe."""
        environment = {**os.environ, **self._environment, "CSI_ENDPOINT": self.endpoint}
        argv = [sys.executable, "-m", "csi_driver", self.role, "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=REPOSITORY
            )
        self._wait_ready()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise DriverError(f"csi-driver {self.role} exited: {self.log_tail()}")
            with contextlib.suppress(grpc.RpcError), self.channel() as channel:
                csi_pb2_grpc.IdentityStub(channel).Probe(csi_pb2.ProbeRequest(), timeout=2)
                return
            time.sleep(0.05)
        raise DriverError(f"csi-driver {self.role} did not answer within {READY_TIMEOUT:.0f} s: {self.log_tail()}")

    @contextlib.contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A fresh gRPC channel to the process."""
        with grpc.insecure_channel(self.endpoint) as channel:
            yield channel

    def log_tail(self, lines: int = 15) -> str:
        """The last lines the process logged."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT)
            self._process = None

    def stop(self) -> None:
        """Ask the process to end and wait until it has."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            code = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DriverError(f"csi-driver {self.role} ignored SIGTERM: {self.log_tail()}") from None
        self._process = None
        if code != 0:
            raise DriverError(f"csi-driver {self.role} ended with status {code}: {self.log_tail()}")
