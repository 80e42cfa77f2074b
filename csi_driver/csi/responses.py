"""Domain values as parts of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import timestamp_pb2, wrappers_pb2

from csi_driver.csi import topologies
from csi_driver.proto import csi_pb2
from csi_driver.storage.ids import SnapshotId
from csi_driver.telemetry import mask_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from csi_driver.node.model import BackendCondition, NodeInfo, Usage, VolumeStats
    from csi_driver.storage.ids import VolumeId
    from csi_driver.storage.model import Capacity, Condition, GroupSnapshot, Listing, Snapshot, Volume, VolumeHealth


def volume(value: Volume) -> csi_pb2.Volume:
    """Return the volume as the contract has it."""
    return csi_pb2.Volume(
        volume_id=str(value.id),
        capacity_bytes=value.size_bytes,
        volume_context=dict(value.attributes),
        content_source=_content_source(value.source),
        accessible_topology=topologies.accessible(value.topology),
    )


def _content_source(source: SnapshotId | VolumeId | None) -> csi_pb2.VolumeContentSource | None:
    kind = csi_pb2.VolumeContentSource
    if source is None:
        return None
    if isinstance(source, SnapshotId):
        return kind(snapshot=kind.SnapshotSource(snapshot_id=str(source)))
    return kind(volume=kind.VolumeSource(volume_id=str(source)))


def published_nodes(value: Volume) -> list[str]:
    """Return the ids of the nodes that the volume is published to."""
    return [publication.node for publication in value.publications]


def volume_list(page: Listing[Volume]) -> csi_pb2.ListVolumesResponse:
    """Return a page of volumes, each with where it is published."""
    entries = [
        csi_pb2.ListVolumesResponse.Entry(
            volume=volume(one),
            status=csi_pb2.ListVolumesResponse.VolumeStatus(published_node_ids=published_nodes(one)),
        )
        for one in page.items
    ]
    return csi_pb2.ListVolumesResponse(entries=entries, next_token=page.next_token)


def volume_with_status(value: Volume) -> csi_pb2.ControllerGetVolumeResponse:
    """Return one volume with where it is published."""
    return csi_pb2.ControllerGetVolumeResponse(
        volume=volume(value),
        status=csi_pb2.ControllerGetVolumeResponse.VolumeStatus(published_node_ids=published_nodes(value)),
    )


def expanded(value: Volume) -> csi_pb2.ControllerExpandVolumeResponse:
    """Return the volume's size; a node that has it must look again, be there a filesystem to grow or not."""
    return csi_pb2.ControllerExpandVolumeResponse(capacity_bytes=value.size_bytes, node_expansion_required=True)


def snapshot(value: Snapshot, *, located: bool) -> csi_pb2.Snapshot:
    """Return the snapshot as the contract has it, with where it can be reached from if it is to be `located`."""
    return csi_pb2.Snapshot(
        snapshot_id=str(value.id),
        source_volume_id=str(value.source),
        size_bytes=value.size_bytes,
        creation_time=timestamp_pb2.Timestamp(seconds=value.created),
        ready_to_use=value.ready,
        group_snapshot_id="" if value.group is None else str(value.group),
        accessible_topology=topologies.accessible(value.topology) if located else [],
    )


def group_snapshot(value: GroupSnapshot, *, located: bool) -> csi_pb2.VolumeGroupSnapshot:
    """Return the snapshots that were taken together as the contract has them."""
    return csi_pb2.VolumeGroupSnapshot(
        group_snapshot_id=str(value.id),
        snapshots=[snapshot(one, located=located) for one in value.snapshots],
        creation_time=timestamp_pb2.Timestamp(seconds=value.created),
        ready_to_use=value.ready,
    )


def snapshot_list(page: Listing[Snapshot], *, located: bool) -> csi_pb2.ListSnapshotsResponse:
    """Return a page of snapshots."""
    entries = [csi_pb2.ListSnapshotsResponse.Entry(snapshot=snapshot(one, located=located)) for one in page.items]
    return csi_pb2.ListSnapshotsResponse(entries=entries, next_token=page.next_token)


def confirmed(request: csi_pb2.ValidateVolumeCapabilitiesRequest) -> csi_pb2.ValidateVolumeCapabilitiesResponse:
    """Return everything that was asked, confirmed."""
    return csi_pb2.ValidateVolumeCapabilitiesResponse(
        confirmed=csi_pb2.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_context=request.volume_context,
            volume_capabilities=request.volume_capabilities,
            parameters=request.parameters,
            mutable_parameters=request.mutable_parameters,
        )
    )


def volume_health(value: VolumeHealth) -> csi_pb2.VolumeHealth:
    """Return what ails a volume as the contract has it."""
    return health(str(value.id), value.conditions)


def health(volume_id: str, conditions: Iterable[Condition]) -> csi_pb2.VolumeHealth:
    """Return these conditions of a volume."""
    entries = [
        csi_pb2.VolumeHealth.VolumeHealthEntry(
            status=each.status.name,
            reason=each.reason,
            message=mask_tokens(each.message),
        )
        for each in conditions
    ]
    return csi_pb2.VolumeHealth(volume_id=volume_id, health_statuses=entries)


def volume_health_list(page: Listing[VolumeHealth]) -> csi_pb2.ControllerListVolumeHealthResponse:
    """Return a page of volumes that are not well."""
    entries = [volume_health(one) for one in page.items]
    return csi_pb2.ControllerListVolumeHealthResponse(entries=entries, next_token=page.next_token)


def storage_health(conditions: Iterable[BackendCondition]) -> csi_pb2.NodeGetStorageHealthResponse:
    """Return what ails a node's way to its storage."""
    kind = csi_pb2.NodeGetStorageHealthResponse.StorageBackendHealth
    return csi_pb2.NodeGetStorageHealthResponse(
        backend_health=[
            kind(
                status="STORAGE_UNREACHABLE" if each.unreachable else "STORAGE_DEGRADED",
                reason=each.reason,
                message=mask_tokens(each.message),
            )
            for each in conditions
        ]
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
    return csi_pb2.NodeGetInfoResponse(
        node_id=str(value.node_id),
        max_volumes_per_node=value.max_volumes,
        accessible_topology=csi_pb2.Topology(segments=value.topology) if value.topology else None,
    )


def _usages(value: VolumeStats) -> Iterator[csi_pb2.VolumeUsage]:
    if value.usage_bytes is None:
        yield csi_pb2.VolumeUsage(unit="BYTES", total=value.total_bytes)
    else:
        yield _usage("BYTES", value.usage_bytes)
    if value.usage_inodes is not None:
        yield _usage("INODES", value.usage_inodes)


def _usage(unit: str, value: Usage) -> csi_pb2.VolumeUsage:
    return csi_pb2.VolumeUsage(unit=unit, total=value.total, used=value.used, available=value.available)
