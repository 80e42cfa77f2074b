"""
The storage hosts behind Ansible: one lane for changes, and reads beside it, for each of them.

Promises what `StorageBackend` promises. Knows neither gRPC nor what a request means to CSI.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.orchestrator import results
from csi_driver.orchestrator.copies import until_copied
from csi_driver.orchestrator.lanes import Busy, DeadlinePassed, Lane, Operation, Reads, Uncertain
from csi_driver.orchestrator.runner import HostUnreachable, RunDied
from csi_driver.orchestrator.secrets import Secrets
from csi_driver.storage.ids import SnapshotId, initiator_name
from csi_driver.storage.model import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from csi_driver.config import Config, StorageHost
    from csi_driver.orchestrator.lanes import Batch
    from csi_driver.orchestrator.runner import PlaybookRunner
    from csi_driver.storage.ids import GroupId, HostedId, VolumeId
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

APPLY_SECONDS = 120.0
INFO_SECONDS = 60.0
LOCK_SECONDS = 30.0
RUN_MARGIN_SECONDS = 15.0  # what a run may take beyond its module: connecting, for the most part


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One read of a storage host."""

    kind: str
    uuid: str | None = None
    volume: str | None = None
    after: str | None = None
    limit: int = 0
    nearly_full_percent: int = 0
    names: frozenset[str] = frozenset()

    def merged(self, other: Query) -> Query | None:
        """Return the one read that answers both, None where there is none."""
        if self == other:
            return self
        named = replace(self, names=frozenset()) == replace(other, names=frozenset()) and self.names and other.names
        return replace(self, names=self.names | other.names) if named else None


class _Host:
    """One storage host: its lane, its reads, and what every request to it holds."""

    def __init__(self, name: str, host: StorageHost, owner: str, runner: PlaybookRunner) -> None:
        self.name = name
        self.portal_group = host.portal_group
        self._runner = runner
        self._common = {
            "owner": owner,
            "parent": host.parent,
            "settings_dir": host.settings_dir,
            "privilege": host.privilege,
        }
        self.lane: Lane[Mapping[str, Any]] = Lane(self._apply)
        self.reads: Reads[Query, Mapping[str, Any]] = Reads(self._info, merged=Query.merged)

    def _apply(self, batch: Batch) -> Mapping[str, Mapping[str, Any]]:
        resources = [{"key": operation.key, **operation.resource} for operation in batch]
        limits = {"lock_timeout": LOCK_SECONDS, "time_limit": APPLY_SECONDS}
        secrets = {name: secret for operation in batch for name, secret in operation.secrets.items()}
        request = {**self._common, **limits, "resources": resources, **({"secrets": secrets} if secrets else {})}
        result = self._run("apply", request, APPLY_SECONDS)
        return results.outcomes(result)

    def _info(self, query: Query) -> Mapping[str, Any]:
        wanted = {name: value for name, value in asdict(query).items() if name != "kind" and value}
        if query.names:
            wanted["names"] = sorted(query.names)
        request = {**self._common, **wanted, "kinds": [query.kind], "time_limit": INFO_SECONDS}
        return self._run("info", request, INFO_SECONDS)

    def _run(self, playbook: str, request: Mapping[str, object], seconds: float) -> Mapping[str, Any]:
        try:
            return self._runner.run(playbook, self.name, request, time_limit=seconds + RUN_MARGIN_SECONDS)
        except HostUnreachable as error:
            message = f"storage host {self.name} cannot be reached: {error}; check the host, the network and its keys"
            raise DriverError(ErrorCode.DEGRADED, message) from error
        except RunDied as error:
            message = f"a run on storage host {self.name} ended without a result: {error}; ask again"
            raise DriverError(ErrorCode.UNCERTAIN, message) from error


class AnsibleBackend:
    """`StorageBackend` by the playbooks `apply` and `info`."""

    def __init__(self, config: Config, runner: PlaybookRunner) -> None:
        self._cluster = config.cluster
        self._secrets = Secrets()
        self._node_limit = config.node.max_volumes
        self._nearly_full_percent = config.health.nearly_full_percent
        self._hosts = {
            name: _Host(name, host, config.owner_on(name), runner) for name, host in config.hosts_in_service.items()
        }

    def waiting(self, host: str) -> int:
        """Return how many changes wait for the next run on the host."""
        return self._hosts[host].lane.waiting

    def create_volume(self, host: str, request: VolumeRequest, *, deadline: float) -> Volume:
        """See `StorageBackend`."""
        spec, source = request.spec, request.source
        resource = {
            "kind": "volume",
            "state": "present",
            "name": request.name,
            "required_bytes": request.required_bytes,
            "limit_bytes": request.limit_bytes,
            "volblocksize": spec.volblocksize,
            "thin": spec.thin,
            "blocksize": spec.blocksize,
            "properties": dict(spec.properties),
            "attributes": dict(spec.attributes),
            **({"source": {source.what: source.uuid}, "clone_mode": spec.clone_mode.value} if source else {}),
            **({"encryption": asdict(spec.encryption)} if spec.encryption else {}),
            **({"chap": spec.chap.value} if spec.chap else {}),
            **({"placement": _placement(request.placement)} if request.placement != Placement() else {}),
        }
        reads = frozenset({_met(source)} if source else ())
        operation = Operation(resource, frozenset({("name", request.name)}), reads)
        keyed = self._secrets.with_key(operation, request.key)
        item = until_copied(lambda: self._change(host, keyed, deadline), deadline)
        volume = results.volume(host, item.get("volume") or {})
        # Only a volume with this very source is compatible with the request.
        return replace(volume, source=source)

    def find_volume(self, host: str, name: str, *, deadline: float) -> Volume | None:
        """See `StorageBackend`."""
        result = self._read(host, Query(kind="volumes", names=frozenset({name})), deadline)
        return next((volume for volume in results.volumes(host, result).items if volume.name == name), None)

    def delete_volume(self, volume: VolumeId, *, deadline: float) -> None:
        """See `StorageBackend`."""
        self._change(volume.host, _on(volume, {"kind": "volume", "state": "absent", "uuid": volume.uuid}), deadline)

    def expand_volume(
        self,
        volume: VolumeId,
        *,
        required_bytes: int,
        limit_bytes: int,
        key: EncryptionKey | None = None,
        deadline: float,
    ) -> Volume:
        """See `StorageBackend`."""
        resource = {
            "kind": "volume",
            "state": "present",
            "uuid": volume.uuid,
            "required_bytes": required_bytes,
            "limit_bytes": limit_bytes,
        }
        item = self._change(volume.host, self._secrets.with_key(_on(volume, resource), key), deadline)
        return results.volume(volume.host, item.get("volume") or {})

    def modify_volume(self, volume: VolumeId, wanted: Modification, *, deadline: float) -> Volume:
        """See `StorageBackend`."""
        resource = {
            "kind": "volume",
            "state": "present",
            "uuid": volume.uuid,
            "properties": dict(wanted.properties),
            **({} if wanted.thin is None else {"thin": wanted.thin}),
        }
        item = self._change(volume.host, _on(volume, resource), deadline)
        return results.volume(volume.host, item.get("volume") or {})

    def publish(self, volume: VolumeId, request: PublicationRequest, *, deadline: float) -> Publication:
        """See `StorageBackend`."""
        resource = {
            "kind": "publication",
            "state": "present",
            "volume": volume.uuid,
            "node": str(request.node),
            "initiator": initiator_name(self._cluster, request.node.name),
            "mode": request.mode.value,
            "readonly": request.readonly,
            "protocol": "iscsi",
            "portal_group": self._hosts[volume.host].portal_group,
            "node_limit": self._node_limit,
        }
        operation = self._secrets.with_key(_on(volume, resource), request.key)
        item = self._change(volume.host, self._secrets.with_chap(operation, request.chap), deadline)
        return results.publication(item.get("publication") or {})

    def unpublish(self, volume: VolumeId, node: str | None, *, deadline: float) -> None:
        """See `StorageBackend`."""
        resource = {"kind": "publication", "state": "absent", "volume": volume.uuid, "node": node}
        self._change(volume.host, _on(volume, resource), deadline)

    def get_volume(self, volume: VolumeId, *, deadline: float) -> Volume:
        """See `StorageBackend`."""
        result = self._read(volume.host, Query(kind="volumes", uuid=volume.uuid), deadline)
        found = results.volumes(volume.host, result).items
        if not found:
            raise DriverError(ErrorCode.NOT_FOUND, f"there is no volume {volume}", option="volume_id")
        return found[0]

    def list_volumes(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[Volume]:
        """See `StorageBackend`."""
        return results.volumes(host, self._read(host, Query(kind="volumes", after=after, limit=limit), deadline))

    def create_snapshot(self, source: VolumeId, name: str, *, detached: bool = False, deadline: float) -> Snapshot:
        """See `StorageBackend`."""
        resource = {
            "kind": "snapshot",
            "state": "present",
            "name": name,
            "volume": source.uuid,
            **({"detached": True} if detached else {}),
        }
        operation = Operation(resource, writes=frozenset({("snapshot name", name)}), reads=frozenset({_met(source)}))
        item = self._change(source.host, operation, deadline)
        return results.snapshot(source.host, item.get("snapshot") or {})

    def delete_snapshot(self, snapshot: SnapshotId, *, deadline: float) -> None:
        """See `StorageBackend`."""
        resource = {"kind": "snapshot", "state": "absent", "uuid": snapshot.uuid}
        self._change(snapshot.host, _on(snapshot, resource), deadline)

    def list_snapshots(
        self, host: str, wanted: SnapshotFilter, *, after: str | None, limit: int, deadline: float
    ) -> Page[Snapshot]:
        """See `StorageBackend`."""
        query = Query(
            kind="snapshots",
            uuid=wanted.snapshot.uuid if wanted.snapshot else None,
            volume=wanted.source.uuid if wanted.source else None,
            after=after,
            limit=limit,
        )
        return results.snapshots(host, self._read(host, query, deadline))

    def create_group_snapshot(self, sources: Sequence[VolumeId], name: str, *, deadline: float) -> GroupSnapshot:
        """See `StorageBackend`."""
        (host,) = {source.host for source in sources}
        volumes = [source.uuid for source in sources]
        resource = {"kind": "group_snapshot", "state": "present", "name": name, "volumes": volumes}
        reads = frozenset(_met(source) for source in sources)
        operation = Operation(resource, writes=frozenset({("group snapshot name", name)}), reads=reads)
        return results.group_snapshot(host, self._change(host, operation, deadline).get("group_snapshot") or {})

    def delete_group_snapshot(self, group: GroupId, snapshots: Sequence[str], *, deadline: float) -> None:
        """See `StorageBackend`."""
        resource = {"kind": "group_snapshot", "state": "absent", "uuid": group.uuid, "snapshots": list(snapshots)}
        members = {(SnapshotId.what, uuid) for uuid in snapshots}
        self._change(group.host, Operation(resource, writes=frozenset({_met(group), *members})), deadline)

    def get_group_snapshot(self, group: GroupId, *, deadline: float) -> GroupSnapshot:
        """See `StorageBackend`."""
        result = self._read(group.host, Query(kind="group_snapshots", uuid=group.uuid), deadline)
        found = results.group_snapshots(group.host, result)
        if not found:
            raise DriverError(ErrorCode.NOT_FOUND, f"there is no group snapshot {group}", option="group_snapshot_id")
        return found[0]

    def volume_health(self, volume: VolumeId, *, deadline: float) -> VolumeHealth:
        """See `StorageBackend`."""
        found = self._health(volume.host, deadline, uuid=volume.uuid).items
        if not found:
            raise DriverError(ErrorCode.NOT_FOUND, f"there is no volume {volume}", option="volume_id")
        return found[0]

    def list_volume_health(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[VolumeHealth]:
        """See `StorageBackend`."""
        return self._health(host, deadline, after=after, limit=limit)

    def _health(
        self, host: str, deadline: float, *, uuid: str | None = None, after: str | None = None, limit: int = 0
    ) -> Page[VolumeHealth]:
        percent = self._nearly_full_percent
        query = Query(kind="health", uuid=uuid, after=after, limit=limit, nearly_full_percent=percent)
        return results.volume_health(host, self._read(host, query, deadline))

    def capacity(self, host: str, *, deadline: float) -> Capacity:
        """See `StorageBackend`."""
        return results.capacity(self._read(host, Query(kind="capacity"), deadline))

    def _change(self, host: str, operation: Operation, deadline: float) -> Mapping[str, Any]:
        with _told(host):
            item = self._hosts[host].lane.submit(operation, deadline)
        results.check(item)
        return item

    def _read(self, host: str, query: Query, deadline: float) -> Mapping[str, Any]:
        with _told(host):
            return self._hosts[host].reads.read(query, deadline)


def _placement(placement: Placement) -> dict[str, object]:
    return {
        "seen": sorted(placement.seen),
        "unseen": sorted(placement.unseen),
        "passes_on": placement.passes_on,
        "closed": placement.closed,
    }


def _on(thing: HostedId, resource: Mapping[str, object]) -> Operation:
    return Operation(resource, writes=frozenset({_met(thing)}))


def _met(thing: HostedId) -> tuple[str, str]:
    return thing.what, thing.uuid


@contextmanager
def _told(host: str) -> Iterator[None]:
    """Turn what the lane says into what a caller may conclude."""
    try:
        yield
    except Busy as error:
        message = f"storage host {host} is busy: {error}"
        raise DriverError(ErrorCode.BUSY, message) from error
    except DeadlinePassed as error:
        raise DriverError(ErrorCode.UNCERTAIN, f"storage host {host}: {error}") from error
    except Uncertain as error:
        # What ended the run may be known, and then says more: the host was not reached, say.
        if isinstance(cause := error.__cause__, DriverError):
            raise DriverError(cause.code, cause.message, option=cause.option) from error
        raise DriverError(ErrorCode.UNCERTAIN, f"storage host {host}: {error}") from error
