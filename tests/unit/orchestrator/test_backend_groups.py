"""What a storage host is asked about group snapshots and modifications, and what is made of its answers."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.orchestrator import results
from csi_driver.storage.ids import GroupId, VolumeId
from csi_driver.storage.model import GroupSnapshot, Modification
from tests.unit.orchestrator.test_backend_snapshots import (
    OTHER,
    SNAPSHOT_NOUN,
    TAKEN,
    UUID,
    VOLUME,
    VOLUME_NOUN,
    Host,
    backend,
    soon,
)

GROUP_UUID = "00112233445566778899aabbccddeeff"
GROUP = GroupId("a", GROUP_UUID)
GROUP_NOUN = {
    "uuid": GROUP_UUID,
    "name": "g",
    "created": 1_700_000_000,
    "ready": True,
    "snapshots": [SNAPSHOT_NOUN],
}
TOGETHER = GroupSnapshot(id=GROUP, snapshots=(TAKEN,), created=1_700_000_000, ready=True)


def test_a_group_is_asked_for_by_name_and_volumes() -> None:
    """All of them in one item."""
    host = Host({"group_snapshot": GROUP_NOUN})
    sources = [VolumeId("a", OTHER), VOLUME]
    assert backend(host).create_group_snapshot(sources, "g", deadline=soon()) == TOGETHER
    assert host.resource() == {"kind": "group_snapshot", "state": "present", "name": "g", "volumes": [OTHER, UUID]}


def test_a_group_is_deleted_by_uuid_with_its_snapshots() -> None:
    """Which of them are right is for the host to say."""
    host = Host({})
    backend(host).delete_group_snapshot(GROUP, [OTHER], deadline=soon())
    resource = {"kind": "group_snapshot", "state": "absent", "uuid": GROUP_UUID, "snapshots": [OTHER]}
    assert host.resource() == resource


def test_a_group_is_looked_up_by_uuid() -> None:
    """None is not found."""
    host = Host({"group_snapshots": [GROUP_NOUN], "next": None})
    assert backend(host).get_group_snapshot(GROUP, deadline=soon()) == TOGETHER
    (asked,) = host.asked
    assert (asked["kinds"], asked["uuid"]) == (["group_snapshots"], GROUP_UUID)
    with pytest.raises(DriverError, match="there is no group snapshot") as caught:
        backend(Host({"group_snapshots": [], "next": None})).get_group_snapshot(GROUP, deadline=soon())
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_snapshot_names_its_group() -> None:
    """By an id like its own."""
    assert results.snapshot("a", {**SNAPSHOT_NOUN, "group_snapshot": GROUP_UUID}).group == GROUP


@pytest.mark.parametrize(
    ("field", "value"),
    [("uuid", "../etc"), ("created", None), ("ready", "yes"), ("snapshots", {}), ("snapshots", [{}])],
)
def test_a_group_of_another_shape_is_uncertain(field: str, value: Any) -> None:
    """It may have been taken."""
    with pytest.raises(DriverError) as caught:
        results.group_snapshot("a", {**GROUP_NOUN, field: value})
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (Modification(), {"properties": {}}),
        (Modification(properties={"sync": "always"}), {"properties": {"sync": "always"}}),
        (Modification(thin=False), {"properties": {}, "thin": False}),
    ],
)
def test_a_modification_is_asked_for_by_uuid(wanted: Modification, sent: dict[str, Any]) -> None:
    """Only what is to change is sent, and always enough to be known for a modification."""
    host = Host({"volume": VOLUME_NOUN})
    assert backend(host).modify_volume(VOLUME, wanted, deadline=soon()).id == VOLUME
    assert host.resource() == {"kind": "volume", "state": "present", "uuid": UUID, **sent}
