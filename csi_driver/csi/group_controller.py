"""The GroupController service: every method reads the request, calls the domain, and responds."""

# ruff: noqa: N802, ARG002 - names and signatures are the contract's

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.csi import capabilities, requests, responses
from csi_driver.csi.deadlines import DEFAULT_TIMEOUT, deadline
from csi_driver.proto import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    import grpc

    from csi_driver.csi.services import GroupSnapshots


class GroupController(csi_pb2_grpc.GroupControllerServicer):
    """
    Snapshots of several volumes at one moment, over gRPC.

    A caller that sets no deadline waits for `default_timeout` seconds.
    """

    def __init__(
        self, groups: GroupSnapshots, *, newest_capabilities: bool, default_timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._groups = groups
        self._newest = newest_capabilities
        self._default_timeout = default_timeout

    def CreateVolumeGroupSnapshot(
        self, request: csi_pb2.CreateVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.CreateVolumeGroupSnapshotResponse:
        """Take the snapshots, or return those of that name if they are of these volumes."""
        source_volume_ids, name = requests.create_group_snapshot(request)
        group = self._groups.create(source_volume_ids, name, deadline=self._deadline(context))
        return csi_pb2.CreateVolumeGroupSnapshotResponse(
            group_snapshot=responses.group_snapshot(group, located=self._newest)
        )

    def DeleteVolumeGroupSnapshot(
        self, request: csi_pb2.DeleteVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.DeleteVolumeGroupSnapshotResponse:
        """Destroy the snapshots of a group; one that is unknown counts as destroyed."""
        group_snapshot_id, snapshot_ids = requests.group_snapshot(request)
        self._groups.delete(group_snapshot_id, snapshot_ids, deadline=self._deadline(context))
        return csi_pb2.DeleteVolumeGroupSnapshotResponse()

    def GetVolumeGroupSnapshot(
        self, request: csi_pb2.GetVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GetVolumeGroupSnapshotResponse:
        """Return the snapshots of a group."""
        group_snapshot_id, snapshot_ids = requests.group_snapshot(request)
        group = self._groups.get(group_snapshot_id, snapshot_ids, deadline=self._deadline(context))
        return csi_pb2.GetVolumeGroupSnapshotResponse(
            group_snapshot=responses.group_snapshot(group, located=self._newest)
        )

    def GroupControllerGetCapabilities(
        self, request: csi_pb2.GroupControllerGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GroupControllerGetCapabilitiesResponse:
        """Return what this service can do."""
        return capabilities.group_controller()

    def _deadline(self, context: grpc.ServicerContext) -> float:
        return deadline(context, default_timeout=self._default_timeout)
