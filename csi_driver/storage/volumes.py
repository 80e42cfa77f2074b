"""
Volumes by the rules of CSI: shape each request, and leave to the storage host what only it knows.

Nothing is read before it is written: whether a volume exists, is compatible or in use is decided
on its host, under the host's lock. Knows neither gRPC nor Ansible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import parameters as storage_class
from csi_driver.storage import placement
from csi_driver.storage.ids import NodeId, VolumeId
from csi_driver.storage.model import AccessMode, Capacity, Publication, PublicationRequest, Volume, VolumeRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from csi_driver.config import Config
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import VolumeCapability, VolumeSpec

MAX_BYTES = (1 << 63) - 1  # off_t: what ZFS and CTL can address


@dataclass(frozen=True, slots=True)
class VolumeList:
    """Some volumes in id order; `next_token` is empty when there are no more."""

    volumes: tuple[Volume, ...]
    next_token: str


class VolumeService:
    """The volumes of one cluster on its storage hosts. All methods raise `DriverError` only."""

    def __init__(self, config: Config, backend: StorageBackend) -> None:
        self._config = config
        self._backend = backend

    def create(
        self,
        name: str,
        parameters: Mapping[str, str],
        required_bytes: int,
        limit_bytes: int,
        capabilities: tuple[VolumeCapability, ...],  # noqa: ARG002 - whatever the surface lets pass, a zvol can do
        *,
        deadline: float,
    ) -> Volume:
        """
        Make the volume, or return the one of that name if it is compatible.

        Of several eligible hosts the one ranked first gets it, now and at every retry.
        """
        wanted = storage_class.parse(parameters, self._config.defaults)
        _check_size(required_bytes, limit_bytes, wanted.spec)
        hosts = placement.eligible(self._config, wanted)
        host = placement.ranked(hosts, cluster=self._config.cluster, name=name)[0]
        request = VolumeRequest(name=name, spec=wanted.spec, required_bytes=required_bytes, limit_bytes=limit_bytes)
        return self._backend.create_volume(host, request, deadline=deadline)

    def delete(self, volume_id: str, *, deadline: float) -> None:
        """Destroy the volume; what cannot be the id of a volume names none, so it is gone already."""
        volume = self._named(volume_id)
        if volume is not None:
            self._backend.delete_volume(volume, deadline=deadline)

    def publish(
        self,
        volume_id: str,
        node_id: str,
        mode: AccessMode,
        readonly: bool,  # noqa: FBT001 - a field of the request, in its order
        *,
        deadline: float,
    ) -> Mapping[str, str]:
        """Export the volume to the node; return the publish context, by which the node finds it."""
        volume = self._configured(VolumeId.parse(volume_id))
        node = NodeId.parse(node_id)
        request = PublicationRequest(node=node, mode=mode, readonly=readonly or mode.is_reader)
        return self._context(volume, self._backend.publish(volume, request, deadline=deadline))

    def _context(self, volume: VolumeId, publication: Publication) -> Mapping[str, str]:
        context = {
            "protocol": publication.protocol.value,
            "portals": ",".join(self._config.hosts[volume.host].portals),
            "target": publication.target,
            "lun": str(publication.lun),
            "serial": volume.serial,
        }
        return {**context, "readonly": "true"} if publication.readonly else context

    def unpublish(self, volume_id: str, node_id: str | None, *, deadline: float) -> None:
        """
        End the export to the node (None: to every node). What cannot be the id of a volume has no export.

        What cannot be the id of a node is asked about all the same: this is fencing, and only the
        volume's host can tell that it exports nothing under that name.
        """
        volume = self._named(volume_id)
        if volume is not None:
            self._backend.unpublish(volume, node_id, deadline=deadline)

    def get(self, volume_id: str, *, deadline: float) -> Volume:
        """Return the volume, or raise `NOT_FOUND`."""
        return self._backend.get_volume(self._configured(VolumeId.parse(volume_id)), deadline=deadline)

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> VolumeList:
        """
        Return up to `max_entries` (0: all) volumes after the token, over all hosts; never a part of them.

        A token is the id of the last volume seen; raises `STALE_TOKEN` for anything else.
        """
        start = self._token(starting_token)
        found: list[Volume] = []
        for host in sorted(self._config.hosts):
            if start is not None and host < start.host:
                continue
            after = start.uuid if start is not None and host == start.host else None
            room = max_entries - len(found) if max_entries else 0
            page = self._backend.list_volumes(host, after=after, limit=room, deadline=deadline)
            found += page.volumes
            if page.next_after is not None:
                return VolumeList(tuple(found), str(page.next_after))
            if max_entries and len(found) == max_entries:
                is_last = host == max(self._config.hosts)
                return VolumeList(tuple(found), "" if is_last else str(found[-1].id))
        return VolumeList(tuple(found), "")

    def capacity(self, parameters: Mapping[str, str], *, deadline: float) -> Capacity:
        """
        Return the room there is for volumes with these parameters, over all hosts that they allow.

        A host that cannot be asked has no room; only when none can be asked is that an error.
        """
        wanted = storage_class.parse(parameters, self._config.defaults)
        answers = [self._room(host, deadline) for host in placement.eligible(self._config, wanted)]
        rooms = [answer for answer in answers if isinstance(answer, Capacity)]
        if not rooms:
            raise next(answer for answer in answers if isinstance(answer, DriverError))
        return Capacity(
            available_bytes=sum(room.available_bytes for room in rooms),
            maximum_volume_bytes=max(room.maximum_volume_bytes for room in rooms),
        )

    def _room(self, host: str, deadline: float) -> Capacity | DriverError:
        try:
            return self._backend.capacity(host, deadline=deadline)
        except DriverError as error:
            return error

    def _named(self, volume_id: str) -> VolumeId | None:
        """Return the volume an id can name: None when it has not the form of one."""
        try:
            volume = VolumeId.parse(volume_id)
        except DriverError:
            return None
        return self._configured(volume)

    def _configured(self, volume: VolumeId) -> VolumeId:
        if volume.host in self._config.hosts:
            return volume
        message = (
            f"volume {volume} lies on the storage host {volume.host}, which is not configured; "
            f"add it under storage_hosts ({_joined(self._config.hosts)})"
        )
        raise DriverError(ErrorCode.HOST_RETIRED, message, option="volume_id")

    def _token(self, text: str) -> VolumeId | None:
        if not text:
            return None
        try:
            token = VolumeId.parse(text)
        except DriverError:
            token = None
        if token is None or token.host not in self._config.hosts:
            message = "starting_token was not made by this driver, or its storage host is gone; start again without it"
            raise DriverError(ErrorCode.STALE_TOKEN, message, option="starting_token")
        return token


def _check_size(required_bytes: int, limit_bytes: int, spec: VolumeSpec) -> None:
    """Refuse what no size of whole blocks can satisfy."""
    block = spec.volblocksize
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


def _joined(names: Iterable[str]) -> str:
    return f"configured are {', '.join(sorted(names)) or 'none'}"
