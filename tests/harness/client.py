"""The calls a cluster would make, in the order it makes them, over real gRPC."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.proto import csi_pb2 as pb
from csi_driver.proto import csi_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    """A stand-in for the sidecars and the kubelet, one call per method; `secrets` go with those that may need a key."""

    def __init__(self, controller: grpc.Channel, node: grpc.Channel, directory: Path) -> None:
        self.controller = rpc.ControllerStub(controller)
        self.group_controller = rpc.GroupControllerStub(controller)
        self.node = rpc.NodeStub(node)
        self.directory = directory
        self.capability = capability()
        self.secrets: dict[str, str] = {}

    def create(  # noqa: PLR0913 - the fields of the request, each by its name
        self,
        name: str,
        size_bytes: int,
        *,
        limit_bytes: int = 0,
        parameters: Mapping[str, str] | None = None,
        mutable: Mapping[str, str] | None = None,
        source: pb.Snapshot | pb.Volume | None = None,
        topology: pb.TopologyRequirement | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> pb.Volume:
        """CreateVolume, from a snapshot or another volume if one is given."""
        request = pb.CreateVolumeRequest(
            name=name,
            capacity_range=pb.CapacityRange(required_bytes=size_bytes, limit_bytes=limit_bytes),
            volume_capabilities=[self.capability],
            parameters=parameters or {},
            mutable_parameters=mutable or {},
            volume_content_source=_content_source(source),
            secrets=self.secrets,
            accessibility_requirements=topology,
        )
        return self.controller.CreateVolume(request, timeout=timeout).volume

    def delete(self, volume_id: str) -> None:
        """DeleteVolume."""
        self.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id), timeout=CALL_TIMEOUT)

    def expand(self, volume_id: str, size_bytes: int, *, limit_bytes: int = 0) -> pb.ControllerExpandVolumeResponse:
        """ControllerExpandVolume."""
        request = pb.ControllerExpandVolumeRequest(
            volume_id=volume_id,
            capacity_range=pb.CapacityRange(required_bytes=size_bytes, limit_bytes=limit_bytes),
            volume_capability=self.capability,
            secrets=self.secrets,
        )
        return self.controller.ControllerExpandVolume(request, timeout=CALL_TIMEOUT)

    def modify(self, volume_id: str, **parameters: str) -> None:
        """ControllerModifyVolume."""
        request = pb.ControllerModifyVolumeRequest(volume_id=volume_id, mutable_parameters=parameters)
        self.controller.ControllerModifyVolume(request, timeout=CALL_TIMEOUT)

    def create_group_snapshot(self, name: str, volume_ids: Sequence[str]) -> pb.VolumeGroupSnapshot:
        """CreateVolumeGroupSnapshot."""
        request = pb.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volume_ids)
        return self.group_controller.CreateVolumeGroupSnapshot(request, timeout=CALL_TIMEOUT).group_snapshot

    def get_group_snapshot(self, group_snapshot_id: str, snapshot_ids: Sequence[str] = ()) -> pb.VolumeGroupSnapshot:
        """GetVolumeGroupSnapshot."""
        request = pb.GetVolumeGroupSnapshotRequest(group_snapshot_id=group_snapshot_id, snapshot_ids=snapshot_ids)
        return self.group_controller.GetVolumeGroupSnapshot(request, timeout=CALL_TIMEOUT).group_snapshot

    def delete_group_snapshot(self, group_snapshot_id: str, snapshot_ids: Sequence[str] = ()) -> None:
        """DeleteVolumeGroupSnapshot."""
        request = pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=group_snapshot_id, snapshot_ids=snapshot_ids)
        self.group_controller.DeleteVolumeGroupSnapshot(request, timeout=CALL_TIMEOUT)

    def snapshot(self, name: str, volume_id: str, *, parameters: Mapping[str, str] | None = None) -> pb.Snapshot:
        """CreateSnapshot."""
        request = pb.CreateSnapshotRequest(name=name, source_volume_id=volume_id, parameters=parameters or {})
        return self.controller.CreateSnapshot(request, timeout=CALL_TIMEOUT).snapshot

    def delete_snapshot(self, snapshot_id: str) -> None:
        """DeleteSnapshot."""
        self.controller.DeleteSnapshot(pb.DeleteSnapshotRequest(snapshot_id=snapshot_id), timeout=CALL_TIMEOUT)

    def get_snapshot(self, snapshot_id: str) -> pb.Snapshot:
        """GetSnapshot."""
        return self.controller.GetSnapshot(
            pb.GetSnapshotRequest(snapshot_id=snapshot_id), timeout=CALL_TIMEOUT
        ).snapshot

    def snapshots(self, *, snapshot_id: str = "", volume_id: str = "", page: int = 0) -> list[pb.Snapshot]:
        """ListSnapshots, all pages of at most `page` (0: as many as there are)."""
        found: list[pb.Snapshot] = []
        token = ""
        while True:
            request = pb.ListSnapshotsRequest(
                snapshot_id=snapshot_id, source_volume_id=volume_id, max_entries=page, starting_token=token
            )
            response = self.controller.ListSnapshots(request, timeout=CALL_TIMEOUT)
            found += [entry.snapshot for entry in response.entries]
            token = response.next_token
            if not token:
                return found

    def volumes(self) -> list[pb.Volume]:
        """ListVolumes, all that there are."""
        response = self.controller.ListVolumes(pb.ListVolumesRequest(), timeout=CALL_TIMEOUT)
        return [entry.volume for entry in response.entries]

    def capacity(self, topology: pb.Topology | None = None) -> pb.GetCapacityResponse:
        """GetCapacity, of one place if one is given."""
        request = pb.GetCapacityRequest(accessible_topology=topology)
        return self.controller.GetCapacity(request, timeout=CALL_TIMEOUT)

    def node_id(self) -> str:
        """NodeGetInfo's node id."""
        return self.node.NodeGetInfo(pb.NodeGetInfoRequest(), timeout=CALL_TIMEOUT).node_id

    def attach(self, volume_id: str, node_id: str, *, readonly: bool = False) -> dict[str, str]:
        """ControllerPublishVolume; returns the publish context."""
        request = pb.ControllerPublishVolumeRequest(
            volume_id=volume_id,
            node_id=node_id,
            volume_capability=self.capability,
            readonly=readonly,
            secrets=self.secrets,
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
            secrets=self.secrets,
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

    def expand_on_node(self, volume: pb.Volume) -> int:
        """NodeExpandVolume where a pod has the volume; returns its size."""
        request = pb.NodeExpandVolumeRequest(
            volume_id=volume.volume_id,
            volume_path=str(self.target_path(volume)),
            staging_target_path=str(self.staging_path(volume)),
            volume_capability=self.capability,
        )
        return self.node.NodeExpandVolume(request, timeout=CALL_TIMEOUT).capacity_bytes

    @contextlib.contextmanager
    def in_use(self, volume: pb.Volume) -> Iterator[Path]:
        """Publish the volume to this node, stage and mount it; undo all that on exit."""
        node = self.node_id()
        self.stage(volume, context := self.attach(volume.volume_id, node))
        yield self.mount(volume, context)
        self.unmount(volume)
        self.unstage(volume)
        self.detach(volume.volume_id, node)


def _content_source(source: pb.Snapshot | pb.Volume | None) -> pb.VolumeContentSource | None:
    kind = pb.VolumeContentSource
    if isinstance(source, pb.Snapshot):
        return kind(snapshot=kind.SnapshotSource(snapshot_id=source.snapshot_id))
    return kind(volume=kind.VolumeSource(volume_id=source.volume_id)) if source else None
