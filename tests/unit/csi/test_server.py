"""The socket, the threads, and the end."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from csi_driver.config import ConfigError
from csi_driver.csi.endpoint import socket_path
from csi_driver.csi.server import THREADS, Server
from csi_driver.proto import csi_pb2 as pb
from csi_driver.telemetry import Metrics
from tests.unit.csi.fakes import TIMEOUT, VOLUME_ID, Driver, create_request, refused, volume

# To every sidecar these two mean "may be in progress": it asks again and believes nothing.
NOTHING_IS_FINAL = {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}


class Gate:
    """Holds everyone who comes until it is opened."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._open = False

    def wait(self, *_args: object, **_kwargs: object) -> object:
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._open, TIMEOUT)
        return volume()

    def wait_until_held(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting >= count, TIMEOUT), self._waiting

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()


@pytest.fixture
def gate(driver: Driver) -> Iterator[Gate]:
    """CreateVolume and DeleteVolume wait at this gate."""
    made = Gate()
    driver.volumes.answers.update(create=made.wait, delete=made.wait)
    yield made
    made.open()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="csi-", dir="/tmp") as made:
        yield Path(made)


def test_a_thousand_calls_wait_while_probe_answers(driver: Driver, gate: Gate) -> None:
    """None is refused, none is answered early, and health checks find a thread at once."""
    futures = [
        driver.controller.CreateVolume.future(create_request(name=f"pvc-{number}"), timeout=TIMEOUT)
        for number in range(1000)
    ]
    gate.wait_until_held(1000)
    assert driver.identity.Probe(pb.ProbeRequest(), timeout=1).ready.value
    assert not any(future.done() for future in futures)
    gate.open()
    assert {future.result().volume.volume_id for future in futures} == {VOLUME_ID}
    assert THREADS == 1024


def test_stopping_waits_for_the_calls_under_way(driver: Driver, gate: Gate) -> None:
    """They finish; new ones are refused in words that make the caller try again."""
    future = driver.controller.CreateVolume.future(create_request(), timeout=TIMEOUT)
    gate.wait_until_held(1)
    stopping = threading.Thread(target=driver.server.stop, args=(TIMEOUT,))
    stopping.start()
    assert code_once_refused(driver) in NOTHING_IS_FINAL
    assert stopping.is_alive()
    gate.open()
    assert future.result().volume.volume_id == VOLUME_ID
    stopping.join(TIMEOUT)
    assert not stopping.is_alive()


def code_once_refused(driver: Driver) -> grpc.StatusCode:
    for _ in range(1000):
        try:
            driver.identity.Probe(pb.ProbeRequest(), timeout=TIMEOUT)
        except grpc.RpcError as error:
            return error.code()
    raise AssertionError("still answering")


def test_what_outlasts_the_grace_is_cancelled(driver: Driver, gate: Gate) -> None:
    """CANCELLED tells a caller to ask again; the handler is left to finish."""
    future = driver.controller.CreateVolume.future(create_request(), timeout=TIMEOUT)
    gate.wait_until_held(1)
    driver.server.stop(0.1)
    assert future.exception(TIMEOUT).code() in NOTHING_IS_FINAL


def test_stopping_twice_is_stopping(driver: Driver) -> None:
    """And the socket is gone."""
    driver.server.stop(0)
    driver.server.stop(0)
    assert not driver.socket.exists()


def test_the_socket_of_a_dead_process_is_replaced(directory: Path) -> None:
    """Nobody answers on it."""
    path = directory / "csi.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = Server(f"unix://{path}", metrics=Metrics())
    server.start()
    with grpc.insecure_channel(f"unix:{path}") as channel:
        grpc.channel_ready_future(channel).result(TIMEOUT)
    server.stop(0)


def test_the_socket_of_a_living_process_is_not_taken(driver: Driver) -> None:
    """The one there goes on; the new one says why it cannot start."""
    server = Server(f"unix://{driver.socket}", metrics=Metrics())
    with pytest.raises(ConfigError, match="another process serves"):
        server.start()
    driver.identity.Probe(pb.ProbeRequest(), timeout=TIMEOUT)


def test_a_file_that_is_no_socket_is_not_removed(directory: Path) -> None:
    """It is somebody's."""
    path = directory / "data.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="is not a socket"):
        Server(f"unix://{path}", metrics=Metrics()).start()
    assert path.read_text() == "precious"


def test_a_directory_that_is_missing_is_told(directory: Path) -> None:
    """At once, not by a server that nobody reaches."""
    with pytest.raises(ConfigError, match="cannot listen"):
        Server(f"unix://{directory}/none/csi.sock", metrics=Metrics()).start()


def test_nothing_is_made_beside_the_socket(driver: Driver) -> None:
    """As the specification demands."""
    assert list(driver.directory.iterdir()) == [driver.socket]


@pytest.mark.parametrize("endpoint", ["unix:///run/csi/csi.sock", "unix:/run/csi/csi.sock"])
def test_an_endpoint_is_an_absolute_path(endpoint: str) -> None:
    """In either spelling."""
    assert socket_path(endpoint) == "/run/csi/csi.sock"


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "/run/csi.sock",
        "tcp://127.0.0.1:9000",
        "unix://csi.sock",
        "unix:csi.sock",
        "unix:///run/csi",
        "unix:///" + "x" * 120 + ".sock",
    ],
)
def test_any_other_endpoint_is_a_mistake_told_at_once(endpoint: str | None) -> None:
    """Naming the variable and what it should be."""
    with pytest.raises(ConfigError, match=r"CSI_ENDPOINT.*; (set|use)|CSI_ENDPOINT is not set; set"):
        Server(endpoint, metrics=Metrics())


def test_a_process_serves_only_what_it_has() -> None:
    """Identity is everywhere; the rest is UNIMPLEMENTED where it is not."""
    driver = Driver(node=None)
    try:
        driver.identity.GetPluginInfo(pb.GetPluginInfoRequest(), timeout=TIMEOUT)
        driver.controller.ControllerGetCapabilities(pb.ControllerGetCapabilitiesRequest(), timeout=TIMEOUT)
        assert refused(driver.node.NodeGetInfo, pb.NodeGetInfoRequest())[0] is grpc.StatusCode.UNIMPLEMENTED
    finally:
        driver.close()


def test_a_call_whose_caller_has_gone_is_finished(driver: Driver, gate: Gate) -> None:
    """The domain is not interrupted half way, and the server lives on."""
    future = driver.controller.CreateVolume.future(create_request(), timeout=TIMEOUT)
    gate.wait_until_held(1)
    future.cancel()
    gate.open()
    driver.server.stop(TIMEOUT)
    assert driver.log(event="call", method="CreateVolume", code="OK")
