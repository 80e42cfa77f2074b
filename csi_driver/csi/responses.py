"""Domain values as parts of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import wrappers_pb2

from csi_driver.proto import csi_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_driver.csi.services import VolumePage
    from csi_driver.node.model import NodeInfo, Usage, VolumeStats
    from csi_driver.storage.model import Capacity, Volume


def volume(value: Volume) -> csi_pb2.Volume:
    """Return the volume as the contract has it."""
    return csi_pb2.Volume(
        volume_id=str(value.id), capacity_bytes=value.size_bytes, volume_context=dict(value.attributes)
    )


def published_nodes(value: Volume) -> list[str]:
    """Return the ids of the nodes that the volume is published to."""
    return [publication.node for publication in value.publications]


def volume_list(page: VolumePage) -> csi_pb2.ListVolumesResponse:
    """Return a page of volumes, each with where it is published."""
    entries = [
        csi_pb2.ListVolumesResponse.Entry(
            volume=volume(one),
            status=csi_pb2.ListVolumesResponse.VolumeStatus(published_node_ids=published_nodes(one)),
        )
        for one in page.volumes
    ]
    return csi_pb2.ListVolumesResponse(entries=entries, next_token=page.next_token)


def volume_with_status(value: Volume) -> csi_pb2.ControllerGetVolumeResponse:
    """Return one volume with where it is published."""
    return csi_pb2.ControllerGetVolumeResponse(
        volume=volume(value),
        status=csi_pb2.ControllerGetVolumeResponse.VolumeStatus(published_node_ids=published_nodes(value)),
    )


def confirmed(request: csi_pb2.ValidateVolumeCapabilitiesRequest) -> csi_pb2.ValidateVolumeCapabilitiesResponse:
    """Return everything that was asked, confirmed."""
    return csi_pb2.ValidateVolumeCapabilitiesResponse(
        confirmed=csi_pb2.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_context=request.volume_context,
            volume_capabilities=request.volume_capabilities,
            parameters=request.parameters,
        )
    )


def capacity(value: Capacity) -> csi_pb2.GetCapacityResponse:
    """Return the room there is."""
    return csi_pb2.GetCapacityResponse(
        available_capacity=value.available_bytes,
        maximum_volume_size=wrappers_pb2.Int64Value(value=value.maximum_volume_bytes),
    )


def stats(value: VolumeStats) -> csi_pb2.NodeGetVolumeStatsResponse:
    """Return how big and how full a volume is; of a raw block volume, how big."""
    return csi_pb2.NodeGetVolumeStatsResponse(usage=_usages(value))


def node_info(value: NodeInfo) -> csi_pb2.NodeGetInfoResponse:
    """Return who this node is."""
    return csi_pb2.NodeGetInfoResponse(node_id=str(value.node_id), max_volumes_per_node=value.max_volumes)


def _usages(value: VolumeStats) -> Iterator[csi_pb2.VolumeUsage]:
    if value.usage_bytes is None:
        yield csi_pb2.VolumeUsage(unit="BYTES", total=value.total_bytes)
    else:
        yield _usage("BYTES", value.usage_bytes)
    if value.usage_inodes is not None:
        yield _usage("INODES", value.usage_inodes)


def _usage(unit: str, value: Usage) -> csi_pb2.VolumeUsage:
    return csi_pb2.VolumeUsage(unit=unit, total=value.total, used=value.used, available=value.available)
