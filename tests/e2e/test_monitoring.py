"""What is measured of a running driver, and what a storage host that is down does to it."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Iterator

import grpc
import pytest

from csi_driver.proto import csi_pb2 as pb
from csi_driver.proto import csi_pb2_grpc as rpc
from tests.harness.client import CALL_TIMEOUT, Cluster
from tests.harness.stack import HOST, Stack

MIB = 1 << 20
PATIENCE = 30.0


@pytest.fixture(scope="module")
def address() -> str:
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="module")
def watched(address: str) -> Iterator[Stack]:
    """A system that is watched, and whose storage host a test may take down."""
    with Stack(settings={"metrics": {"listen": address}, "alpha_capabilities": True}) as stack:
        yield stack


@pytest.fixture
def own(watched: Stack) -> Iterator[Cluster]:
    with watched.controller.channel() as controller, watched.node.channel() as node:
        yield Cluster(controller, node, watched.directory / "kubelet")


def scraped(address: str) -> dict[str, float]:
    """Every sample, by its name and labels as they are written."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def sample(address: str, name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = [
        value
        for each, value in scraped(address).items()
        if each.partition("{")[0] == name and all(label in each for label in wanted)
    ]
    assert found, name
    return sum(found)


def test_calls_runs_and_hosts_are_measured(own: Cluster, watched: Stack, address: str) -> None:
    """Without any secret."""
    volume = own.create("measured", MIB)
    context = own.attach(volume.volume_id, own.node_id())
    assert sample(address, "csi_operation_seconds_count", method="CreateVolume", code="OK") == 1
    assert sample(address, "csi_ansible_run_seconds_count", host=HOST, playbook="apply", outcome="ok") >= 2
    assert sample(address, "csi_ansible_rung") == 1
    assert sample(address, "csi_lane_batch_size_sum", host=HOST) == 2
    assert sample(address, "csi_lane_waiting", host=HOST) == 0
    assert sample(address, "csi_storage_host_reachable", host=HOST) == 1
    watched.host.control("pool", name="tank", health="DEGRADED")
    own.controller.ControllerListVolumeHealth(pb.ControllerListVolumeHealthRequest(), timeout=CALL_TIMEOUT)
    watched.host.control("pool", name="tank", health="ONLINE")
    assert sample(address, "csi_volume_health_conditions", host=HOST, reason="PoolDegraded") == 1
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert context["target"].rpartition(".")[2] not in text
    assert volume.volume_id not in text
    own.detach(volume.volume_id, own.node_id())
    own.delete(volume.volume_id)


def test_a_storage_host_that_is_down_makes_health_unavailable_and_the_driver_not_unwell(
    own: Cluster, watched: Stack, address: str
) -> None:
    """No volume is called well, Probe succeeds, and the metrics tell; once the host is back, so is all else."""
    volume = own.create("away", MIB)
    watched.host.stop()
    for call, request in (
        (own.controller.ControllerGetVolumeHealth, pb.ControllerGetVolumeHealthRequest(volume_id=volume.volume_id)),
        (own.controller.ControllerListVolumeHealth, pb.ControllerListVolumeHealthRequest()),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=CALL_TIMEOUT)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with watched.controller.channel() as channel:
        assert rpc.IdentityStub(channel).Probe(pb.ProbeRequest(), timeout=CALL_TIMEOUT).ready.value
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=10) as answer:
        assert answer.read() == b"ok\n"
    assert sample(address, "csi_storage_host_reachable", host=HOST) == 0
    assert sample(address, "csi_ansible_run_seconds_count", host=HOST, outcome="unreachable") >= 1


def test_health_is_announced_and_of_the_node_too(own: Cluster) -> None:
    """Where the configuration asks for the capabilities of CSI 1.13."""
    kind = pb.ControllerServiceCapability.RPC.Type
    told = own.controller.ControllerGetCapabilities(pb.ControllerGetCapabilitiesRequest(), timeout=CALL_TIMEOUT)
    names = {kind.Name(each.rpc.type) for each in told.capabilities}
    assert {"GET_VOLUME_HEALTH", "LIST_VOLUME_HEALTH"} <= names
    began = time.monotonic()
    backends = own.node.NodeGetStorageHealth(pb.NodeGetStorageHealthRequest(), timeout=CALL_TIMEOUT)
    assert not backends.backend_health
    assert time.monotonic() - began < PATIENCE
