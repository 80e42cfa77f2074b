"""What the controller hands on about snapshots, sources and growth, and what it makes of the answers."""

from __future__ import annotations

import pytest
from google.protobuf import timestamp_pb2

from csi_driver.csi.requests import PAGE_MAX_ENTRIES
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.ids import SnapshotId, VolumeId
from csi_driver.storage.model import FromSnapshot, FromVolume, Listing
from tests.unit.csi.fakes import (
    SNAPSHOT_ID,
    TIMEOUT,
    UUID,
    VOLUME_ID,
    Driver,
    create_request,
    mount,
    refused,
    snapshot,
    volume,
)

ON_THE_WIRE = pb.Snapshot(
    snapshot_id=SNAPSHOT_ID,
    source_volume_id=VOLUME_ID,
    size_bytes=1 << 30,
    creation_time=timestamp_pb2.Timestamp(seconds=1_700_000_000),
    ready_to_use=True,
)


def test_a_snapshot_is_taken_of_a_volume_under_a_name(driver: Driver) -> None:
    """The parameters are handed on; every field of the answer is set."""
    driver.snapshots.answers["create"] = snapshot()
    parameters = {"csi.storage.k8s.io/volumesnapshot/name": "x", "detached": "true"}
    request = pb.CreateSnapshotRequest(source_volume_id="any id", name="a/b @ 💾", parameters=parameters)
    response = driver.controller.CreateSnapshot(request, timeout=TIMEOUT)
    assert driver.snapshots.calls[0][1] == ("any id", "a/b @ 💾", parameters)
    assert response.snapshot == ON_THE_WIRE


def test_a_snapshot_that_is_not_ready_says_so(driver: Driver) -> None:
    """The caller asks again until it is."""
    driver.snapshots.answers["get"] = snapshot(ready=False)
    response = driver.controller.GetSnapshot(pb.GetSnapshotRequest(snapshot_id=SNAPSHOT_ID), timeout=TIMEOUT)
    assert driver.snapshots.calls[0][1] == (SNAPSHOT_ID,)
    assert not response.snapshot.ready_to_use


@pytest.mark.parametrize("snapshot_id", ["non-existing-snapshot-id", "nas1:", SNAPSHOT_ID])
def test_any_id_may_be_deleted(driver: Driver, snapshot_id: str) -> None:
    """Whether there is such a snapshot is for the domain to say."""
    driver.snapshots.answers["delete"] = None
    driver.controller.DeleteSnapshot(pb.DeleteSnapshotRequest(snapshot_id=snapshot_id), timeout=TIMEOUT)
    assert driver.snapshots.calls[0][1] == (snapshot_id,)


@pytest.mark.parametrize(("asked", "meant"), [(2, 2), (0, PAGE_MAX_ENTRIES), (2**31 - 1, PAGE_MAX_ENTRIES)])
def test_a_list_passes_on_token_and_filters(driver: Driver, asked: int, meant: int) -> None:
    """And returns the snapshots and the next token."""
    driver.snapshots.answers["list"] = Listing(items=(snapshot(),), next_token="more")
    request = pb.ListSnapshotsRequest(
        starting_token="from here", max_entries=asked, source_volume_id="v", snapshot_id="s", secrets={"a": "b"}
    )
    response = driver.controller.ListSnapshots(request, timeout=TIMEOUT)
    ((_, args, filters),) = driver.snapshots.calls
    assert args == ("from here", meant)
    assert (filters["source_volume_id"], filters["snapshot_id"]) == ("v", "s")
    assert [entry.snapshot for entry in response.entries] == [ON_THE_WIRE]
    assert response.next_token == "more"


def test_a_full_page_stays_below_what_a_client_receives(driver: Driver) -> None:
    """4 MiB."""
    driver.snapshots.answers["list"] = Listing(items=(snapshot(),) * PAGE_MAX_ENTRIES, next_token="more")
    response = driver.controller.ListSnapshots(pb.ListSnapshotsRequest(), timeout=TIMEOUT)
    assert response.ByteSize() < 4 << 20


def test_a_bad_token_is_aborted(driver: Driver) -> None:
    """As the specification has it for ListSnapshots."""
    driver.snapshots.answers["list"] = DriverError(ErrorCode.STALE_TOKEN, "start again without a token")
    status, _ = refused(driver.controller.ListSnapshots, pb.ListSnapshotsRequest(starting_token="invalid-token"))
    assert status.name == "ABORTED"


def test_a_volume_from_a_snapshot_names_it_in_the_answer(driver: Driver) -> None:
    """Callers delete a volume whose content source is missing."""
    driver.volumes.answers["create"] = volume(source=SnapshotId("nas1", UUID[::-1]))
    source = pb.VolumeContentSource(snapshot=pb.VolumeContentSource.SnapshotSource(snapshot_id=SNAPSHOT_ID))
    response = driver.controller.CreateVolume(create_request(volume_content_source=source), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1][0].source == FromSnapshot(SNAPSHOT_ID)
    assert response.volume.content_source == source


def test_a_volume_from_a_volume_names_it_in_the_answer(driver: Driver) -> None:
    """In lists and lookups as well."""
    copy = volume(source=VolumeId("nas1", UUID))
    driver.volumes.answers.update(create=copy, get=copy, list=Listing(items=(copy, volume()), next_token=""))
    source = pb.VolumeContentSource(volume=pb.VolumeContentSource.VolumeSource(volume_id=VOLUME_ID))
    response = driver.controller.CreateVolume(create_request(volume_content_source=source), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1][0].source == FromVolume(VOLUME_ID)
    assert response.volume.content_source == source
    found = driver.controller.ControllerGetVolume(pb.ControllerGetVolumeRequest(volume_id="v"), timeout=TIMEOUT)
    assert found.volume.content_source == source
    listed = driver.controller.ListVolumes(pb.ListVolumesRequest(), timeout=TIMEOUT).entries
    assert [entry.volume.HasField("content_source") for entry in listed] == [True, False]


@pytest.mark.parametrize("capability", [None, mount("xfs")], ids=["without", "with"])
def test_growth_passes_on_the_range_and_returns_the_real_size(
    driver: Driver, capability: pb.VolumeCapability | None
) -> None:
    """Every node that has the volume must look again."""
    driver.volumes.answers["expand"] = volume()
    request = pb.ControllerExpandVolumeRequest(
        volume_id="v", capacity_range=pb.CapacityRange(required_bytes=5, limit_bytes=9), volume_capability=capability
    )
    response = driver.controller.ControllerExpandVolume(request, timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == ("v", 5, 9)
    assert response == pb.ControllerExpandVolumeResponse(capacity_bytes=1 << 30, node_expansion_required=True)


def test_the_log_names_snapshots_by_their_ids(driver: Driver) -> None:
    """As it does volumes."""
    driver.snapshots.answers.update(create=snapshot(), delete=None)
    driver.controller.CreateSnapshot(pb.CreateSnapshotRequest(source_volume_id="v", name="n"), timeout=TIMEOUT)
    driver.controller.DeleteSnapshot(pb.DeleteSnapshotRequest(snapshot_id="s"), timeout=TIMEOUT)
    assert driver.log(event="call", source_volume_id="v", name="n")
    assert driver.log(event="call", snapshot_id="s")
