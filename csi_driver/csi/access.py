"""Volume capabilities: from the wire to `VolumeCapability`, and which of them make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from csi_driver.csi import fields
from csi_driver.proto import csi_pb2
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess, VolumeCapability
from csi_driver.storage.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What a StorageClass may name, a request may.
FILESYSTEMS: tuple[str, ...] = get_args(Parameters.model_fields["fs_type"].annotation)

_MODES = csi_pb2.VolumeCapability.AccessMode.Mode
_MODE_OF = {_MODES.Value(mode.name): mode for mode in AccessMode}


def capability(field: str, message: csi_pb2.VolumeCapability, *, given: bool = True) -> VolumeCapability:
    """Read one capability; `given` says whether the field holding it is set."""
    if not given:
        raise fields.invalid(field, "required, but not given; say how the volume is to be used")
    return VolumeCapability(access=_access(field, message), mode=_mode(field, message))


def capabilities(messages: Sequence[csi_pb2.VolumeCapability]) -> tuple[VolumeCapability, ...]:
    """Read the capabilities of a request that needs at least one."""
    if not messages:
        raise fields.invalid("volume_capabilities", "required, but not given; say how the volume is to be used")
    return optional_capabilities(messages)


def optional_capabilities(messages: Iterable[csi_pb2.VolumeCapability]) -> tuple[VolumeCapability, ...]:
    """Read the capabilities of a request that may have none."""
    return tuple(capability(f"volume_capabilities[{index}]", message) for index, message in enumerate(messages))


def problem(wanted: VolumeCapability) -> str | None:
    """Say why no volume of this driver can be used so; None if one can."""
    if isinstance(wanted.access, BlockAccess):
        return None
    if wanted.mode is AccessMode.MULTI_NODE_MULTI_WRITER:
        return (
            "a filesystem on a block device is destroyed when several nodes write to it; "
            "use one of the single-node modes, or raw block access"
        )
    if wanted.access.fs_type not in {"", *FILESYSTEMS}:
        return f"filesystem {wanted.access.fs_type!a} is not known; use one of {', '.join(FILESYSTEMS)}"
    return None


def usable(field: str, wanted: VolumeCapability) -> VolumeCapability:
    """Return the capability, or refuse it with its problem."""
    if text := problem(wanted):
        raise fields.invalid(field, text)
    return wanted


def all_usable(wanted: tuple[VolumeCapability, ...]) -> tuple[VolumeCapability, ...]:
    """Return the capabilities, or refuse them with the first problem."""
    for index, one in enumerate(wanted):
        usable(f"volume_capabilities[{index}]", one)
    return wanted


def _access(field: str, message: csi_pb2.VolumeCapability) -> MountAccess | BlockAccess:
    kind = message.WhichOneof("access_type")
    if kind is None:
        raise fields.invalid(f"{field}.access_type", "required, but not given; set either mount or block")
    return BlockAccess() if kind == "block" else _mount(f"{field}.mount", message.mount)


def _mount(field: str, message: csi_pb2.VolumeCapability.MountVolume) -> MountAccess:
    fields.short(f"{field}.fs_type", message.fs_type)
    fields.plain(f"{field}.fs_type", message.fs_type)
    fields.short(f"{field}.mount_flags", "".join(message.mount_flags), limit=fields.MAP_MAX_BYTES)
    for flag in message.mount_flags:
        fields.plain(f"{field}.mount_flags", flag)
    fields.unsupported(
        f"{field}.volume_mount_group",
        given=bool(message.volume_mount_group),
        what="mounting for a group (capability VOLUME_MOUNT_GROUP)",
    )
    return MountAccess(message.fs_type, tuple(message.mount_flags))


def _mode(field: str, message: csi_pb2.VolumeCapability) -> AccessMode:
    number = message.access_mode.mode
    if not number:
        raise fields.invalid(f"{field}.access_mode", "required, but not given; say who may use the volume at once")
    if number not in _MODE_OF:
        known = ", ".join(mode.name for mode in AccessMode)
        raise fields.invalid(f"{field}.access_mode", f"{number} is not an access mode; use one of {known}")
    return _MODE_OF[number]
