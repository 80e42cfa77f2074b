"""
The seam between the domain and the storage hosts.

Promises of every method: idempotent; safe to call concurrently and from several replicas; returns
what is there after the call, not what was asked; raises `DriverError` and nothing else, with
`UNCERTAIN` whenever the outcome is not known. `deadline` is a `time.monotonic()` value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csi_driver.storage.ids import GroupId, SnapshotId, VolumeId
    from csi_driver.storage.model import (
        Capacity,
        EncryptionKey,
        GroupSnapshot,
        Modification,
        Page,
        Publication,
        PublicationRequest,
        Snapshot,
        SnapshotFilter,
        Volume,
        VolumeHealth,
        VolumeRequest,
    )


class StorageBackend(Protocol):
    """Storage hosts, each addressed by its configured name."""

    def create_volume(self, host: str, request: VolumeRequest, *, deadline: float) -> Volume:
        """
        Make the volume, or return the one of that name if it is compatible.

        With a source it holds what that holds; `SOURCE_NOT_FOUND` if there is no such source. Where
        that takes longer than the deadline allows, or the source itself is not ready, `COPYING`: it goes
        on, and the same call finds it again. A refusal for want of room is kept, and stands, as the
        request's placement has it.
        """
        ...

    def find_volume(self, host: str, name: str, *, deadline: float) -> Volume | None:
        """Return the volume of that name on the host, None if it has none."""
        ...

    def delete_volume(self, volume: VolumeId, *, deadline: float) -> None:
        """
        Destroy the volume; succeed if there is none. `IN_USE` while it is published.

        Its snapshots, and the volumes made from it, live on.
        """
        ...

    def expand_volume(
        self,
        volume: VolumeId,
        *,
        required_bytes: int,
        limit_bytes: int,
        key: EncryptionKey | None = None,
        deadline: float,
    ) -> Volume:
        """
        Grow the volume to at least `required_bytes`, published or not; never shrink it.

        `OUT_OF_RANGE` if that is impossible within `limit_bytes` (0: no limit) or for want of room.
        """
        ...

    def modify_volume(self, volume: VolumeId, wanted: Modification, *, deadline: float) -> Volume:
        """
        Change what is asked for, all of it or nothing, published or not.

        `OUT_OF_RANGE` if there is no room to set aside for it.
        """
        ...

    def publish(self, volume: VolumeId, request: PublicationRequest, *, deadline: float) -> Publication:
        """Export the volume to the node; the same request again gives the same publication."""
        ...

    def unpublish(self, volume: VolumeId, node: str | None, *, deadline: float) -> None:
        """End the export to the node (None: to every node); on return its sessions are gone."""
        ...

    def get_volume(self, volume: VolumeId, *, deadline: float) -> Volume:
        """Return the volume, or raise `NOT_FOUND`."""
        ...

    def list_volumes(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[Volume]:
        """Return up to `limit` (0: all) volumes of the host whose uuid sorts after `after`."""
        ...

    def create_snapshot(self, source: VolumeId, name: str, *, detached: bool = False, deadline: float) -> Snapshot:
        """
        Take the snapshot, or return the one of that name if it is of that volume.

        `detached`: with a copy of the data of its own; it is returned before that is there, not ready,
        and goes on by itself. `SOURCE_NOT_FOUND` if there is no such volume.
        """
        ...

    def delete_snapshot(self, snapshot: SnapshotId, *, deadline: float) -> None:
        """Destroy the snapshot; succeed if there is none. Volumes made from it live on."""
        ...

    def list_snapshots(
        self, host: str, wanted: SnapshotFilter, *, after: str | None, limit: int, deadline: float
    ) -> Page[Snapshot]:
        """Return up to `limit` (0: all) of the host's snapshots meant whose uuid sorts after `after`."""
        ...

    def create_group_snapshot(self, sources: Sequence[VolumeId], name: str, *, deadline: float) -> GroupSnapshot:
        """
        Take snapshots of volumes of one host at one moment, or return those of that name and these volumes.

        All of them or none. `SOURCE_NOT_FOUND` if one of the volumes does not exist.
        """
        ...

    def delete_group_snapshot(self, group: GroupId, snapshots: Sequence[str], *, deadline: float) -> None:
        """
        Destroy the snapshots; succeed if there are none. Volumes made from them live on.

        `snapshots` are what the caller believes to be their uuids; if there are any, and they are not, `INVALID`.
        """
        ...

    def get_group_snapshot(self, group: GroupId, *, deadline: float) -> GroupSnapshot:
        """Return the snapshots that were taken together, or raise `NOT_FOUND`."""
        ...

    def volume_health(self, volume: VolumeId, *, deadline: float) -> VolumeHealth:
        """Return what ails the volume as its host sees it, or raise `NOT_FOUND`."""
        ...

    def list_volume_health(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[VolumeHealth]:
        """Return up to `limit` (0: all) of the host's volumes that are not well and whose uuid sorts after `after`."""
        ...

    def capacity(self, host: str, *, deadline: float) -> Capacity:
        """Return the room left on the host."""
        ...
