"""What goes wrong on a storage host or on a node reaches whoever asks for health."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import grpc
import pytest

from csi_driver.proto import csi_pb2 as pb
from tests.harness.client import CALL_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

MIB = 1 << 20

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture(autouse=True)
def mended(stack: Stack) -> Iterator[None]:
    """A pool without faults for the next test."""
    yield
    stack.host.control("pool", name="tank", health="ONLINE", damaged=[])


def told(health: pb.VolumeHealth) -> list[str]:
    """Status and reason of everything that ails a volume."""
    kind = pb.VolumeHealthErrorType
    return [f"{kind.Name(each.status)} {each.reason}" for each in health.health_statuses]


def one(cluster: Cluster, volume_id: str) -> list[str]:
    """What the controller says of one volume."""
    request = pb.ControllerGetVolumeHealthRequest(volume_id=volume_id)
    health = cluster.controller.ControllerGetVolumeHealth(request, timeout=CALL_TIMEOUT).volume_health
    assert health.volume_id == volume_id
    return told(health)


def every(cluster: Cluster, page: int = 0) -> dict[str, list[str]]:
    """What the controller says of all volumes that are not well."""
    found: dict[str, list[str]] = {}
    token = ""
    while True:
        request = pb.ControllerListVolumeHealthRequest(max_entries=page, starting_token=token)
        response = cluster.controller.ControllerListVolumeHealth(request, timeout=CALL_TIMEOUT)
        assert not page or len(response.entries) <= page
        found.update({each.volume_id: told(each) for each in response.entries})
        token = response.next_token
        if not token:
            return found


def test_a_degraded_pool_is_told_of_every_volume(cluster: Cluster, stack: Stack) -> None:
    """Page by page, and no more once it is mended."""
    ids = [cluster.create(f"pool-{number}", MIB).volume_id for number in range(3)]
    assert every(cluster) == {}
    stack.host.control("pool", name="tank", health="DEGRADED")
    assert every(cluster, page=2) == {each: ["DEGRADED PoolDegraded"] for each in ids}
    assert one(cluster, ids[0]) == ["DEGRADED PoolDegraded"]
    stack.host.control("pool", name="tank", health="ONLINE")
    assert every(cluster) == {}
    for each in ids:
        cluster.delete(each)


def test_a_suspended_pool_makes_a_volume_inaccessible_and_the_list_unavailable(cluster: Cluster, stack: Stack) -> None:
    """For what volumes there are cannot be read."""
    volume = cluster.create("suspended", MIB)
    stack.host.control("pool", name="tank", health="SUSPENDED")
    assert one(cluster, volume.volume_id)[0] == "INACCESSIBLE PoolSuspended"
    with pytest.raises(grpc.RpcError) as caught:
        every(cluster)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    stack.host.control("pool", name="tank", health="ONLINE")
    cluster.delete(volume.volume_id)


def test_lost_data_is_told_of_its_volume(cluster: Cluster, stack: Stack) -> None:
    """And its neighbours learn that there is some in their pool."""
    struck, spared = cluster.create("struck", MIB), cluster.create("spared", MIB)
    stack.host.control("pool", name="tank", damaged=["tank/csi/struck:<0x1>"])
    assert every(cluster) == {
        struck.volume_id: ["DEGRADED PoolDataErrors", "DATA_LOSS DataErrors"],
        spared.volume_id: ["DEGRADED PoolDataErrors"],
    }
    for each in (struck, spared):
        cluster.delete(each.volume_id)


def test_a_volume_that_is_not_there_has_no_health(cluster: Cluster) -> None:
    """NOT_FOUND, and never well; a token nobody gave out is no place to start."""
    for volume_id in ("nonsense", f"nas1:{'0' * 32}"):
        with pytest.raises(grpc.RpcError) as caught:
            one(cluster, volume_id)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    request = pb.ControllerListVolumeHealthRequest(starting_token="nonsense")
    with pytest.raises(grpc.RpcError) as caught:
        cluster.controller.ControllerListVolumeHealth(request, timeout=CALL_TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.ABORTED


@needs_root
def test_a_node_tells_when_the_storage_host_takes_a_volume_away(cluster: Cluster, stack: Stack) -> None:
    """Of the volume, and of its way to the storage."""
    volume = cluster.create("lost", 64 * MIB)
    with cluster.in_use(volume):
        request = pb.NodeGetVolumeHealthRequest(volume_id=volume.volume_id)
        health = cluster.node.NodeGetVolumeHealth(request, timeout=CALL_TIMEOUT).volume_health
        assert (health.volume_id, told(health)) == (volume.volume_id, [])
        assert one(cluster, volume.volume_id) == []
        published = stack.ctl_conf.read_text()
        stack.host.run("service", "ctld", "stop")
        assert one(cluster, volume.volume_id) == ["DEGRADED TargetDaemonDown", "INACCESSIBLE NotExported"]
        assert cluster_told(cluster, volume, stack) == ["INACCESSIBLE SessionLost"]
        backends = cluster.node.NodeGetStorageHealth(pb.NodeGetStorageHealthRequest(), timeout=CALL_TIMEOUT)
        assert [each.reason for each in backends.backend_health] in (["StorageHostUnreachable"], [])
        assert stack.ctl_conf.read_text() == published
        stack.host.run("service", "ctld", "start")
    cluster.delete(volume.volume_id)


def cluster_told(cluster: Cluster, volume: pb.Volume, stack: Stack) -> list[str]:
    """What the node says of the volume, given the paths that the kubelet knows."""
    assert stack.node is not None
    request = pb.NodeGetVolumeHealthRequest(
        volume_id=volume.volume_id,
        volume_publish_path=str(cluster.target_path(volume)),
        staging_target_path=str(cluster.staging_path(volume)),
    )
    return told(cluster.node.NodeGetVolumeHealth(request, timeout=CALL_TIMEOUT).volume_health)
