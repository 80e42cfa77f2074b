"""What is handed on about group snapshots and modifications, and what is made of the answers."""

from __future__ import annotations

import pytest
from google.protobuf import timestamp_pb2

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.ids import GroupId
from tests.unit.csi.fakes import (
    GROUP_ID,
    SNAPSHOT_ID,
    TIMEOUT,
    VOLUME_ID,
    Driver,
    create_request,
    group_snapshot,
    mount,
    refused,
    snapshot,
    volume,
)

TAKEN = timestamp_pb2.Timestamp(seconds=1_700_000_000)
ON_THE_WIRE = pb.VolumeGroupSnapshot(
    group_snapshot_id=GROUP_ID,
    snapshots=[
        pb.Snapshot(
            snapshot_id=SNAPSHOT_ID,
            source_volume_id=VOLUME_ID,
            size_bytes=1 << 30,
            creation_time=TAKEN,
            ready_to_use=True,
            group_snapshot_id=GROUP_ID,
        )
    ],
    creation_time=TAKEN,
    ready_to_use=True,
)


def test_a_group_is_taken_of_volumes_under_a_name(driver: Driver) -> None:
    """What the sidecars add to the parameters means nothing; every snapshot names its group."""
    driver.groups.answers["create"] = group_snapshot()
    request = pb.CreateVolumeGroupSnapshotRequest(
        name="a/b @ 💾",
        source_volume_ids=["any id", "another"],
        parameters={"csi.storage.k8s.io/volumegroupsnapshot/name": "x"},
        secrets={"a": "b"},
    )
    response = driver.group_controller.CreateVolumeGroupSnapshot(request, timeout=TIMEOUT)
    assert driver.groups.calls[0][1] == (("any id", "another"), "a/b @ 💾")
    assert response.group_snapshot == ON_THE_WIRE


@pytest.mark.parametrize("snapshot_ids", [(), ("s", "t")])
def test_a_group_is_got_by_id_and_its_snapshots(driver: Driver, snapshot_ids: tuple[str, ...]) -> None:
    """It says when it is not ready."""
    driver.groups.answers["get"] = group_snapshot(ready=False)
    request = pb.GetVolumeGroupSnapshotRequest(group_snapshot_id="g", snapshot_ids=snapshot_ids)
    response = driver.group_controller.GetVolumeGroupSnapshot(request, timeout=TIMEOUT)
    assert driver.groups.calls[0][1] == ("g", snapshot_ids)
    assert not response.group_snapshot.ready_to_use


@pytest.mark.parametrize("identity", ["reallyfakegroupsnapshotid", "nas1:", GROUP_ID])
def test_any_group_may_be_deleted(driver: Driver, identity: str) -> None:
    """Whether there is one, and which snapshots it has, is for the domain to say."""
    driver.groups.answers["delete"] = None
    request = pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=identity, snapshot_ids=["s"])
    driver.group_controller.DeleteVolumeGroupSnapshot(request, timeout=TIMEOUT)
    assert driver.groups.calls[0][1] == (identity, ("s",))
    assert driver.log(event="call", group_snapshot_id=identity)


def test_a_listed_snapshot_names_its_group(driver: Driver) -> None:
    """One that was taken alone names none."""
    driver.snapshots.answers["get"] = snapshot(group=GroupId.parse(GROUP_ID))
    request = pb.GetSnapshotRequest(snapshot_id="s")
    assert driver.controller.GetSnapshot(request, timeout=TIMEOUT).snapshot.group_snapshot_id == GROUP_ID
    driver.snapshots.answers["get"] = snapshot()
    assert driver.controller.GetSnapshot(request, timeout=TIMEOUT).snapshot.group_snapshot_id == ""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.UNSUPPORTED, "FAILED_PRECONDITION"),
        (ErrorCode.EXISTS_DIFFERENTLY, "ALREADY_EXISTS"),
        (ErrorCode.OUT_OF_SPACE, "RESOURCE_EXHAUSTED"),
        (ErrorCode.SOURCE_NOT_FOUND, "NOT_FOUND"),
    ],
)
def test_a_group_that_cannot_be_taken_has_the_code_of_the_specification(
    driver: Driver, code: ErrorCode, status: str
) -> None:
    """And the domain's words."""
    driver.groups.answers["create"] = DriverError(code, "so it is")
    request = pb.CreateVolumeGroupSnapshotRequest(name="n", source_volume_ids=["v"])
    found, message = refused(driver.group_controller.CreateVolumeGroupSnapshot, request)
    assert (found.name, message) == (status, "so it is")


@pytest.mark.parametrize("parameters", [{}, {"sync": "always", "thin": "false"}])
def test_a_modification_hands_on_what_it_names(driver: Driver, parameters: dict[str, str]) -> None:
    """Secrets are not needed; the answer is empty."""
    driver.volumes.answers["modify"] = volume()
    request = pb.ControllerModifyVolumeRequest(volume_id="v", mutable_parameters=parameters, secrets={"a": "b"})
    assert driver.controller.ControllerModifyVolume(request, timeout=TIMEOUT) == pb.ControllerModifyVolumeResponse()
    assert driver.volumes.calls[0][1] == ("v", parameters)


def test_a_creation_hands_on_both_kinds_of_parameters(driver: Driver) -> None:
    """Which of them count is for the domain to say."""
    driver.volumes.answers["create"] = volume()
    request = create_request(parameters={"sync": "always"}, mutable_parameters={"sync": "standard"})
    driver.controller.CreateVolume(request, timeout=TIMEOUT)
    wanted = driver.volumes.calls[0][1][0]
    assert (wanted.parameters, wanted.mutable_parameters) == ({"sync": "always"}, {"sync": "standard"})


@pytest.mark.parametrize(
    ("given", "says"), [({"sync": "always"}, ""), ({"fsType": "xfs"}, "fsType"), ({"x": "y"}, "x")]
)
def test_mutable_parameters_are_confirmed_if_they_are_good(driver: Driver, given: dict[str, str], says: str) -> None:
    """Otherwise nothing is, and the message says why."""
    driver.volumes.answers["get"] = volume()
    request = pb.ValidateVolumeCapabilitiesRequest(
        volume_id="v", volume_capabilities=[mount()], mutable_parameters=given
    )
    response = driver.controller.ValidateVolumeCapabilities(request, timeout=TIMEOUT)
    assert response.HasField("confirmed") == (not says)
    assert says in response.message
    assert response.confirmed.mutable_parameters == ({} if says else given)
