"""Where nodes, volumes and snapshots are, on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from csi_driver.node.model import NodeInfo
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.model import Listing, Topology
from tests.unit.csi.fakes import NODE_ID, TIMEOUT, VOLUME_ID, Driver, create_request, snapshot, volume
from tests.unit.csi.test_identity import names, plugin_capabilities

ZONE = {"topology.csi.freebsd.org/zone": "a"}
PLACE = pb.Topology(segments=ZONE)
VOLUMES, SNAPSHOTS = "VOLUME_ACCESSIBILITY_CONSTRAINTS", "SNAPSHOT_ACCESSIBILITY_CONSTRAINTS"


@pytest.fixture(params=[False, True], ids=["old", "newest"])
def placed(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A driver to which it matters where nodes and volumes are, without and with the newest capabilities."""
    made = Driver(topology=True, newest_capabilities=request.param)
    yield made
    made.close()


def test_it_is_announced_where_it_matters(placed: Driver, driver: Driver) -> None:
    """Only there may it be spoken of; snapshots, only where the newest is wanted."""
    found = names(pb.PluginCapability.Service, plugin_capabilities(placed))
    assert VOLUMES in found
    assert not {VOLUMES, SNAPSHOTS} & names(pb.PluginCapability.Service, plugin_capabilities(driver))


def test_a_node_says_where_it_is(driver: Driver) -> None:
    """Nowhere in particular, unless it is told."""
    driver.on_node.answers["info"] = NodeInfo(node_id=NODE_ID, max_volumes=0, topology=ZONE)
    assert driver.node.NodeGetInfo(pb.NodeGetInfoRequest(), timeout=TIMEOUT).accessible_topology == PLACE
    driver.on_node.answers["info"] = NodeInfo(node_id=NODE_ID, max_volumes=0)
    response = driver.node.NodeGetInfo(pb.NodeGetInfoRequest(), timeout=TIMEOUT)
    assert not response.HasField("accessible_topology")


def test_where_a_volume_has_to_be_reached_from_is_handed_on(driver: Driver) -> None:
    """And where it can be reached from comes back."""
    driver.volumes.answers["create"] = replace(volume(), topology=ZONE)
    request = create_request(accessibility_requirements=pb.TopologyRequirement(requisite=[PLACE], preferred=[PLACE]))
    response = driver.controller.CreateVolume(request, timeout=TIMEOUT)
    assert driver.volumes.calls[0][1][0].topology == Topology(requisite=(ZONE,), preferred=(ZONE,))
    assert list(response.volume.accessible_topology) == [PLACE]


def test_lists_tell_where_each_volume_can_be_reached_from(driver: Driver) -> None:
    """One that can be reached from everywhere says nothing."""
    driver.volumes.answers["list"] = Listing(items=(replace(volume(), topology=ZONE), volume()), next_token="")
    entries = driver.controller.ListVolumes(pb.ListVolumesRequest(), timeout=TIMEOUT).entries
    assert [list(entry.volume.accessible_topology) for entry in entries] == [[PLACE], []]


def test_where_a_snapshot_can_be_reached_from_is_told_with_the_newest_capabilities_only(placed: Driver) -> None:
    """Older callers do not know the field; the requirement is heeded in any case."""
    newest = SNAPSHOTS in names(pb.PluginCapability.Service, plugin_capabilities(placed))
    located = replace(snapshot(), topology=ZONE)
    placed.snapshots.answers.update(create=located, get=located, list=Listing(items=(located,), next_token=""))
    request = pb.CreateSnapshotRequest(
        source_volume_id=VOLUME_ID, name="s", accessibility_requirements=pb.TopologyRequirement(requisite=[PLACE])
    )
    made = placed.controller.CreateSnapshot(request, timeout=TIMEOUT).snapshot
    got = placed.controller.GetSnapshot(pb.GetSnapshotRequest(snapshot_id=made.snapshot_id), timeout=TIMEOUT).snapshot
    (entry,) = placed.controller.ListSnapshots(pb.ListSnapshotsRequest(), timeout=TIMEOUT).entries
    for each in (made, got, entry.snapshot):
        assert list(each.accessible_topology) == ([PLACE] if newest else [])
    assert placed.snapshots.calls[0][2]["topology"] == Topology(requisite=(ZONE,))
