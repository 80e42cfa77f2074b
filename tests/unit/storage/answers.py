"""A backend with canned answers, and the services before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.groups import GroupSnapshotService
from csi_driver.storage.ids import GroupId, HostedId, NodeId, SnapshotId, VolumeId
from csi_driver.storage.model import (
    Capacity,
    GroupSnapshot,
    Modification,
    Page,
    Placement,
    Protocol,
    Publication,
    Snapshot,
    SnapshotFilter,
    Volume,
    VolumeRequest,
    VolumeSpec,
)
from csi_driver.storage.snapshots import SnapshotService
from csi_driver.storage.volumes import VolumeService
from tests.unit.storage.test_placement import config

Item = TypeVar("Item", Volume, Snapshot)

NODE = str(NodeId("node-1", ("192.0.2.21",)))
UUIDS = [f"{number:032x}" for number in range(9)]


class Answers:
    """
    Keeps canned volumes and snapshots per host, the latter by source, and notes what it was asked.

    `down` hosts do not answer, `full` ones refuse new volumes; `named` hosts have the volume asked for by name.
    """

    def __init__(
        self,
        volumes: dict[str, list[str]] | None = None,
        *,
        snapshots: dict[str, dict[str, str]] | None = None,
        down: tuple[str, ...] = (),
        full: tuple[str, ...] = (),
        named: dict[str, str] | None = None,
    ) -> None:
        self.volumes = volumes or {}
        self.snapshots = snapshots or {}
        self.down = down
        self.full = full
        self.named = named or {}
        self.placements: dict[str, Placement] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.sources: list[HostedId | None] = []
        self.specs: list[VolumeSpec] = []

    def create_volume(self, host: str, request: VolumeRequest, *, deadline: float) -> Volume:
        self.calls.append(("create", host, request.name))
        self.sources.append(request.source)
        self.specs.append(request.spec)
        self.placements[host] = request.placement
        self._answer(host)
        if host in self.full:
            raise DriverError(ErrorCode.OUT_OF_SPACE, f"{host} is full")
        return volume(host, UUIDS[0])

    def find_volume(self, host: str, name: str, *, deadline: float) -> Volume | None:
        self.calls.append(("find", host, name))
        self._answer(host)
        found = self.named.get(host)
        return volume(host, found) if found else None

    def delete_volume(self, volume: VolumeId, *, deadline: float) -> None:
        self.calls.append(("delete", str(volume)))

    def expand_volume(
        self, volume: VolumeId, *, required_bytes: int, limit_bytes: int, key: Any = None, deadline: float
    ) -> Volume:
        self.calls.append(("expand", str(volume), required_bytes, limit_bytes))
        return _volume(volume)

    def modify_volume(self, volume: VolumeId, wanted: Modification, *, deadline: float) -> Volume:
        self.calls.append(("modify", str(volume), dict(wanted.properties), wanted.thin))
        return _volume(volume)

    def publish(self, volume: VolumeId, request: Any, *, deadline: float) -> Publication:
        self.calls.append(("publish", str(volume), str(request.node), request.readonly))
        return Publication(
            node=NODE, mode=request.mode, readonly=request.readonly, protocol=Protocol.ISCSI, target="iqn.x", lun=0
        )

    def unpublish(self, volume: VolumeId, node: str | None, *, deadline: float) -> None:
        self.calls.append(("unpublish", str(volume), node))

    def get_volume(self, volume: VolumeId, *, deadline: float) -> Volume:
        raise DriverError(ErrorCode.NOT_FOUND, f"there is no volume {volume}")

    def list_volumes(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[Volume]:
        self._answer(host)
        return paged([volume(host, uuid) for uuid in self.volumes.get(host, [])], after, limit)

    def create_snapshot(self, source: VolumeId, name: str, *, detached: bool = False, deadline: float) -> Snapshot:
        self.calls.append(("detached snapshot" if detached else "snapshot", str(source), name))
        return snapshot(source.host, UUIDS[0], source.uuid)

    def delete_snapshot(self, snapshot: SnapshotId, *, deadline: float) -> None:
        self.calls.append(("delete", str(snapshot)))

    def list_snapshots(
        self, host: str, wanted: SnapshotFilter, *, after: str | None, limit: int, deadline: float
    ) -> Page[Snapshot]:
        self._answer(host)
        self.calls.append(("list", host))
        every = [snapshot(host, uuid, source) for uuid, source in self.snapshots.get(host, {}).items()]
        meant = [one for one in every if wanted.snapshot in (None, one.id) and wanted.source in (None, one.source)]
        return paged(meant, after, limit)

    def create_group_snapshot(self, sources: Sequence[VolumeId], name: str, *, deadline: float) -> GroupSnapshot:
        self.calls.append(("group", [str(source) for source in sources], name))
        return group_snapshot(sources[0].host)

    def delete_group_snapshot(self, group: GroupId, snapshots: Sequence[str], *, deadline: float) -> None:
        self.calls.append(("delete", str(group), list(snapshots)))

    def get_group_snapshot(self, group: GroupId, *, deadline: float) -> GroupSnapshot:
        self._answer(group.host)
        self.calls.append(("get", str(group)))
        return group_snapshot(group.host)

    def capacity(self, host: str, *, deadline: float) -> Capacity:
        self._answer(host)
        return Capacity(available_bytes=100, maximum_volume_bytes=60)

    def _answer(self, host: str) -> None:
        if host in self.down:
            raise DriverError(ErrorCode.DEGRADED, f"{host} is down")


def paged(items: list[Item], after: str | None, limit: int) -> Page[Item]:
    """A page as a host makes it."""
    rest = [item for item in items if after is None or item.id.uuid > after]
    shown = rest[:limit] if limit else rest
    return Page(items=tuple(shown), next_after=shown[-1].id if len(shown) < len(rest) else None)


def volume(host: str, uuid: str) -> Volume:
    """A volume as a backend returns it."""
    return Volume(id=VolumeId(host, uuid), name="n", size_bytes=1 << 30, attributes={})


def _volume(identity: VolumeId) -> Volume:
    return volume(identity.host, identity.uuid)


def snapshot(host: str, uuid: str, source: str) -> Snapshot:
    """A snapshot as a backend returns it."""
    return Snapshot(id=SnapshotId(host, uuid), source=VolumeId(host, source), size_bytes=1 << 30, created=1, ready=True)


def group_snapshot(host: str) -> GroupSnapshot:
    """Two snapshots taken together as a backend returns them."""
    members = tuple(snapshot(host, UUIDS[number], UUIDS[number + 6]) for number in (1, 2))
    return GroupSnapshot(id=GroupId(host, UUIDS[0]), snapshots=members, created=1, ready=True)


def service(answers: Answers, **parents: str) -> VolumeService:
    """The service before two hosts with canned answers."""
    return VolumeService(config(**(parents or {"a": "tank/csi", "b": "dozer/csi"})), answers)


def snapshot_service(answers: Answers) -> SnapshotService:
    """The snapshots of the same two hosts."""
    return SnapshotService(config(a="tank/csi", b="dozer/csi"), answers)


def group_service(answers: Answers) -> GroupSnapshotService:
    """The group snapshots of the same two hosts."""
    return GroupSnapshotService(config(a="tank/csi", b="dozer/csi"), answers)
