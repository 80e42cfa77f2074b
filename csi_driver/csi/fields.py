"""
The shape a single request field must have. Every refusal is `INVALID`, names the field and says what to do.

Limits are the specification's ("Size Limits"): 128 bytes a string, 4 KiB a map, unless a field says
otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from csi_driver.proto import csi_pb2

STRING_MAX_BYTES = 128
MAP_MAX_BYTES = 4096
NODE_ID_MAX_BYTES = 256
PATH_MAX_BYTES = 4095  # PATH_MAX of Linux without the final NUL; FreeBSD's 1023 is found out there

# CreateVolumeRequest.name: tab, line feed and carriage return are allowed.
_FORBIDDEN_IN_NAMES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def invalid(field: str, problem: str) -> DriverError:
    """Return the error that says what is wrong with a field."""
    return DriverError(ErrorCode.INVALID, f"{field}: {problem}", option=field)


def required(field: str, value: str, *, remedy: str) -> None:
    """Refuse an empty value."""
    if not value:
        raise invalid(field, f"required, but not given; {remedy}")


def short(field: str, value: str, *, limit: int = STRING_MAX_BYTES) -> None:
    """Refuse a value longer than `limit` bytes."""
    size = len(value.encode())
    if size > limit:
        raise invalid(field, f"{size} bytes long, the limit is {limit}; use a shorter one")


def name(value: str, *, what: str) -> str:
    """Check and return the name of an object to create: `what` it is, such as a volume."""
    required("name", value, remedy=f"name the {what}; the same name always means the same {what}")
    short("name", value)
    if found := _FORBIDDEN_IN_NAMES.search(value):
        raise invalid("name", f"holds the control character U+{ord(found[0]):04X}; leave it out")
    return value


def volume_id(value: str, *, field: str = "volume_id") -> str:
    """Check and return the id of a volume; whether there is such a volume is not asked here."""
    required(field, value, remedy="give the id that CreateVolume returned")
    short(field, value)
    return value


def snapshot_id(value: str, *, field: str = "snapshot_id") -> str:
    """Check and return the id of a snapshot; whether there is such a snapshot is not asked here."""
    required(field, value, remedy="give the id that CreateSnapshot returned")
    short(field, value)
    return value


def group_snapshot_id(value: str) -> str:
    """Check and return the id of a group snapshot; whether there is one is not asked here."""
    required("group_snapshot_id", value, remedy="give the id that CreateVolumeGroupSnapshot returned")
    short("group_snapshot_id", value)
    return value


def identities(field: str, values: Sequence[str]) -> tuple[str, ...]:
    """Check and return ids, of which none may be empty or given twice; there may be none."""
    for number, value in enumerate(values):
        required(f"{field}[{number}]", value, remedy="leave it out")
        short(f"{field}[{number}]", value)
        if value in values[:number]:
            raise invalid(f"{field}[{number}]", f"{value!a} is given twice; give each once")
    return tuple(values)


def node_id(value: str) -> str:
    """Check and return the id of a node; whether there is such a node is not asked here."""
    required("node_id", value, remedy="give the id that NodeGetInfo returned")
    short("node_id", value, limit=NODE_ID_MAX_BYTES)
    return value


def path(field: str, value: str) -> str:
    """Check and return a path; whether it may be used is for the node to say."""
    required(field, value, remedy="give an absolute path on this node")
    short(field, value, limit=PATH_MAX_BYTES)
    plain(field, value)
    return value


def plain(field: str, value: str) -> None:
    """Refuse control characters."""
    if found := _CONTROL.search(value):
        raise invalid(field, f"holds the control character U+{ord(found[0]):04X}; leave it out")


def mapping(field: str, value: Mapping[str, str]) -> dict[str, str]:
    """Check and return a map."""
    size = sum(len(key.encode()) + len(item.encode()) for key, item in value.items())
    if size > MAP_MAX_BYTES:
        raise invalid(field, f"{size} bytes in all, the limit is {MAP_MAX_BYTES}; use fewer or shorter entries")
    return dict(value)


def capacity_range(wanted: csi_pb2.CapacityRange, *, given: bool) -> tuple[int, int]:
    """Check and return the bytes required and the limit, 0 for none; `given` says whether the field is set."""
    if not given:
        return 0, 0
    sizes = {"required_bytes": wanted.required_bytes, "limit_bytes": wanted.limit_bytes}
    for field, size in sizes.items():
        if size < 0:
            raise invalid(f"capacity_range.{field}", f"{size} is negative; give a size in bytes")
    if not any(sizes.values()):
        problem = "neither required_bytes nor limit_bytes is above 0; give one, or leave capacity_range out"
        raise invalid("capacity_range", problem)
    if 0 < wanted.limit_bytes < wanted.required_bytes:
        problem = (
            f"required_bytes {wanted.required_bytes} is above limit_bytes {wanted.limit_bytes}; "
            "raise the limit or ask for less"
        )
        raise invalid("capacity_range", problem)
    return wanted.required_bytes, wanted.limit_bytes


def unsupported(field: str, *, given: bool, what: str) -> None:
    """Refuse a field that asks for what this driver does not offer, rather than ignore it."""
    if given:
        raise invalid(field, f"this driver does not offer {what}; leave it out")
