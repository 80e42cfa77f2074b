"""The Controller service: every method reads the request, calls the domain, and responds."""

# ruff: noqa: N802, ARG002 - names and signatures are the contract's

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.csi import capabilities, requests, responses
from csi_driver.csi.deadlines import DEFAULT_TIMEOUT, deadline
from csi_driver.proto import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    import grpc

    from csi_driver.csi.services import Storage


class Controller(csi_pb2_grpc.ControllerServicer):
    """
    Volumes and snapshots over gRPC. Methods that are not here answer UNIMPLEMENTED.

    A caller that sets no deadline waits for `default_timeout` seconds.
    """

    def __init__(
        self, storage: Storage, *, newest_capabilities: bool, default_timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._volumes = storage.volumes
        self._snapshots = storage.snapshots
        self._health = storage.health
        self._newest = newest_capabilities
        self._default_timeout = default_timeout

    def CreateVolume(
        self, request: csi_pb2.CreateVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.CreateVolumeResponse:
        """Make a volume, or return the compatible one of that name."""
        volume = self._volumes.create(requests.create_volume(request), deadline=self._deadline(context))
        return csi_pb2.CreateVolumeResponse(volume=responses.volume(volume))

    def DeleteVolume(
        self, request: csi_pb2.DeleteVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.DeleteVolumeResponse:
        """Destroy a volume; one that is unknown counts as destroyed."""
        self._volumes.delete(requests.delete_volume(request), deadline=self._deadline(context))
        return csi_pb2.DeleteVolumeResponse()

    def ControllerPublishVolume(
        self, request: csi_pb2.ControllerPublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerPublishVolumeResponse:
        """Export a volume to a node."""
        wanted = requests.publish_volume(request)
        publish_context = self._volumes.publish(
            wanted.volume_id,
            wanted.node_id,
            wanted.mode,
            wanted.readonly,
            key=wanted.key,
            chap=wanted.chap,
            deadline=self._deadline(context),
        )
        return csi_pb2.ControllerPublishVolumeResponse(publish_context=publish_context)

    def ControllerUnpublishVolume(
        self, request: csi_pb2.ControllerUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerUnpublishVolumeResponse:
        """End the export of a volume to a node, or to all; afterwards no node can reach it that way."""
        volume_id, node_id = requests.unpublish_volume(request)
        self._volumes.unpublish(volume_id, node_id, deadline=self._deadline(context))
        return csi_pb2.ControllerUnpublishVolumeResponse()

    def ValidateVolumeCapabilities(
        self, request: csi_pb2.ValidateVolumeCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ValidateVolumeCapabilitiesResponse:
        """Say whether an existing volume can be used in all the ways asked for."""
        wanted = requests.validate_volume(request)
        self._volumes.get(wanted.volume_id, deadline=self._deadline(context))
        if wanted.problem:
            return csi_pb2.ValidateVolumeCapabilitiesResponse(message=wanted.problem)
        return responses.confirmed(request)

    def ListVolumes(
        self, request: csi_pb2.ListVolumesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ListVolumesResponse:
        """Return the volumes and where they are published, page by page."""
        starting_token, max_entries = requests.list_volumes(request)
        page = self._volumes.list(starting_token, max_entries, deadline=self._deadline(context))
        return responses.volume_list(page)

    def ControllerGetVolume(
        self, request: csi_pb2.ControllerGetVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerGetVolumeResponse:
        """Return one volume and where it is published."""
        volume = self._volumes.get(requests.get_volume(request), deadline=self._deadline(context))
        return responses.volume_with_status(volume)

    def ControllerGetVolumeHealth(
        self, request: csi_pb2.ControllerGetVolumeHealthRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerGetVolumeHealthResponse:
        """Return what ails one volume as its storage host sees it; nothing if it is well."""
        health = self._health.get(requests.get_volume_health(request), deadline=self._deadline(context))
        return csi_pb2.ControllerGetVolumeHealthResponse(volume_health=responses.volume_health(health))

    def ControllerListVolumeHealth(
        self, request: csi_pb2.ControllerListVolumeHealthRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerListVolumeHealthResponse:
        """Return the volumes that are not well, page by page."""
        starting_token, max_entries = requests.list_volume_health(request)
        page = self._health.list(starting_token, max_entries, deadline=self._deadline(context))
        return responses.volume_health_list(page)

    def ControllerExpandVolume(
        self, request: csi_pb2.ControllerExpandVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerExpandVolumeResponse:
        """Grow a volume, published or not."""
        wanted = requests.expand_volume(request)
        volume = self._volumes.expand(
            wanted.volume_id,
            wanted.required_bytes,
            wanted.limit_bytes,
            key=wanted.key,
            deadline=self._deadline(context),
        )
        return responses.expanded(volume)

    def ControllerModifyVolume(
        self, request: csi_pb2.ControllerModifyVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerModifyVolumeResponse:
        """Change properties of a volume, published or not: all that are named, or none."""
        volume_id, mutable_parameters = requests.modify_volume(request)
        self._volumes.modify(volume_id, mutable_parameters, deadline=self._deadline(context))
        return csi_pb2.ControllerModifyVolumeResponse()

    def CreateSnapshot(
        self, request: csi_pb2.CreateSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.CreateSnapshotResponse:
        """Take a snapshot, or return the one of that name if it is of that volume."""
        wanted = requests.create_snapshot(request)
        snapshot = self._snapshots.create(
            wanted.source_volume_id,
            wanted.name,
            wanted.parameters,
            topology=wanted.topology,
            deadline=self._deadline(context),
        )
        return csi_pb2.CreateSnapshotResponse(snapshot=responses.snapshot(snapshot, located=self._newest))

    def DeleteSnapshot(
        self, request: csi_pb2.DeleteSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.DeleteSnapshotResponse:
        """Destroy a snapshot; one that is unknown counts as destroyed."""
        self._snapshots.delete(requests.delete_snapshot(request), deadline=self._deadline(context))
        return csi_pb2.DeleteSnapshotResponse()

    def ListSnapshots(
        self, request: csi_pb2.ListSnapshotsRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ListSnapshotsResponse:
        """Return the snapshots, or those asked for, page by page."""
        wanted = requests.list_snapshots(request)
        page = self._snapshots.list(
            wanted.starting_token,
            wanted.max_entries,
            snapshot_id=wanted.snapshot_id,
            source_volume_id=wanted.source_volume_id,
            deadline=self._deadline(context),
        )
        return responses.snapshot_list(page, located=self._newest)

    def GetSnapshot(
        self, request: csi_pb2.GetSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GetSnapshotResponse:
        """Return one snapshot."""
        snapshot = self._snapshots.get(requests.get_snapshot(request), deadline=self._deadline(context))
        return csi_pb2.GetSnapshotResponse(snapshot=responses.snapshot(snapshot, located=self._newest))

    def GetCapacity(
        self, request: csi_pb2.GetCapacityRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GetCapacityResponse:
        """Return the room there is for volumes of a class."""
        parameters, place = requests.get_capacity(request)
        capacity = self._volumes.capacity(parameters, place, deadline=self._deadline(context))
        return responses.capacity(capacity)

    def ControllerGetCapabilities(
        self, request: csi_pb2.ControllerGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.ControllerGetCapabilitiesResponse:
        """Return what this service can do."""
        return capabilities.controller(newest=self._newest)

    def _deadline(self, context: grpc.ServicerContext) -> float:
        return deadline(context, default_timeout=self._default_timeout)
