"""Node requests as values of the node service; the same rules as `requests`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from csi_driver.csi import access, fields
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.model import IscsiAttachment, PublishRequest, StageRequest
from csi_driver.storage import chap
from csi_driver.storage.model import BlockAccess, ChapKind, MountAccess, Protocol, VolumeCapability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.proto import csi_pb2
    from csi_driver.storage.model import Chap

_TARGET = re.compile(r"iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.:-]{1,210}")
_PORTAL = re.compile(r"(?:[0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
_LUN = re.compile(r"[0-9]{1,5}")
_CHAP = re.compile("|".join(ChapKind))
_SERIAL = re.compile(r"[0-9a-f]{16}")


def stage(request: csi_pb2.NodeStageVolumeRequest) -> StageRequest:
    """Read a NodeStageVolumeRequest."""
    volume_id = fields.volume_id(request.volume_id)
    staging_path = fields.path("staging_target_path", request.staging_target_path)
    wanted = _capability(request)
    context = fields.mapping("publish_context", request.publish_context)
    return StageRequest(
        volume_id=volume_id,
        staging_path=staging_path,
        access=_with_default_filesystem(wanted.access, request.volume_context),
        mode=wanted.mode,
        attachment=_attachment(context),
        readonly=context.get("readonly") == "true",
        chap=_chap(context, request.secrets),
    )


def unstage(request: csi_pb2.NodeUnstageVolumeRequest) -> tuple[str, str]:
    """Read a NodeUnstageVolumeRequest: volume id and staging path."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.path("staging_target_path", request.staging_target_path)


def publish(request: csi_pb2.NodePublishVolumeRequest) -> PublishRequest:
    """Read a NodePublishVolumeRequest; `UNSUPPORTED` when it names no staging path."""
    volume_id = fields.volume_id(request.volume_id)
    target_path = fields.path("target_path", request.target_path)
    wanted = _capability(request)
    if not request.staging_target_path:
        message = "staging_target_path: not given; stage the volume first (capability STAGE_UNSTAGE_VOLUME)"
        raise DriverError(ErrorCode.UNSUPPORTED, message, option="staging_target_path")
    return PublishRequest(
        volume_id=volume_id,
        staging_path=fields.path("staging_target_path", request.staging_target_path),
        target_path=target_path,
        access=_with_default_filesystem(wanted.access, request.volume_context),
        mode=wanted.mode,
        readonly=request.readonly,
    )


def unpublish(request: csi_pb2.NodeUnpublishVolumeRequest) -> tuple[str, str]:
    """Read a NodeUnpublishVolumeRequest: volume id and target path."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.path("target_path", request.target_path)


def stats(request: csi_pb2.NodeGetVolumeStatsRequest) -> tuple[str, str]:
    """Read a NodeGetVolumeStatsRequest: volume id and path."""
    volume_id = fields.volume_id(request.volume_id)
    return volume_id, fields.path("volume_path", request.volume_path)


def volume_health(request: csi_pb2.NodeGetVolumeHealthRequest) -> tuple[str, str, str]:
    """Read a NodeGetVolumeHealthRequest: volume id, publish path and staging path, each path empty if not given."""
    volume_id = fields.volume_id(request.volume_id)
    paths = {
        "volume_publish_path": request.volume_publish_path,
        "staging_target_path": request.staging_target_path,
    }
    publish_path, staging_path = (fields.path(name, path) if path else "" for name, path in paths.items())
    return volume_id, publish_path, staging_path


def expand(request: csi_pb2.NodeExpandVolumeRequest) -> tuple[str, str, str]:
    """
    Read a NodeExpandVolumeRequest: volume id, path, and staging path (empty: not given).

    How big the volume is, the storage host decided; the range asked for is only checked.
    """
    volume_id = fields.volume_id(request.volume_id)
    path = fields.path("volume_path", request.volume_path)
    fields.capacity_range(request.capacity_range, given=request.HasField("capacity_range"))
    if request.HasField("volume_capability"):
        access.usable("volume_capability", access.capability("volume_capability", request.volume_capability))
    staging_path = request.staging_target_path
    return volume_id, path, fields.path("staging_target_path", staging_path) if staging_path else ""


def _capability(request: csi_pb2.NodeStageVolumeRequest | csi_pb2.NodePublishVolumeRequest) -> VolumeCapability:
    given = request.HasField("volume_capability")
    wanted = access.capability("volume_capability", request.volume_capability, given=given)
    return access.usable("volume_capability", wanted)


def _with_default_filesystem(
    wanted: MountAccess | BlockAccess, volume_context: Mapping[str, str]
) -> MountAccess | BlockAccess:
    """Fill in the filesystem that the volume's class names, where the request names none."""
    if isinstance(wanted, BlockAccess) or wanted.fs_type:
        return wanted
    # The map is a protobuf one, where `[]` would make an entry of a missing key.
    return MountAccess(volume_context.get("fsType", ""), wanted.mount_flags)


def _attachment(context: Mapping[str, str]) -> IscsiAttachment:
    protocol = _entry(context, "protocol")
    if protocol != Protocol.ISCSI:
        raise fields.invalid("publish_context.protocol", f"{protocol[:32]!a} is not known here; this node has iscsi")
    portals = tuple(_entry(context, "portals").split(","))
    for portal in portals:
        _matching(_PORTAL, "portals", portal)
    return IscsiAttachment(
        portals=portals,
        target=_matching(_TARGET, "target", _entry(context, "target")),
        lun=int(_matching(_LUN, "lun", _entry(context, "lun"))),
        serial=_matching(_SERIAL, "serial", _entry(context, "serial")),
    )


def _chap(context: Mapping[str, str], secrets: Mapping[str, str]) -> Chap | None:
    """Return what the node has to log in with; secrets that the publication does not ask for are none of ours."""
    kind = _matching(_CHAP, "chap", context.get("chap", ChapKind.NONE.value))
    return None if kind == ChapKind.NONE else chap.check(ChapKind(kind), chap.given(secrets))


def _entry(context: Mapping[str, str], key: str) -> str:
    value = context.get(key, "")
    remedy = "pass on what ControllerPublishVolume returned"
    fields.required(f"publish_context.{key}", value, remedy=remedy)
    return value


def _matching(pattern: re.Pattern[str], key: str, value: str) -> str:
    # The value stays out of the message: the target is a secret.
    if not pattern.fullmatch(value):
        problem = "not of the form that ControllerPublishVolume returns; pass on what it returned"
        raise fields.invalid(f"publish_context.{key}", problem)
    return value
