"""Who the plugin says it is, and what it says it can do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from csi_driver.csi import capabilities
from csi_driver.proto import csi_pb2 as pb
from tests.unit.csi.fakes import TIMEOUT, Driver, refused

KNOWN_TO_CSI_SANITY_5_5 = {"plugin": range(1, 5), "controller": range(1, 16), "node": range(1, 7), "group": range(1, 2)}


def names(kind: type, found: list[int]) -> set[str]:
    return {kind.Type.Name(number) for number in found}  # type: ignore[attr-defined]


def plugin_capabilities(driver: Driver) -> list[int]:
    response = driver.identity.GetPluginCapabilities(pb.GetPluginCapabilitiesRequest(), timeout=TIMEOUT)
    return [one.service.type for one in response.capabilities if one.HasField("service")]


def test_the_name_is_one_the_specification_allows(driver: Driver) -> None:
    """At most 63 characters, a letter first and last; and there is a version."""
    info = driver.identity.GetPluginInfo(pb.GetPluginInfoRequest(), timeout=TIMEOUT)
    assert info.name == "csi.freebsd.org"
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,61}[A-Za-z]", info.name)
    assert info.vendor_version


def test_the_controller_announces_what_it_does(driver: Driver) -> None:
    """Exactly this, once each."""
    response = driver.controller.ControllerGetCapabilities(pb.ControllerGetCapabilitiesRequest(), timeout=TIMEOUT)
    found = [one.rpc.type for one in response.capabilities]
    assert len(found) == len(set(found))
    assert names(pb.ControllerServiceCapability.RPC, found) == {
        "CREATE_DELETE_VOLUME",
        "PUBLISH_UNPUBLISH_VOLUME",
        "LIST_VOLUMES",
        "GET_CAPACITY",
        "LIST_VOLUMES_PUBLISHED_NODES",
        "GET_VOLUME",
        "PUBLISH_READONLY",
        "SINGLE_NODE_MULTI_WRITER",
        "CREATE_DELETE_SNAPSHOT",
        "LIST_SNAPSHOTS",
        "GET_SNAPSHOT",
        "CLONE_VOLUME",
        "EXPAND_VOLUME",
        "MODIFY_VOLUME",
    }


def test_the_group_controller_announces_what_it_does(driver: Driver) -> None:
    """Exactly this."""
    request = pb.GroupControllerGetCapabilitiesRequest()
    response = driver.group_controller.GroupControllerGetCapabilities(request, timeout=TIMEOUT)
    found = [one.rpc.type for one in response.capabilities]
    assert names(pb.GroupControllerServiceCapability.RPC, found) == {"CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"}


def test_the_node_announces_what_it_does(driver: Driver) -> None:
    """Exactly this, once each."""
    response = driver.node.NodeGetCapabilities(pb.NodeGetCapabilitiesRequest(), timeout=TIMEOUT)
    found = [one.rpc.type for one in response.capabilities]
    assert len(found) == len(set(found))
    assert names(pb.NodeServiceCapability.RPC, found) == {
        "STAGE_UNSTAGE_VOLUME",
        "GET_VOLUME_STATS",
        "EXPAND_VOLUME",
        "SINGLE_NODE_MULTI_WRITER",
    }


def test_volumes_grow_while_they_are_published(driver: Driver) -> None:
    """Said once, by the plugin."""
    response = driver.identity.GetPluginCapabilities(pb.GetPluginCapabilitiesRequest(), timeout=TIMEOUT)
    expansion = [one.volume_expansion.type for one in response.capabilities if one.HasField("volume_expansion")]
    assert expansion == [pb.PluginCapability.VolumeExpansion.ONLINE]


@pytest.fixture(params=["controller", "node"])
def split(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A process that serves only one of the two."""
    made = Driver(**{"node" if request.param == "controller" else "storage": None})
    yield made
    made.close()


def test_every_process_says_the_same_of_the_plugin(split: Driver) -> None:
    """Test suites ask the node whether there is a controller."""
    assert names(pb.PluginCapability.Service, plugin_capabilities(split)) == {
        "CONTROLLER_SERVICE",
        "GROUP_CONTROLLER_SERVICE",
    }


def test_nothing_newer_than_csi_sanity_knows_is_announced_unasked() -> None:
    """It takes the mere number for an error."""
    plugin = [
        one.service.type
        for one in capabilities.plugin(newest=False, topology=True).capabilities
        if one.HasField("service")
    ]
    controller = [one.rpc.type for one in capabilities.controller(newest=False).capabilities]
    node = [one.rpc.type for one in capabilities.node(newest=False).capabilities]
    group = [one.rpc.type for one in capabilities.group_controller().capabilities]
    for kind, found in [("plugin", plugin), ("controller", controller), ("node", node), ("group", group)]:
        assert set(found) <= set(KNOWN_TO_CSI_SANITY_5_5[kind])


def test_the_setting_holds_back_exactly_what_csi_sanity_does_not_know() -> None:
    """Every capability of the contract beyond its numbers, and none within."""
    kinds = {
        "plugin": pb.PluginCapability.Service,
        "controller": pb.ControllerServiceCapability.RPC,
        "node": pb.NodeServiceCapability.RPC,
    }
    for kind, message in kinds.items():
        for name, number in message.Type.items():
            held_back = not capabilities._announced((name,), newest=False)
            assert held_back == (number not in {0, *KNOWN_TO_CSI_SANITY_5_5[kind]}), name
            assert capabilities._announced((name,), newest=True) == [name]


def test_a_probe_says_that_this_process_is_ready(driver: Driver) -> None:
    """Without asking any storage host."""
    assert driver.identity.Probe(pb.ProbeRequest(), timeout=TIMEOUT).ready.value
    assert not driver.volumes.calls


def test_a_probe_fails_with_what_ails_this_process() -> None:
    """An orchestrator restarts it for that."""
    driver = Driver(problem=lambda: "the worker process died")
    try:
        status, message = refused(driver.identity.Probe, pb.ProbeRequest())
        assert (status.name, message) == ("FAILED_PRECONDITION", "the worker process died")
    finally:
        driver.close()
