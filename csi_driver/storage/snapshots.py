"""
Snapshots by the rules of CSI: shape each request, and leave to the storage host what only it knows.

A snapshot lies on its volume's host, and so do the volumes made from it; each lives on when the
others are deleted. Knows neither gRPC nor Ansible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import hosts
from csi_driver.storage import parameters as snapshot_class
from csi_driver.storage.ids import SnapshotId, VolumeId
from csi_driver.storage.model import Listing, SnapshotFilter
from csi_driver.storage.placement import ANYWHERE, reachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.config import Config
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import Page, Snapshot, Topology

_NONE: Listing[Snapshot] = Listing(items=(), next_token="")


class SnapshotService:
    """The snapshots of one cluster on its storage hosts. All methods raise `DriverError` only."""

    def __init__(self, config: Config, backend: StorageBackend) -> None:
        self._config = config
        self._backend = backend

    def create(
        self,
        source_volume_id: str,
        name: str,
        parameters: Mapping[str, str],
        *,
        topology: Topology = ANYWHERE,
        deadline: float,
    ) -> Snapshot:
        """
        Take the snapshot, or return the one of that name if it is of that volume and as detached.

        It lies beside its volume: `OUT_OF_SPACE` if that is not where it has to be reached from.
        """
        detached = snapshot_class.parse_snapshot(parameters).detached == "true"
        source = hosts.configured(self._config, VolumeId.parse(source_volume_id))
        if not reachable(self._config.hosts[source.host].topology, topology.requisite):
            message = f"volume {source} cannot be reached from where the snapshot is needed, nor can its snapshots"
            raise DriverError(ErrorCode.OUT_OF_SPACE, message, option="accessibility_requirements")
        snapshot = self._backend.create_snapshot(source, name, detached=detached, deadline=deadline)
        return hosts.located(self._config, snapshot)

    def delete(self, snapshot_id: str, *, deadline: float) -> None:
        """Destroy the snapshot; what cannot be the id of a snapshot names none, so it is gone already."""
        snapshot = hosts.named(self._config, SnapshotId, snapshot_id)
        if snapshot is not None:
            self._backend.delete_snapshot(snapshot, deadline=deadline)

    def get(self, snapshot_id: str, *, deadline: float) -> Snapshot:
        """Return the snapshot, or raise `NOT_FOUND`."""
        snapshot = hosts.configured(self._config, SnapshotId.parse(snapshot_id))
        wanted = SnapshotFilter(snapshot=snapshot)
        found = self._backend.list_snapshots(snapshot.host, wanted, after=None, limit=1, deadline=deadline).items
        if not found:
            raise DriverError(ErrorCode.NOT_FOUND, f"there is no snapshot {snapshot}", option="snapshot_id")
        return hosts.located(self._config, found[0])

    def list(
        self, starting_token: str, max_entries: int, *, snapshot_id: str, source_volume_id: str, deadline: float
    ) -> Listing[Snapshot]:
        """
        Return up to `max_entries` (0: all) snapshots after the token, over all hosts; never a part of them.

        An id that is not empty narrows them down to that snapshot, or those of that volume; if
        there is no such thing, there are none. Raises `STALE_TOKEN` for a token that this did not return.
        """
        start = hosts.starting_after(self._config, SnapshotId, starting_token)
        snapshot = hosts.named(self._config, SnapshotId, snapshot_id)
        source = hosts.named(self._config, VolumeId, source_volume_id)
        if (snapshot_id and not snapshot) or (source_volume_id and not source):
            return _NONE
        wanted = SnapshotFilter(snapshot=snapshot, source=source)

        def read(host: str, after: str | None, limit: int) -> Page[Snapshot]:
            return self._backend.list_snapshots(host, wanted, after=after, limit=limit, deadline=deadline)

        meant = set(self._config.hosts_in_service)
        for each in filter(None, (snapshot, source)):
            meant &= {each.host}
        page = hosts.listing(meant, read, start=start, max_entries=max_entries)
        return replace(page, items=tuple(hosts.located(self._config, each) for each in page.items))
