"""
Controller requests as domain values: everything that can be refused by looking at the request alone.

Fields are checked in the order of the contract, and all before anything is looked up. Secrets and
the volume context of a request are not needed, so they are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csi_driver.csi import access, fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.proto import csi_pb2
    from csi_driver.storage.model import AccessMode, VolumeCapability

# Clients receive 4 MiB at most; a volume takes a few hundred bytes.
PAGE_MAX_ENTRIES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    """See CreateVolumeRequest; `limit_bytes` 0 is no limit."""

    name: str
    parameters: Mapping[str, str]
    required_bytes: int
    limit_bytes: int
    capabilities: tuple[VolumeCapability, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishVolume:
    """See ControllerPublishVolumeRequest."""

    volume_id: str
    node_id: str
    mode: AccessMode
    readonly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateVolume:
    """See ValidateVolumeCapabilitiesRequest; `problem` says why they cannot be had together, if so."""

    volume_id: str
    problem: str | None


def create_volume(request: csi_pb2.CreateVolumeRequest) -> CreateVolume:
    """Read a CreateVolumeRequest."""
    name = fields.name(request.name)
    required_bytes, limit_bytes = _capacity_range(request)
    capabilities = access.all_usable(access.capabilities(request.volume_capabilities))
    parameters = fields.mapping("parameters", request.parameters)
    fields.unsupported(
        "volume_content_source",
        given=request.HasField("volume_content_source"),
        what="volumes made from snapshots or other volumes",
    )
    _refuse_mutable(request.mutable_parameters)
    return CreateVolume(
        name=name,
        parameters=parameters,
        required_bytes=required_bytes,
        limit_bytes=limit_bytes,
        capabilities=capabilities,
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
    return PublishVolume(volume_id=volume_id, node_id=node_id, mode=mode, readonly=request.readonly)


def unpublish_volume(request: csi_pb2.ControllerUnpublishVolumeRequest) -> tuple[str, str | None]:
    """Read a ControllerUnpublishVolumeRequest: the ids of the volume and the node (None: every node)."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.node_id(request.node_id) if request.node_id else None


def validate_volume(request: csi_pb2.ValidateVolumeCapabilitiesRequest) -> ValidateVolume:
    """Read a ValidateVolumeCapabilitiesRequest."""
    volume_id = fields.volume_id(request.volume_id)
    wanted = access.capabilities(request.volume_capabilities)
    fields.mapping("parameters", request.parameters)
    if request.mutable_parameters:
        return ValidateVolume(volume_id=volume_id, problem="mutable_parameters: this driver has none")
    problems = (access.problem(capability) for capability in wanted)
    return ValidateVolume(volume_id=volume_id, problem=next(filter(None, problems), None))


def list_volumes(request: csi_pb2.ListVolumesRequest) -> tuple[str, int]:
    """Read a ListVolumesRequest: the token to start at, and how many volumes to return."""
    if request.max_entries < 0:
        raise fields.invalid("max_entries", f"{request.max_entries} is negative; use 0 for no limit")
    return request.starting_token, min(request.max_entries or PAGE_MAX_ENTRIES, PAGE_MAX_ENTRIES)


def get_capacity(request: csi_pb2.GetCapacityRequest) -> dict[str, str]:
    """Read a GetCapacityRequest: the parameters of the volumes there has to be room for."""
    access.all_usable(access.optional_capabilities(request.volume_capabilities))
    return fields.mapping("parameters", request.parameters)


def get_volume(request: csi_pb2.ControllerGetVolumeRequest) -> str:
    """Read a ControllerGetVolumeRequest: the volume's id."""
    return fields.volume_id(request.volume_id)


def _capacity_range(request: csi_pb2.CreateVolumeRequest) -> tuple[int, int]:
    if not request.HasField("capacity_range"):
        return 0, 0
    wanted = request.capacity_range
    sizes = {"required_bytes": wanted.required_bytes, "limit_bytes": wanted.limit_bytes}
    for field, size in sizes.items():
        if size < 0:
            raise fields.invalid(f"capacity_range.{field}", f"{size} is negative; give a size in bytes")
    if not any(sizes.values()):
        problem = "neither required_bytes nor limit_bytes is above 0; give one, or leave capacity_range out"
        raise fields.invalid("capacity_range", problem)
    if 0 < wanted.limit_bytes < wanted.required_bytes:
        problem = (
            f"required_bytes {wanted.required_bytes} is above limit_bytes {wanted.limit_bytes}; "
            "raise the limit or ask for less"
        )
        raise fields.invalid("capacity_range", problem)
    return wanted.required_bytes, wanted.limit_bytes


def _refuse_mutable(parameters: Mapping[str, str]) -> None:
    what = "parameters that can be changed later (capability MODIFY_VOLUME)"
    fields.unsupported("mutable_parameters", given=bool(parameters), what=what)
