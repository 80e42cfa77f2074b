"""What the controller hands to the domain, and what it makes of the answer."""

from __future__ import annotations

import time

import pytest

from csi_driver.csi.requests import PAGE_MAX_ENTRIES
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.model import (
    AccessMode,
    BlockAccess,
    Capacity,
    Listing,
    MountAccess,
    NewVolume,
    VolumeCapability,
)
from tests.unit.csi.fakes import (
    NODE_ID,
    PUBLISH_CONTEXT,
    TIMEOUT,
    VOLUME_ID,
    Driver,
    block,
    create_request,
    mount,
    publish_request,
    refused,
    volume,
)


def test_create_passes_on_all_that_was_asked_and_returns_the_volume(driver: Driver) -> None:
    """Name, parameters, sizes and capabilities go in; id, size and context come out."""
    driver.volumes.answers["create"] = volume()
    response = driver.controller.CreateVolume(
        create_request(
            name="a/b @ 💾",
            capacity_range=pb.CapacityRange(required_bytes=5, limit_bytes=9),
            volume_capabilities=[mount("ext4", flags=("noatime",)), block(mode=5)],
            parameters={"compression": "lz4"},
        ),
        timeout=TIMEOUT,
    )
    ((_, args, _),) = driver.volumes.calls
    assert args == (
        NewVolume(
            name="a/b @ 💾",
            parameters={"compression": "lz4"},
            required_bytes=5,
            limit_bytes=9,
            capabilities=(
                VolumeCapability(access=MountAccess("ext4", ("noatime",)), mode=AccessMode.SINGLE_NODE_WRITER),
                VolumeCapability(access=BlockAccess(), mode=AccessMode.MULTI_NODE_MULTI_WRITER),
            ),
        ),
    )
    assert response.volume == pb.Volume(
        volume_id=VOLUME_ID, capacity_bytes=1 << 30, volume_context={"protocol": "iscsi", "fsType": "xfs"}
    )


def test_create_without_a_size_leaves_it_to_the_domain(driver: Driver) -> None:
    """No capacity range: both sizes are 0."""
    driver.volumes.answers["create"] = volume()
    driver.controller.CreateVolume(create_request(), timeout=TIMEOUT)
    wanted = driver.volumes.calls[0][1][0]
    assert (wanted.required_bytes, wanted.limit_bytes) == (0, 0)


@pytest.mark.parametrize("mode", AccessMode, ids=str)
def test_every_access_mode_is_known(driver: Driver, mode: AccessMode) -> None:
    """By the same name on both sides."""
    driver.volumes.answers["publish"] = PUBLISH_CONTEXT
    wire = pb.VolumeCapability.AccessMode.Mode.Value(mode.name)
    driver.controller.ControllerPublishVolume(publish_request(volume_capability=block(mode=wire)), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == (VOLUME_ID, str(NODE_ID), mode, False)


def test_publish_returns_the_publish_context(driver: Driver) -> None:
    """As the domain gave it; readonly is passed on."""
    driver.volumes.answers["publish"] = PUBLISH_CONTEXT
    response = driver.controller.ControllerPublishVolume(publish_request(readonly=True), timeout=TIMEOUT)
    assert dict(response.publish_context) == PUBLISH_CONTEXT
    assert driver.volumes.calls[0][1][3] is True


@pytest.mark.parametrize(("sent", "meant"), [("", None), (str(NODE_ID), str(NODE_ID)), ("nonsense", "nonsense")])
def test_unpublish_without_a_node_means_every_node(driver: Driver, sent: str, meant: str | None) -> None:
    """What a node id means is for the domain to say."""
    driver.volumes.answers["unpublish"] = None
    request = pb.ControllerUnpublishVolumeRequest(volume_id=VOLUME_ID, node_id=sent)
    driver.controller.ControllerUnpublishVolume(request, timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == (VOLUME_ID, meant)


@pytest.mark.parametrize("volume_id", ["fake-vol-id", "nas1:", "../../etc", "{{ 1 }}", "nas9:" + "0" * 32])
def test_a_foreign_id_is_for_the_domain_to_judge(driver: Driver, volume_id: str) -> None:
    """Unknown is not malformed: delete succeeds when the domain says so."""
    driver.volumes.answers["delete"] = None
    driver.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == (volume_id,)


def test_validate_confirms_and_echoes(driver: Driver) -> None:
    """Context, capabilities and parameters come back inside `confirmed`."""
    driver.volumes.answers["get"] = volume()
    request = pb.ValidateVolumeCapabilitiesRequest(
        volume_id=VOLUME_ID,
        volume_context={"a": "b"},
        volume_capabilities=[mount("xfs"), block(mode=5)],
        parameters={"c": "d"},
        secrets={"e": "f"},
    )
    response = driver.controller.ValidateVolumeCapabilities(request, timeout=TIMEOUT)
    assert response.confirmed == pb.ValidateVolumeCapabilitiesResponse.Confirmed(
        volume_context={"a": "b"}, volume_capabilities=[mount("xfs"), block(mode=5)], parameters={"c": "d"}
    )
    assert not response.message


@pytest.mark.parametrize(
    ("impossible", "why"), [(mount("xfs", mode=5), "several nodes write"), (mount("ntfs"), "'ntfs' is not known")]
)
def test_validate_confirms_nothing_when_one_cannot_be_had(
    driver: Driver, impossible: pb.VolumeCapability, why: str
) -> None:
    """OK, without `confirmed`, and a message that says why."""
    driver.volumes.answers["get"] = volume()
    request = pb.ValidateVolumeCapabilitiesRequest(volume_id=VOLUME_ID, volume_capabilities=[mount("xfs"), impossible])
    response = driver.controller.ValidateVolumeCapabilities(request, timeout=TIMEOUT)
    assert not response.HasField("confirmed")
    assert why in response.message


def test_validate_looks_the_volume_up_even_then(driver: Driver) -> None:
    """An unknown volume is NOT_FOUND, whatever was asked of it."""
    driver.volumes.answers["get"] = DriverError(ErrorCode.NOT_FOUND, "there is none")
    request = pb.ValidateVolumeCapabilitiesRequest(volume_id="none-exist-id", volume_capabilities=[mount(mode=5)])
    status, _ = refused(driver.controller.ValidateVolumeCapabilities, request)
    assert status.name == "NOT_FOUND"


def test_list_returns_volumes_with_their_nodes_and_the_next_token(driver: Driver) -> None:
    """Status is there for every volume, published or not."""
    driver.volumes.answers["list"] = Listing(items=(volume(nodes=("n1", "n2")), volume()), next_token="more")
    request = pb.ListVolumesRequest(starting_token="from here", max_entries=2)
    response = driver.controller.ListVolumes(request, timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == ("from here", 2)
    assert [list(entry.status.published_node_ids) for entry in response.entries] == [["n1", "n2"], []]
    assert all(entry.HasField("status") and entry.volume.volume_id == VOLUME_ID for entry in response.entries)
    assert response.next_token == "more"


@pytest.mark.parametrize("asked", [0, PAGE_MAX_ENTRIES + 1, 2**31 - 1])
def test_a_list_never_outgrows_what_a_client_receives(driver: Driver, asked: int) -> None:
    """A page is capped, the token continues; a full page of the longest entries stays below 4 MiB."""
    page = Listing(items=(volume(nodes=("n" * 192,)),) * PAGE_MAX_ENTRIES, next_token="more")
    driver.volumes.answers["list"] = page
    response = driver.controller.ListVolumes(pb.ListVolumesRequest(max_entries=asked), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == ("", PAGE_MAX_ENTRIES)
    assert len(response.entries) == PAGE_MAX_ENTRIES
    assert response.ByteSize() < 4 << 20


def test_a_bad_token_is_aborted(driver: Driver) -> None:
    """As the specification has it for ListVolumes."""
    driver.volumes.answers["list"] = DriverError(ErrorCode.STALE_TOKEN, "start again without a token")
    status, _ = refused(driver.controller.ListVolumes, pb.ListVolumesRequest(starting_token="invalid-token"))
    assert status.name == "ABORTED"


def test_get_returns_volume_and_status(driver: Driver) -> None:
    """Both are required in the answer."""
    driver.volumes.answers["get"] = volume(nodes=("n1",))
    response = driver.controller.ControllerGetVolume(
        pb.ControllerGetVolumeRequest(volume_id=VOLUME_ID), timeout=TIMEOUT
    )
    assert response.volume.volume_id == VOLUME_ID
    assert list(response.status.published_node_ids) == ["n1"]


def test_capacity_may_be_asked_without_anything(driver: Driver) -> None:
    """An empty request is answered; both numbers are there, 0 too."""
    driver.volumes.answers["capacity"] = Capacity(available_bytes=7, maximum_volume_bytes=0)
    response = driver.controller.GetCapacity(pb.GetCapacityRequest(), timeout=TIMEOUT)
    assert (response.available_capacity, response.maximum_volume_size.value) == (7, 0)
    assert response.HasField("maximum_volume_size")
    assert driver.volumes.calls[0][1] == ({}, None)


ZONE = {"topology.csi.freebsd.org/zone": "a"}


def test_capacity_passes_the_parameters_on(driver: Driver) -> None:
    """They choose the hosts, and so does the place that these have to be reached from."""
    driver.volumes.answers["capacity"] = Capacity(available_bytes=7, maximum_volume_bytes=6)
    request = pb.GetCapacityRequest(
        parameters={"host": "nas1"}, volume_capabilities=[mount()], accessible_topology=pb.Topology(segments=ZONE)
    )
    driver.controller.GetCapacity(request, timeout=TIMEOUT)
    assert driver.volumes.calls[0][1] == ({"host": "nas1"}, ZONE)


@pytest.mark.parametrize(("timeout", "expected"), [(5.0, 5.0), (None, 300.0)])
def test_the_callers_patience_is_the_deadline(driver: Driver, timeout: float | None, expected: float) -> None:
    """A caller without a deadline gets the driver's own."""
    driver.volumes.answers["delete"] = None
    now = time.monotonic()
    driver.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=VOLUME_ID), timeout=timeout)
    assert driver.volumes.calls[0][2]["deadline"] - now == pytest.approx(expected, abs=1.0)


def test_secrets_may_be_anything(driver: Driver) -> None:
    """A caller may send one merged set to every method, with more in it than is needed here."""
    driver.volumes.answers["create"] = volume()
    driver.controller.CreateVolume(create_request(secrets={"key": "x" * 10_000}), timeout=TIMEOUT)
