"""What the node service is handed, and what is made of its answer."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.model import IscsiAttachment, NodeInfo, PublishRequest, StageRequest, Usage, VolumeStats
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess
from tests.unit.csi.fakes import (
    NODE_ID,
    PUBLISH_CONTEXT,
    TARGET,
    TIMEOUT,
    UUID,
    VOLUME_ID,
    Driver,
    block,
    mount,
    node_publish_request,
    refused,
    stage_request,
)

ATTACHMENT = IscsiAttachment(portals=("192.0.2.10:3260", "[2001:db8::10]:3260"), target=TARGET, lun=0, serial=UUID[:16])


def test_stage_hands_over_where_the_volume_is_and_how_it_is_used(driver: Driver) -> None:
    """The publish context becomes an attachment."""
    driver.on_node.answers["stage"] = None
    driver.node.NodeStageVolume(
        stage_request(volume_capability=mount("xfs", mode=7, flags=("noatime",))), timeout=TIMEOUT
    )
    assert driver.on_node.calls[0][1] == (
        StageRequest(
            volume_id=VOLUME_ID,
            staging_path="/staging",
            access=MountAccess("xfs", ("noatime",)),
            mode=AccessMode.SINGLE_NODE_MULTI_WRITER,
            attachment=ATTACHMENT,
            readonly=False,
        ),
    )


@pytest.mark.parametrize(
    ("capability", "context", "access"),
    [
        (mount(), {}, MountAccess("")),
        (mount(), {"fsType": "xfs", "storage.kubernetes.io/csiProvisionerIdentity": "x"}, MountAccess("xfs")),
        (mount("ext4"), {"fsType": "xfs"}, MountAccess("ext4")),
        (block(), {"fsType": "xfs"}, BlockAccess()),
    ],
)
def test_the_class_names_the_filesystem_where_the_request_does_not(
    driver: Driver, capability: pb.VolumeCapability, context: dict[str, str], access: MountAccess | BlockAccess
) -> None:
    """For staging and publishing alike; keys of others in the volume context mean nothing."""
    driver.on_node.answers.update(stage=None, publish=None)
    asked = {"volume_capability": capability, "volume_context": context}
    driver.node.NodeStageVolume(stage_request(**asked), timeout=TIMEOUT)
    driver.node.NodePublishVolume(node_publish_request(**asked), timeout=TIMEOUT)
    assert [call[1][0].access for call in driver.on_node.calls] == [access, access]


def test_a_volume_exported_readonly_is_staged_readonly(driver: Driver) -> None:
    """When the publish context says so."""
    driver.on_node.answers["stage"] = None
    driver.node.NodeStageVolume(stage_request(publish_context={**PUBLISH_CONTEXT, "readonly": "true"}), timeout=TIMEOUT)
    assert driver.on_node.calls[0][1][0].readonly


@pytest.mark.parametrize("readonly", [False, True])
def test_publish_hands_over_both_paths(driver: Driver, readonly: bool) -> None:  # noqa: FBT001
    """And needs no publish context."""
    driver.on_node.answers["publish"] = None
    driver.node.NodePublishVolume(
        node_publish_request(readonly=readonly, volume_capability=block(mode=6), publish_context={}), timeout=TIMEOUT
    )
    assert driver.on_node.calls[0][1] == (
        PublishRequest(
            volume_id=VOLUME_ID,
            staging_path="/staging",
            target_path="/target",
            access=BlockAccess(),
            mode=AccessMode.SINGLE_NODE_SINGLE_WRITER,
            readonly=readonly,
        ),
    )


def test_undoing_needs_an_id_and_a_path(driver: Driver) -> None:
    """Of whatever volume: ids are opaque here."""
    driver.on_node.answers.update(unstage=None, unpublish=None)
    driver.node.NodeUnpublishVolume(pb.NodeUnpublishVolumeRequest(volume_id="v", target_path="/t"), timeout=TIMEOUT)
    driver.node.NodeUnstageVolume(pb.NodeUnstageVolumeRequest(volume_id="v", staging_target_path="/s"), timeout=TIMEOUT)
    assert [call[:2] for call in driver.on_node.calls] == [("unpublish", ("v", "/t")), ("unstage", ("v", "/s"))]


def test_stats_of_a_filesystem_are_bytes_and_inodes(driver: Driver) -> None:
    """Total, used and available of each."""
    driver.on_node.answers["stats"] = VolumeStats(
        total_bytes=100,
        usage_bytes=Usage(total=90, used=50, available=30),
        usage_inodes=Usage(total=9, used=5, available=4),
    )
    request = pb.NodeGetVolumeStatsRequest(volume_id="v", volume_path="/t")
    response = driver.node.NodeGetVolumeStats(request, timeout=TIMEOUT)
    assert list(response.usage) == [
        pb.VolumeUsage(unit="BYTES", total=90, used=50, available=30),
        pb.VolumeUsage(unit="INODES", total=9, used=5, available=4),
    ]


def test_stats_of_a_block_volume_are_its_size(driver: Driver) -> None:
    """What is used nobody knows."""
    driver.on_node.answers["stats"] = VolumeStats(total_bytes=100)
    request = pb.NodeGetVolumeStatsRequest(volume_id="v", volume_path="/t")
    response = driver.node.NodeGetVolumeStats(request, timeout=TIMEOUT)
    assert list(response.usage) == [pb.VolumeUsage(unit="BYTES", total=100)]


def test_expand_hands_over_the_paths_and_returns_the_size(driver: Driver) -> None:
    """Capability and staging path may be missing; the range decides nothing here."""
    driver.on_node.answers["expand"] = 300
    request = pb.NodeExpandVolumeRequest(volume_id="v", volume_path="/t", capacity_range={"required_bytes": 400})
    assert driver.node.NodeExpandVolume(request, timeout=TIMEOUT).capacity_bytes == 300
    request = pb.NodeExpandVolumeRequest(
        volume_id="v", volume_path="some/path", staging_target_path="/s", volume_capability=block()
    )
    driver.node.NodeExpandVolume(request, timeout=TIMEOUT)
    assert [call[1] for call in driver.on_node.calls] == [("v", "/t", ""), ("v", "some/path", "/s")]


def test_a_relative_path_is_for_the_node_to_judge(driver: Driver) -> None:
    """Nothing is found there, which is not the same as malformed."""
    driver.on_node.answers["stats"] = DriverError(ErrorCode.NOT_FOUND, "nothing there")
    request = pb.NodeGetVolumeStatsRequest(volume_id="v", volume_path="some/path")
    assert refused(driver.node.NodeGetVolumeStats, request)[0].name == "NOT_FOUND"


def test_info_tells_who_this_node_is(driver: Driver) -> None:
    """Id and limit; no topology, which is not announced."""
    driver.on_node.answers["info"] = NodeInfo(node_id=NODE_ID, max_volumes=5)
    response = driver.node.NodeGetInfo(pb.NodeGetInfoRequest(), timeout=TIMEOUT)
    assert response == pb.NodeGetInfoResponse(node_id=str(NODE_ID), max_volumes_per_node=5)
