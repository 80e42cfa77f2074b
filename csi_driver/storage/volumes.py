"""
Volumes by the rules of CSI: shape each request, and leave to the storage host what only it knows.

Nothing is read before it is written: whether a volume exists, is compatible or in use is decided
on its host, under the host's lock. Knows neither gRPC nor Ansible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import hosts, keys, placement
from csi_driver.storage import parameters as storage_class
from csi_driver.storage.asking import Asker
from csi_driver.storage.chap import explained
from csi_driver.storage.ids import NodeId, SnapshotId, VolumeId
from csi_driver.storage.model import AccessMode, Capacity, ChapKind, FromSnapshot, PublicationRequest, VolumeRequest
from csi_driver.storage.placing import Placer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.config import Config
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import (
        Chap,
        EncryptionKey,
        FromVolume,
        Listing,
        NewVolume,
        Page,
        Publication,
        Topology,
        Volume,
    )
    from csi_driver.storage.parameters import Parameters

MAX_BYTES = (1 << 63) - 1  # off_t: what ZFS and CTL can address


class VolumeService:
    """The volumes of one cluster on its storage hosts. All methods raise `DriverError` only."""

    def __init__(self, config: Config, backend: StorageBackend) -> None:
        self._config = config
        self._backend = backend
        drained = frozenset(name for name, host in config.hosts.items() if host.drained)
        self._asker = Asker()
        self._placer = Placer(backend, self._asker, drained)

    def create(self, wanted: NewVolume, *, deadline: float) -> Volume:
        """
        Make the volume, or return the one of that name if it is compatible.

        A volume with a source lies beside it. Of several hosts that are eligible for one without,
        the best that has room gets it, and keeps it at every retry.
        """
        given = storage_class.parse(wanted.parameters, self._config.defaults, wanted.mutable_parameters)
        keys.check(given.spec, wanted.key, declined=given.encryption == "off")
        source = self._source(wanted.source)
        ranking = self._beside(source, given, wanted.topology) if source else self._ranking(wanted, given)
        # A copy has its source's block size, which only the host knows.
        block = storage_class.MIN_VOLBLOCKSIZE if source else given.spec.volblocksize
        _check_size(wanted.required_bytes, wanted.limit_bytes, block)
        request = VolumeRequest(
            name=wanted.name,
            spec=given.spec,
            required_bytes=wanted.required_bytes,
            limit_bytes=wanted.limit_bytes,
            source=source,
            key=wanted.key if given.spec.encryption else None,
        )
        return hosts.located(self._config, self._placer.create(ranking, request, deadline=deadline))

    def _source(self, source: FromSnapshot | FromVolume | None) -> SnapshotId | VolumeId | None:
        if source is None:
            return None
        if isinstance(source, FromSnapshot):
            return hosts.configured(self._config, SnapshotId.parse(source.snapshot_id))
        return hosts.configured(self._config, VolumeId.parse(source.volume_id))

    def _ranking(self, wanted: NewVolume, given: Parameters) -> tuple[str, ...]:
        eligible = placement.eligible(self._config, given, wanted.topology)
        return placement.ranked(self._config, eligible, name=wanted.name, preferred=wanted.topology.preferred)

    def _beside(self, source: SnapshotId | VolumeId, given: Parameters, topology: Topology) -> tuple[str, ...]:
        if source.host not in placement.eligible(self._config, given):
            wanted = "the StorageClass asks for another host or pool; use a class that allows this one"
            raise _elsewhere(source, ErrorCode.INVALID, wanted, "parameters.host")
        if not placement.reachable(self._config.hosts[source.host].topology, topology.requisite):
            wanted = "it is needed where that host cannot be reached; use nodes that reach it"
            raise _elsewhere(source, ErrorCode.OUT_OF_SPACE, wanted, "accessibility_requirements")
        return (source.host,)

    def modify(self, volume_id: str, mutable_parameters: Mapping[str, str], *, deadline: float) -> Volume:
        """Change what the parameters name, all of it or nothing; the rest stays as it is."""
        volume = hosts.configured(self._config, VolumeId.parse(volume_id))
        wanted = storage_class.parse_mutable(mutable_parameters).modification
        return self._backend.modify_volume(volume, wanted, deadline=deadline)

    def expand(
        self,
        volume_id: str,
        required_bytes: int,
        limit_bytes: int,
        *,
        key: EncryptionKey | None = None,
        deadline: float,
    ) -> Volume:
        """Grow the volume to at least `required_bytes`; one that is big enough already stays as it is."""
        volume = hosts.configured(self._config, VolumeId.parse(volume_id))
        _check_size(required_bytes, limit_bytes, storage_class.MIN_VOLBLOCKSIZE)
        return self._backend.expand_volume(
            volume, required_bytes=required_bytes, limit_bytes=limit_bytes, key=key, deadline=deadline
        )

    def delete(self, volume_id: str, *, deadline: float) -> None:
        """Destroy the volume; what cannot be the id of a volume names none, so it is gone already."""
        volume = hosts.named(self._config, VolumeId, volume_id)
        if volume is not None:
            self._backend.delete_volume(volume, deadline=deadline)

    def publish(  # noqa: PLR0913 - each is a field of the request
        self,
        volume_id: str,
        node_id: str,
        mode: AccessMode,
        readonly: bool,  # noqa: FBT001 - a field of the request, in its order
        *,
        key: EncryptionKey | None = None,
        chap: Chap | None = None,
        deadline: float,
    ) -> Mapping[str, str]:
        """Export the volume to the node; return the publish context, by which the node finds it."""
        volume = hosts.configured(self._config, VolumeId.parse(volume_id))
        node = NodeId.parse(node_id)
        request = PublicationRequest(node=node, mode=mode, readonly=readonly or mode.is_reader, key=key, chap=chap)
        try:
            publication = self._backend.publish(volume, request, deadline=deadline)
        except DriverError as error:
            raise explained(error, chap) from error
        return self._context(volume, publication)

    def _context(self, volume: VolumeId, publication: Publication) -> Mapping[str, str]:
        context = {
            "protocol": publication.protocol.value,
            "portals": ",".join(self._config.hosts[volume.host].portals),
            "target": publication.target,
            "lun": str(publication.lun),
            "serial": volume.serial,
            **({} if publication.chap is ChapKind.NONE else {"chap": publication.chap.value}),
        }
        return {**context, "readonly": "true"} if publication.readonly else context

    def unpublish(self, volume_id: str, node_id: str | None, *, deadline: float) -> None:
        """
        End the export to the node (None: to every node). What cannot be the id of a volume has no export.

        What cannot be the id of a node is asked about all the same: this is fencing, and only the
        volume's host can tell that it exports nothing under that name.
        """
        volume = hosts.named(self._config, VolumeId, volume_id)
        if volume is not None:
            self._backend.unpublish(volume, node_id, deadline=deadline)

    def get(self, volume_id: str, *, deadline: float) -> Volume:
        """Return the volume, or raise `NOT_FOUND`."""
        volume = hosts.configured(self._config, VolumeId.parse(volume_id))
        return hosts.located(self._config, self._backend.get_volume(volume, deadline=deadline))

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[Volume]:
        """
        Return up to `max_entries` (0: all) volumes after the token, over all hosts; never a part of them.

        Raises `STALE_TOKEN` for a token that this did not return.
        """

        def read(host: str, after: str | None, limit: int) -> Page[Volume]:
            return self._backend.list_volumes(host, after=after, limit=limit, deadline=deadline)

        start = hosts.starting_after(self._config, VolumeId, starting_token)
        page = hosts.listing(self._config.hosts_in_service, read, start=start, max_entries=max_entries)
        return replace(page, items=tuple(hosts.located(self._config, each) for each in page.items))

    def capacity(
        self, parameters: Mapping[str, str], place: Mapping[str, str] | None = None, *, deadline: float
    ) -> Capacity:
        """
        Return the room there is for volumes with these parameters, over all hosts that they allow.

        Only hosts that can be reached from the place (segments) count, if one is given. A host that
        cannot be asked has no room; only when none can be asked is that an error.
        """
        wanted = storage_class.parse(parameters, self._config.defaults)
        terms = () if place is None else (place,)
        open_to_new = [
            host
            for host in placement.eligible(self._config, wanted)
            if not self._config.hosts[host].drained and placement.reachable(self._config.hosts[host].topology, terms)
        ]
        answers = self._asker.ask(
            lambda host, until: self._backend.capacity(host, deadline=until), open_to_new, deadline=deadline
        )
        rooms = {host: answer for host, answer in answers.items() if isinstance(answer, Capacity)}
        errors = [answer for answer in answers.values() if isinstance(answer, DriverError)]
        if errors and not rooms:
            raise errors[0]
        return self._sum(rooms)

    def _sum(self, rooms: Mapping[str, Capacity]) -> Capacity:
        """Add up; entries for one pool of one machine share their room."""
        pools: dict[tuple[object, str], int] = {}
        for host, room in rooms.items():
            entry = self._config.hosts[host]
            pool = entry.machine, entry.pool
            pools[pool] = max(room.available_bytes, pools.get(pool, 0))
        return Capacity(
            available_bytes=sum(pools.values()),
            maximum_volume_bytes=max((room.maximum_volume_bytes for room in rooms.values()), default=0),
        )


def _elsewhere(source: SnapshotId | VolumeId, code: ErrorCode, wanted: str, option: str) -> DriverError:
    message = (
        f"{source.what} {source} lies on the storage host {source.host}, and a volume made from it lies there "
        f"too, but {wanted}"
    )
    return DriverError(code, message, option=option)


def _check_size(required_bytes: int, limit_bytes: int, block: int) -> None:
    """Refuse what no size of whole blocks can satisfy."""
    rounded = -(-required_bytes // block) * block
    if rounded > MAX_BYTES:
        message = f"required_bytes {required_bytes} is more than a volume can have ({MAX_BYTES})"
        raise DriverError(ErrorCode.OUT_OF_RANGE, message, option="capacity_range.required_bytes")
    if limit_bytes and max(rounded, block) > limit_bytes:
        message = (
            f"no multiple of volblocksize {block} lies between required_bytes {required_bytes} "
            f"and limit_bytes {limit_bytes}; raise the limit, or choose a smaller volblocksize"
        )
        raise DriverError(ErrorCode.OUT_OF_RANGE, message, option="capacity_range.limit_bytes")
