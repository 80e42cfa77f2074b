"""Whoever watches this process over HTTP is told the truth about it, and nothing else."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from csi_driver.config import ConfigError
from csi_driver.monitor import monitored
from csi_driver.telemetry import Metrics


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family) as probe:
        probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ailing:
    problem: str | None = None


@pytest.fixture
def ailing() -> Ailing:
    return Ailing()


@pytest.fixture
def address(ailing: Ailing) -> Iterator[str]:
    metrics = Metrics()
    metrics.operation("Probe", "OK", 0.5)
    listen = f"127.0.0.1:{free_port()}"
    with monitored(listen, metrics, lambda: ailing.problem):
        yield listen


def get(address: str, path: str) -> tuple[int, str, str]:
    """Status, type and body of an answer."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_in_prometheus_text_format(address: str) -> None:
    """All that was measured."""
    status, kind, body = get(address, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert 'csi_operation_seconds_count{code="OK",method="Probe"} 1.0' in body


def test_health_is_that_of_the_process(address: str, ailing: Ailing) -> None:
    """503 with the reason as long as there is one."""
    assert get(address, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    ailing.problem = "no worker"
    assert get(address, "/healthz")[::2] == (503, "no worker\n")
    ailing.problem = None
    assert get(address, "/healthz?verbose")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metricsx", "/healthz/leader-election"])
def test_there_is_nothing_else(address: str, path: str) -> None:
    """404."""
    assert get(address, path)[0] == 404


def test_who_says_nothing_keeps_nobody_waiting(address: str) -> None:
    """Every request has a thread of its own."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))):
        assert get(address, "/healthz")[0] == 200


def test_without_an_address_nothing_listens() -> None:
    """And nothing fails."""
    with monitored(None, Metrics(), lambda: None):
        pass


def test_the_address_is_free_again_afterwards_and_one_in_use_is_told() -> None:
    """As a problem of the configuration."""
    listen = f"127.0.0.1:{free_port()}"
    for _ in range(2):
        with monitored(listen, Metrics(), lambda: None):
            with pytest.raises(ConfigError, match=f"metrics.listen: cannot listen on {listen}"):
                _enter(listen)
            assert get(listen, "/healthz")[0] == 200
    with pytest.raises(urllib.error.URLError):
        get(listen, "/healthz")


def _enter(listen: str) -> None:
    with monitored(listen, Metrics(), lambda: None):
        pass


def test_ipv6() -> None:
    """With brackets, as in a URL."""
    try:
        listen = f"[::1]:{free_port(socket.AF_INET6)}"
    except OSError:
        pytest.skip("this machine has no IPv6")
    with monitored(listen, Metrics(), lambda: None):
        assert get(listen, "/healthz")[0] == 200
