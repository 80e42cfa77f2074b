"""What watches this process over HTTP: `/metrics` for Prometheus, and `/healthz` as a plain yes or no."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from csi_driver.config import ConfigError
from csi_driver.telemetry import METRICS_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csi_driver.telemetry import Metrics

_PLAIN = "text/plain; charset=utf-8"
_IDLE_SECONDS = 10.0

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def monitored(listen: str | None, metrics: Metrics, problem: Callable[[], str | None]) -> Iterator[None]:
    """
    Answer on `listen` (`address:port`; None: nowhere) while the block runs; raise `ConfigError` if that cannot be had.

    `problem` says what ails this process, None if nothing.
    """
    if listen is None:
        yield
        return
    with _server(listen, metrics, problem) as server:
        threading.Thread(target=server.serve_forever, daemon=True, name="monitor").start()
        try:
            yield
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        metrics: Metrics,
        problem: Callable[[], str | None],
    ) -> None:
        self.address_family = family
        self.metrics = metrics
        self.problem = problem
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, and do not ask DNS for a name that nothing here needs."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, *_: object) -> None:
        """Let go of whoever hung up."""
        _log.debug("a request for /metrics or /healthz was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "csi-driver", ""
    timeout = _IDLE_SECONDS  # nobody keeps a thread by saying nothing

    def do_GET(self) -> None:
        """Answer the two paths there are."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._say(HTTPStatus.OK, METRICS_TYPE, self.server.metrics.render())
            case "/healthz":
                problem = self.server.problem()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
                self._say(status, _PLAIN, f"{problem or 'ok'}\n".encode())
            case _:
                self._say(HTTPStatus.NOT_FOUND, _PLAIN, b"there are /metrics and /healthz\n")

    def _say(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: this is asked every few seconds."""


def _server(listen: str, metrics: Metrics, problem: Callable[[], str | None]) -> _Server:
    host, _, port = listen.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    try:
        return _Server((str(address), int(port)), family, metrics, problem)
    except OSError as error:
        raise ConfigError(f"metrics.listen: cannot listen on {listen}: {error.strerror}") from error
