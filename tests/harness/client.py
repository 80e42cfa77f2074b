"""The calls a cluster would make, in the order it makes them, over real gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.proto import csi_pb2 as pb
from csi_driver.proto import csi_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

CALL_TIMEOUT = 120.0


def capability(
    *, block: bool = False, fs_type: str = "ext4", mode: int = pb.VolumeCapability.AccessMode.SINGLE_NODE_WRITER
) -> pb.VolumeCapability:
    """One volume capability: a filesystem, or the raw block device."""
    access = pb.VolumeCapability.AccessMode(mode=mode)  # type: ignore[arg-type]
    if block:
        return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=access)
    return pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(fs_type=fs_type), access_mode=access)


class Cluster:
    """A stand-in for the sidecars and the kubelet, one call per method."""

    def __init__(self, controller: grpc.Channel, node: grpc.Channel, directory: Path) -> None:
        self.controller = rpc.ControllerStub(controller)
        self.node = rpc.NodeStub(node)
        self.directory = directory
        self.capability = capability()

    def create(
        self, name: str, size_bytes: int, *, limit_bytes: int = 0, parameters: Mapping[str, str] | None = None
    ) -> pb.Volume:
        """CreateVolume."""
        request = pb.CreateVolumeRequest(
            name=name,
            capacity_range=pb.CapacityRange(required_bytes=size_bytes, limit_bytes=limit_bytes),
            volume_capabilities=[self.capability],
            parameters=parameters or {},
        )
        return self.controller.CreateVolume(request, timeout=CALL_TIMEOUT).volume

    def delete(self, volume_id: str) -> None:
        """DeleteVolume."""
        self.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id), timeout=CALL_TIMEOUT)

    def node_id(self) -> str:
        """NodeGetInfo's node id."""
        return self.node.NodeGetInfo(pb.NodeGetInfoRequest(), timeout=CALL_TIMEOUT).node_id

    def attach(self, volume_id: str, node_id: str, *, readonly: bool = False) -> dict[str, str]:
        """ControllerPublishVolume; returns the publish context."""
        request = pb.ControllerPublishVolumeRequest(
            volume_id=volume_id, node_id=node_id, volume_capability=self.capability, readonly=readonly
        )
        return dict(self.controller.ControllerPublishVolume(request, timeout=CALL_TIMEOUT).publish_context)

    def detach(self, volume_id: str, node_id: str) -> None:
        """ControllerUnpublishVolume."""
        request = pb.ControllerUnpublishVolumeRequest(volume_id=volume_id, node_id=node_id)
        self.controller.ControllerUnpublishVolume(request, timeout=CALL_TIMEOUT)

    def staging_path(self, volume: pb.Volume) -> Path:
        """Where the kubelet would stage the volume."""
        return self.directory / "staging" / volume.volume_id.replace(":", "_")

    def target_path(self, volume: pb.Volume) -> Path:
        """Where a pod would find the volume."""
        return self.directory / "pods" / volume.volume_id.replace(":", "_") / "mount"

    def stage(self, volume: pb.Volume, context: Mapping[str, str]) -> None:
        """NodeStageVolume."""
        self.staging_path(volume).mkdir(parents=True, exist_ok=True)
        request = pb.NodeStageVolumeRequest(
            volume_id=volume.volume_id,
            publish_context=context,
            staging_target_path=str(self.staging_path(volume)),
            volume_capability=self.capability,
            volume_context=volume.volume_context,
        )
        self.node.NodeStageVolume(request, timeout=CALL_TIMEOUT)

    def unstage(self, volume: pb.Volume) -> None:
        """NodeUnstageVolume."""
        request = pb.NodeUnstageVolumeRequest(
            volume_id=volume.volume_id, staging_target_path=str(self.staging_path(volume))
        )
        self.node.NodeUnstageVolume(request, timeout=CALL_TIMEOUT)

    def mount(self, volume: pb.Volume, context: Mapping[str, str]) -> Path:
        """NodePublishVolume; returns the path a pod would use."""
        target = self.target_path(volume)
        target.parent.mkdir(parents=True, exist_ok=True)
        request = pb.NodePublishVolumeRequest(
            volume_id=volume.volume_id,
            publish_context=context,
            staging_target_path=str(self.staging_path(volume)),
            target_path=str(target),
            volume_capability=self.capability,
            volume_context=volume.volume_context,
        )
        self.node.NodePublishVolume(request, timeout=CALL_TIMEOUT)
        return target

    def unmount(self, volume: pb.Volume) -> None:
        """NodeUnpublishVolume."""
        request = pb.NodeUnpublishVolumeRequest(volume_id=volume.volume_id, target_path=str(self.target_path(volume)))
        self.node.NodeUnpublishVolume(request, timeout=CALL_TIMEOUT)
