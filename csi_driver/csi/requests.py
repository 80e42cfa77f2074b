"""
Controller requests as domain values: everything that can be refused by looking at the request alone.

Fields are checked in the order of the contract, and all before anything is looked up. Of the secrets
of a request only those are read that are needed, and its volume context is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csi_driver.csi import access, fields, topologies
from csi_driver.errors import DriverError
from csi_driver.storage import chap, keys
from csi_driver.storage.model import FromSnapshot, FromVolume, NewVolume
from csi_driver.storage.parameters import SIDECAR_PREFIX, parse_mutable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.proto import csi_pb2
    from csi_driver.storage.model import AccessMode, Chap, EncryptionKey, Topology

# Clients receive 4 MiB at most; a volume or snapshot takes a few hundred bytes.
PAGE_MAX_ENTRIES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishVolume:
    """See ControllerPublishVolumeRequest."""

    volume_id: str
    node_id: str
    mode: AccessMode
    readonly: bool
    key: EncryptionKey | None
    chap: Chap | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateVolume:
    """See ValidateVolumeCapabilitiesRequest; `problem` says why they cannot be had together, if so."""

    volume_id: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandVolume:
    """See ControllerExpandVolumeRequest; `limit_bytes` 0 is no limit."""

    volume_id: str
    required_bytes: int
    limit_bytes: int
    key: EncryptionKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot:
    """See CreateSnapshotRequest."""

    source_volume_id: str
    name: str
    parameters: Mapping[str, str]
    topology: Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshots:
    """See ListSnapshotsRequest; empty ids mean any."""

    starting_token: str
    max_entries: int
    snapshot_id: str
    source_volume_id: str


def create_volume(request: csi_pb2.CreateVolumeRequest) -> NewVolume:
    """Read a CreateVolumeRequest."""
    name = fields.name(request.name, what="volume")
    given = request.HasField("capacity_range")
    required_bytes, limit_bytes = fields.capacity_range(request.capacity_range, given=given)
    capabilities = access.all_usable(access.capabilities(request.volume_capabilities))
    parameters = fields.mapping("parameters", request.parameters)
    key = keys.given(request.secrets)
    source = _source(request)
    mutable_parameters = fields.mapping("mutable_parameters", request.mutable_parameters)
    topology = topologies.requirement(request.accessibility_requirements)
    return NewVolume(
        name=name,
        parameters=parameters,
        mutable_parameters=mutable_parameters,
        required_bytes=required_bytes,
        limit_bytes=limit_bytes,
        capabilities=capabilities,
        source=source,
        key=key,
        topology=topology,
    )


def delete_volume(request: csi_pb2.DeleteVolumeRequest) -> str:
    """Read a DeleteVolumeRequest: the volume's id."""
    return fields.volume_id(request.volume_id)


def publish_volume(request: csi_pb2.ControllerPublishVolumeRequest) -> PublishVolume:
    """Read a ControllerPublishVolumeRequest."""
    volume_id = fields.volume_id(request.volume_id)
    node_id = fields.node_id(request.node_id)
    given = request.HasField("volume_capability")
    wanted = access.capability("volume_capability", request.volume_capability, given=given)
    mode = access.usable("volume_capability", wanted).mode
    return PublishVolume(
        volume_id=volume_id,
        node_id=node_id,
        mode=mode,
        readonly=request.readonly,
        key=keys.given(request.secrets),
        chap=chap.given(request.secrets),
    )


def unpublish_volume(request: csi_pb2.ControllerUnpublishVolumeRequest) -> tuple[str, str | None]:
    """Read a ControllerUnpublishVolumeRequest: the ids of the volume and the node (None: every node)."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.node_id(request.node_id) if request.node_id else None


def validate_volume(request: csi_pb2.ValidateVolumeCapabilitiesRequest) -> ValidateVolume:
    """Read a ValidateVolumeCapabilitiesRequest."""
    volume_id = fields.volume_id(request.volume_id)
    wanted = access.capabilities(request.volume_capabilities)
    fields.mapping("parameters", request.parameters)
    problems = (access.problem(capability) for capability in wanted)
    problem = next(filter(None, problems), None) or _mutable_problem(request.mutable_parameters)
    return ValidateVolume(volume_id=volume_id, problem=problem)


def _mutable_problem(given: Mapping[str, str]) -> str | None:
    try:
        parse_mutable(fields.mapping("mutable_parameters", given))
    except DriverError as error:
        return error.message
    return None


def modify_volume(request: csi_pb2.ControllerModifyVolumeRequest) -> tuple[str, dict[str, str]]:
    """Read a ControllerModifyVolumeRequest: the volume's id, and what is to change."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.mapping("mutable_parameters", request.mutable_parameters)


def list_volumes(request: csi_pb2.ListVolumesRequest) -> tuple[str, int]:
    """Read a ListVolumesRequest: the token to start at, and how many volumes to return."""
    return request.starting_token, _entries(request.max_entries)


def _entries(asked: int) -> int:
    if asked < 0:
        raise fields.invalid("max_entries", f"{asked} is negative; use 0 for no limit")
    return min(asked or PAGE_MAX_ENTRIES, PAGE_MAX_ENTRIES)


def get_capacity(request: csi_pb2.GetCapacityRequest) -> tuple[dict[str, str], dict[str, str] | None]:
    """Read a GetCapacityRequest: the parameters of the volumes there has to be room for, and where (None: anywhere)."""
    access.all_usable(access.optional_capabilities(request.volume_capabilities))
    parameters = fields.mapping("parameters", request.parameters)
    if not request.HasField("accessible_topology"):
        return parameters, None
    return parameters, topologies.segments("accessible_topology", request.accessible_topology)


def get_volume(request: csi_pb2.ControllerGetVolumeRequest) -> str:
    """Read a ControllerGetVolumeRequest: the volume's id."""
    return fields.volume_id(request.volume_id)


def get_volume_health(request: csi_pb2.ControllerGetVolumeHealthRequest) -> str:
    """Read a ControllerGetVolumeHealthRequest: the volume's id."""
    return fields.volume_id(request.volume_id)


def list_volume_health(request: csi_pb2.ControllerListVolumeHealthRequest) -> tuple[str, int]:
    """Read a ControllerListVolumeHealthRequest: the token to start at, and how many volumes to return."""
    return request.starting_token, _entries(request.max_entries)


def expand_volume(request: csi_pb2.ControllerExpandVolumeRequest) -> ExpandVolume:
    """Read a ControllerExpandVolumeRequest."""
    volume_id = fields.volume_id(request.volume_id)
    if not request.HasField("capacity_range"):
        raise fields.invalid("capacity_range", "required, but not given; say how big the volume is to be")
    required_bytes, limit_bytes = fields.capacity_range(request.capacity_range, given=True)
    key = keys.given(request.secrets)
    if request.HasField("volume_capability"):
        access.usable("volume_capability", access.capability("volume_capability", request.volume_capability))
    return ExpandVolume(volume_id=volume_id, required_bytes=required_bytes, limit_bytes=limit_bytes, key=key)


def create_snapshot(request: csi_pb2.CreateSnapshotRequest) -> CreateSnapshot:
    """Read a CreateSnapshotRequest."""
    return CreateSnapshot(
        source_volume_id=fields.volume_id(request.source_volume_id, field="source_volume_id"),
        name=fields.name(request.name, what="snapshot"),
        parameters=fields.mapping("parameters", request.parameters),
        topology=topologies.requirement(request.accessibility_requirements),
    )


def create_group_snapshot(request: csi_pb2.CreateVolumeGroupSnapshotRequest) -> tuple[tuple[str, ...], str]:
    """Read a CreateVolumeGroupSnapshotRequest: the ids of the volumes, and the group's name."""
    name = fields.name(request.name, what="group snapshot")
    sources = fields.identities("source_volume_ids", request.source_volume_ids)
    if not sources:
        raise fields.invalid("source_volume_ids", "required, but not given; name at least one volume")
    _no_snapshot_parameters(fields.mapping("parameters", request.parameters), "VolumeGroupSnapshotClass")
    return sources, name


def group_snapshot(
    request: csi_pb2.DeleteVolumeGroupSnapshotRequest | csi_pb2.GetVolumeGroupSnapshotRequest,
) -> tuple[str, tuple[str, ...]]:
    """Read a request that is about a group: its id, and the ids of its snapshots, or none."""
    group_snapshot_id = fields.group_snapshot_id(request.group_snapshot_id)
    return group_snapshot_id, fields.identities("snapshot_ids", request.snapshot_ids)


def delete_snapshot(request: csi_pb2.DeleteSnapshotRequest) -> str:
    """Read a DeleteSnapshotRequest: the snapshot's id."""
    return fields.snapshot_id(request.snapshot_id)


def get_snapshot(request: csi_pb2.GetSnapshotRequest) -> str:
    """Read a GetSnapshotRequest: the snapshot's id."""
    return fields.snapshot_id(request.snapshot_id)


def list_snapshots(request: csi_pb2.ListSnapshotsRequest) -> ListSnapshots:
    """Read a ListSnapshotsRequest."""
    max_entries = _entries(request.max_entries)
    for field in ("source_volume_id", "snapshot_id"):
        fields.short(field, getattr(request, field))
    return ListSnapshots(
        starting_token=request.starting_token,
        max_entries=max_entries,
        snapshot_id=request.snapshot_id,
        source_volume_id=request.source_volume_id,
    )


def _source(request: csi_pb2.CreateVolumeRequest) -> FromSnapshot | FromVolume | None:
    if not request.HasField("volume_content_source"):
        return None
    source, field = request.volume_content_source, "volume_content_source"
    match source.WhichOneof("type"):
        case "snapshot":
            snapshot_id = fields.snapshot_id(source.snapshot.snapshot_id, field=f"{field}.snapshot.snapshot_id")
            return FromSnapshot(snapshot_id)
        case "volume":
            return FromVolume(fields.volume_id(source.volume.volume_id, field=f"{field}.volume.volume_id"))
        case _:
            raise fields.invalid(field, "neither a snapshot nor a volume; name one, or leave the source out")


def _no_snapshot_parameters(given: Mapping[str, str], what: str) -> None:
    """Refuse what a class of snapshots asks for; what the sidecars add means nothing here."""
    unknown = sorted(key for key in given if not key.startswith(SIDECAR_PREFIX))
    if unknown:
        raise fields.invalid("parameters", f"a {what} has none here; leave out {unknown[0]!a}")
