"""What the surface hands on about health, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.model import BackendCondition
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.ids import VolumeId
from csi_driver.storage.model import Condition, HealthStatus, Listing, VolumeHealth
from tests.unit.csi.fakes import TARGET, TIMEOUT, TOKEN, UUID, VOLUME_ID, Driver, refused

BAD = Condition(status=HealthStatus.DATA_LOSS, reason="DataErrors", message=f"restore it; {TARGET}")
WORSE = Condition(status=HealthStatus.INACCESSIBLE, reason="NotExported", message="look there")
HEALTH = pb.VolumeHealth.VolumeHealthEntry


def health(*conditions: Condition) -> VolumeHealth:
    return VolumeHealth(id=VolumeId("nas1", UUID), conditions=conditions)


def test_what_ails_a_volume_is_told_without_secrets(driver: Driver) -> None:
    """In the contract's words."""
    driver.health.answers["get"] = health(BAD, WORSE)
    request = pb.ControllerGetVolumeHealthRequest(volume_id=VOLUME_ID)
    told = driver.controller.ControllerGetVolumeHealth(request, timeout=TIMEOUT).volume_health
    assert driver.health.calls[0][1] == (VOLUME_ID,)
    assert told.volume_id == VOLUME_ID
    assert [(each.status, each.reason) for each in told.health_statuses] == [
        (pb.DATA_LOSS, "DataErrors"),
        (pb.INACCESSIBLE, "NotExported"),
    ]
    assert told.health_statuses[0].message.startswith("restore it")
    assert TOKEN not in str(told)


def test_a_volume_that_is_well_has_no_entries(driver: Driver) -> None:
    """But is named."""
    driver.health.answers["get"] = health()
    request = pb.ControllerGetVolumeHealthRequest(volume_id=VOLUME_ID)
    response = driver.controller.ControllerGetVolumeHealth(request, timeout=TIMEOUT)
    assert response.volume_health == pb.VolumeHealth(volume_id=VOLUME_ID)


def test_what_is_not_well_is_listed_page_by_page(driver: Driver) -> None:
    """With the domain's token."""
    driver.health.answers["list"] = Listing(items=(health(BAD),), next_token="n")
    request = pb.ControllerListVolumeHealthRequest(max_entries=1, starting_token="s")
    response = driver.controller.ControllerListVolumeHealth(request, timeout=TIMEOUT)
    assert driver.health.calls[0][1] == ("s", 1)
    assert [each.volume_id for each in response.entries] == [VOLUME_ID]
    assert response.next_token == "n"


def test_ignorance_is_an_error_and_not_health(driver: Driver) -> None:
    """UNAVAILABLE when a host cannot be asked."""
    driver.health.answers["get"] = driver.health.answers["list"] = DriverError(ErrorCode.DEGRADED, "nas1 is away")
    for call, request in (
        (driver.controller.ControllerGetVolumeHealth, pb.ControllerGetVolumeHealthRequest(volume_id=VOLUME_ID)),
        (driver.controller.ControllerListVolumeHealth, pb.ControllerListVolumeHealthRequest()),
    ):
        code, message = refused(call, request)
        assert (code.name, message) == ("UNAVAILABLE", "nas1 is away")


def test_what_ails_a_volume_on_the_node_is_told(driver: Driver) -> None:
    """With the paths that are given, and without."""
    driver.on_node.answers["volume_health"] = (WORSE,)
    for paths in ({}, {"volume_publish_path": "/p", "staging_target_path": "/s"}):
        request = pb.NodeGetVolumeHealthRequest(volume_id=VOLUME_ID, **paths)
        told = driver.node.NodeGetVolumeHealth(request, timeout=TIMEOUT).volume_health
        assert told == pb.VolumeHealth(
            volume_id=VOLUME_ID,
            health_statuses=[HEALTH(status=pb.INACCESSIBLE, reason="NotExported", message="look there")],
        )
    assert [call[1] for call in driver.on_node.calls] == [(VOLUME_ID, "", ""), (VOLUME_ID, "/p", "/s")]


def test_what_ails_the_way_to_the_storage_is_told(driver: Driver) -> None:
    """For every kind of volume."""
    driver.on_node.answers["storage_health"] = (
        BackendCondition(unreachable=True, reason="StorageHostUnreachable", message="a"),
        BackendCondition(unreachable=False, reason="SessionsLost", message="b"),
    )
    told = driver.node.NodeGetStorageHealth(pb.NodeGetStorageHealthRequest(), timeout=TIMEOUT).backend_health
    assert [(each.status, each.reason, each.message) for each in told] == [
        (pb.STORAGE_UNREACHABLE, "StorageHostUnreachable", "a"),
        (pb.STORAGE_DEGRADED, "SessionsLost", "b"),
    ]
    assert not any(each.HasField("volume_capability") for each in told)


@pytest.mark.parametrize(
    ("service", "method", "request_", "field"),
    [
        ("controller", "ControllerGetVolumeHealth", pb.ControllerGetVolumeHealthRequest(), "volume_id"),
        (
            "controller",
            "ControllerListVolumeHealth",
            pb.ControllerListVolumeHealthRequest(max_entries=-1),
            "max_entries",
        ),
        ("node", "NodeGetVolumeHealth", pb.NodeGetVolumeHealthRequest(), "volume_id"),
        (
            "node",
            "NodeGetVolumeHealth",
            pb.NodeGetVolumeHealthRequest(volume_id="x", volume_publish_path="/a\nb"),
            "volume_publish_path",
        ),
    ],
)
def test_bad_requests_are_refused(driver: Driver, service: str, method: str, request_: Any, field: str) -> None:
    """With the field's name."""
    code, message = refused(getattr(getattr(driver, service), method), request_)
    assert code.name == "INVALID_ARGUMENT"
    assert message.startswith(field)


def test_health_is_announced_where_that_is_asked_for() -> None:
    """Tools that are older than these capabilities take them for errors."""
    from csi_driver.csi import capabilities

    def names(*, newest: bool) -> set[str]:
        kind, node_kind = pb.ControllerServiceCapability.RPC.Type, pb.NodeServiceCapability.RPC.Type
        return {kind.Name(each.rpc.type) for each in capabilities.controller(newest=newest).capabilities} | {
            f"node {node_kind.Name(each.rpc.type)}" for each in capabilities.node(newest=newest).capabilities
        }

    assert names(newest=True) - names(newest=False) == {
        "GET_VOLUME_HEALTH",
        "LIST_VOLUME_HEALTH",
        "node GET_VOLUME_HEALTH",
        "node GET_STORAGE_HEALTH",
    }
