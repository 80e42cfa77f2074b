"""The Node service: every method reads the request, calls the node side, and responds."""

# ruff: noqa: N802, ARG002 - names and signatures are the contract's

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.csi import capabilities, node_requests, responses
from csi_driver.proto import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    import grpc

    from csi_driver.csi import services


class Node(csi_pb2_grpc.NodeServicer):
    """Volumes of this node over gRPC. Methods that are not here answer UNIMPLEMENTED."""

    def __init__(self, node: services.Node, *, newest_capabilities: bool) -> None:
        self._node = node
        self._newest = newest_capabilities

    def NodeStageVolume(
        self, request: csi_pb2.NodeStageVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeStageVolumeResponse:
        """Attach a volume and make it ready at its staging path."""
        self._node.stage(node_requests.stage(request))
        return csi_pb2.NodeStageVolumeResponse()

    def NodeUnstageVolume(
        self, request: csi_pb2.NodeUnstageVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeUnstageVolumeResponse:
        """Undo the staging; what is not staged counts as undone."""
        self._node.unstage(*node_requests.unstage(request))
        return csi_pb2.NodeUnstageVolumeResponse()

    def NodePublishVolume(
        self, request: csi_pb2.NodePublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodePublishVolumeResponse:
        """Show a staged volume at a path of its user."""
        self._node.publish(node_requests.publish(request))
        return csi_pb2.NodePublishVolumeResponse()

    def NodeUnpublishVolume(
        self, request: csi_pb2.NodeUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeUnpublishVolumeResponse:
        """Take a volume away from a path, and the path with it."""
        self._node.unpublish(*node_requests.unpublish(request))
        return csi_pb2.NodeUnpublishVolumeResponse()

    def NodeGetVolumeStats(
        self, request: csi_pb2.NodeGetVolumeStatsRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeGetVolumeStatsResponse:
        """Return how big and how full a volume is."""
        return responses.stats(self._node.stats(*node_requests.stats(request)))

    def NodeGetVolumeHealth(
        self, request: csi_pb2.NodeGetVolumeHealthRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeGetVolumeHealthResponse:
        """Return what ails a volume on this node; nothing if it is well."""
        volume_id, publish_path, staging_path = node_requests.volume_health(request)
        conditions = self._node.volume_health(volume_id, publish_path, staging_path)
        return csi_pb2.NodeGetVolumeHealthResponse(volume_health=responses.health(volume_id, conditions))

    def NodeGetStorageHealth(
        self, request: csi_pb2.NodeGetStorageHealthRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeGetStorageHealthResponse:
        """Return what ails this node's way to its storage; nothing if all is well."""
        return responses.storage_health(self._node.storage_health())

    def NodeExpandVolume(
        self, request: csi_pb2.NodeExpandVolumeRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeExpandVolumeResponse:
        """Make the most of a volume that has grown: see its new size, and grow its filesystem."""
        size = self._node.expand(*node_requests.expand(request))
        return csi_pb2.NodeExpandVolumeResponse(capacity_bytes=size)

    def NodeGetInfo(
        self, request: csi_pb2.NodeGetInfoRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeGetInfoResponse:
        """Return who this node is."""
        return responses.node_info(self._node.info())

    def NodeGetCapabilities(
        self, request: csi_pb2.NodeGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.NodeGetCapabilitiesResponse:
        """Return what this service can do."""
        return capabilities.node(newest=self._newest)
