"""
Snapshots of several volumes at one moment, by the rules of CSI.

ZFS takes several at once only within one pool, so the volumes have to lie on one storage host. Knows
neither gRPC nor Ansible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import hosts
from csi_driver.storage.ids import GroupId, VolumeId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from csi_driver.config import Config
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import GroupSnapshot


class GroupSnapshotService:
    """The group snapshots of one cluster on its storage hosts. All methods raise `DriverError` only."""

    def __init__(self, config: Config, backend: StorageBackend) -> None:
        self._config = config
        self._backend = backend

    def create(self, source_volume_ids: Sequence[str], name: str, *, deadline: float) -> GroupSnapshot:
        """Take the snapshots, or return those of that name if they are of these volumes."""
        sources = [hosts.configured(self._config, VolumeId.parse(each)) for each in source_volume_ids]
        _check_together(sources)
        return self._located(self._backend.create_group_snapshot(sorted(sources), name, deadline=deadline))

    def delete(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> None:
        """
        Destroy the snapshots; what cannot be the id of a group names none, so they are gone already.

        Raises `INVALID` if the group has other snapshots than those given.
        """
        group = hosts.named(self._config, GroupId, group_snapshot_id)
        if group is not None:
            self._backend.delete_group_snapshot(group, _uuids(group, snapshot_ids), deadline=deadline)

    def get(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> GroupSnapshot:
        """Return the snapshots, or raise `NOT_FOUND`; `INVALID` if they are others than those given."""
        group = hosts.configured(self._config, GroupId.parse(group_snapshot_id))
        found = self._backend.get_group_snapshot(group, deadline=deadline)
        ids = [str(snapshot.id) for snapshot in found.snapshots]
        if snapshot_ids and set(snapshot_ids) != set(ids):
            message = f"group snapshot {group} has other snapshots than those given: {', '.join(ids)}"
            raise DriverError(ErrorCode.INVALID, message, option="snapshot_ids")
        return self._located(found)

    def _located(self, group: GroupSnapshot) -> GroupSnapshot:
        return replace(group, snapshots=tuple(hosts.located(self._config, each) for each in group.snapshots))


def _check_together(sources: Iterable[VolumeId]) -> None:
    by_host: dict[str, list[VolumeId]] = {}
    for source in sources:
        by_host.setdefault(source.host, []).append(source)
    if len(by_host) > 1:
        where = "; ".join(f"{', '.join(map(str, each))} on {host}" for host, each in sorted(by_host.items()))
        message = f"snapshots can be taken at one moment only of volumes of one storage host, and these lie: {where}"
        raise DriverError(ErrorCode.UNSUPPORTED, message, option="source_volume_ids")


def _uuids(group: GroupId, snapshot_ids: Iterable[str]) -> list[str]:
    """Return the ids as the group's host knows them; what lies elsewhere stays as it is, and is none of them."""
    return sorted({each.removeprefix(f"{group.host}:") for each in snapshot_ids})
