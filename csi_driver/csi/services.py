"""
What the gRPC surface needs from the driver's inside, in domain values only.

All of it raises `DriverError`. `deadline` is a `time.monotonic()` value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from csi_driver.node.model import BackendCondition, NodeInfo, PublishRequest, StageRequest, VolumeStats
    from csi_driver.storage.model import (
        AccessMode,
        Capacity,
        Chap,
        Condition,
        EncryptionKey,
        GroupSnapshot,
        Listing,
        NewVolume,
        Snapshot,
        Topology,
        Volume,
        VolumeHealth,
    )


class Volumes(Protocol):
    """Volumes on the storage hosts, by the rules of CSI; `storage.volumes.VolumeService`."""

    def create(self, wanted: NewVolume, *, deadline: float) -> Volume:
        """Make the volume, or return the one of that name if it is compatible."""
        ...

    def expand(
        self, volume_id: str, required_bytes: int, limit_bytes: int, *, key: EncryptionKey | None, deadline: float
    ) -> Volume:
        """Grow the volume to at least `required_bytes`, within `limit_bytes` (0: no limit)."""
        ...

    def modify(self, volume_id: str, mutable_parameters: Mapping[str, str], *, deadline: float) -> Volume:
        """Change what the parameters name: all of it, or nothing."""
        ...

    def delete(self, volume_id: str, *, deadline: float) -> None:
        """Destroy the volume; succeed if there is none."""
        ...

    def publish(  # noqa: PLR0913 - each is a field of the request
        self,
        volume_id: str,
        node_id: str,
        mode: AccessMode,
        readonly: bool,  # noqa: FBT001 - a field of the request, in its order
        *,
        key: EncryptionKey | None,
        chap: Chap | None,
        deadline: float,
    ) -> Mapping[str, str]:
        """Export the volume to the node; return what the node needs to find it."""
        ...

    def unpublish(self, volume_id: str, node_id: str | None, *, deadline: float) -> None:
        """End the export to the node (None: to every node)."""
        ...

    def get(self, volume_id: str, *, deadline: float) -> Volume:
        """Return the volume, or raise `NOT_FOUND`."""
        ...

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[Volume]:
        """Return up to `max_entries` (0: all) volumes from the token on (empty: the first)."""
        ...

    def capacity(
        self, parameters: Mapping[str, str], place: Mapping[str, str] | None = None, *, deadline: float
    ) -> Capacity:
        """Return the room there is for volumes with these parameters that can be reached from a place."""
        ...


class Snapshots(Protocol):
    """Snapshots on the storage hosts, by the rules of CSI; `storage.snapshots.SnapshotService`."""

    def create(
        self,
        source_volume_id: str,
        name: str,
        parameters: Mapping[str, str],
        *,
        topology: Topology = ...,
        deadline: float,
    ) -> Snapshot:
        """Take the snapshot, or return the one of that name if it is of that volume; it may not be ready."""
        ...

    def delete(self, snapshot_id: str, *, deadline: float) -> None:
        """Destroy the snapshot; succeed if there is none."""
        ...

    def get(self, snapshot_id: str, *, deadline: float) -> Snapshot:
        """Return the snapshot, or raise `NOT_FOUND`."""
        ...

    def list(
        self, starting_token: str, max_entries: int, *, snapshot_id: str, source_volume_id: str, deadline: float
    ) -> Listing[Snapshot]:
        """Return up to `max_entries` (0: all) snapshots from the token on; an empty id means any."""
        ...


class GroupSnapshots(Protocol):
    """Snapshots of several volumes at one moment, by the rules of CSI; `storage.groups.GroupSnapshotService`."""

    def create(self, source_volume_ids: Sequence[str], name: str, *, deadline: float) -> GroupSnapshot:
        """Take the snapshots, or return those of that name if they are of these volumes."""
        ...

    def delete(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> None:
        """Destroy the snapshots; succeed if there are none. No ids: whichever they are."""
        ...

    def get(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> GroupSnapshot:
        """Return the snapshots, or raise `NOT_FOUND`. No ids: whichever they are."""
        ...


class Health(Protocol):
    """What ails the volumes, as their storage hosts see it; `storage.health.HealthService`."""

    def get(self, volume_id: str, *, deadline: float) -> VolumeHealth:
        """Return what ails the volume, or raise `NOT_FOUND`."""
        ...

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[VolumeHealth]:
        """Return up to `max_entries` (0: all) volumes that are not well, from the token on (empty: the first)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What the Controller and GroupController services need."""

    volumes: Volumes
    snapshots: Snapshots
    groups: GroupSnapshots
    health: Health


class Node(Protocol):
    """Volumes on this node; `node.service.NodeService`."""

    def stage(self, request: StageRequest) -> None:
        """Make the volume ready on this node."""
        ...

    def unstage(self, volume_id: str, staging_path: str) -> None:
        """Undo `stage`."""
        ...

    def publish(self, request: PublishRequest) -> None:
        """Show a staged volume at a path."""
        ...

    def unpublish(self, volume_id: str, target_path: str) -> None:
        """Undo `publish`."""
        ...

    def stats(self, volume_id: str, volume_path: str) -> VolumeStats:
        """Return how big and how full the volume is."""
        ...

    def expand(self, volume_id: str, volume_path: str, staging_path: str) -> int:
        """Make the most of a volume that has grown; return its size in bytes. No staging path: empty."""
        ...

    def volume_health(self, volume_id: str, publish_path: str, staging_path: str) -> tuple[Condition, ...]:
        """Return what ails the volume on this node; either path may be empty."""
        ...

    def storage_health(self) -> tuple[BackendCondition, ...]:
        """Return what ails this node's way to its storage."""
        ...

    def info(self) -> NodeInfo:
        """Return who this node is."""
        ...
