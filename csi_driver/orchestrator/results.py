"""
What the host modules return, as domain values. The shapes are those of their RETURN documentation.

A result that does not look as documented says nothing about what happened on the host: `UNCERTAIN`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import jmespath

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import GroupId, HostedId, SnapshotId, VolumeId
from csi_driver.storage.model import (
    AccessMode,
    Capacity,
    ChapKind,
    Condition,
    GroupSnapshot,
    HealthStatus,
    Page,
    Protocol,
    Publication,
    Snapshot,
    Volume,
    VolumeHealth,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_Kind = TypeVar("_Kind")
_Id = TypeVar("_Id", bound=HostedId)

_WORD = re.compile(r"[A-Za-z_]{1,40}")
_ITEMS = jmespath.compile("results[?key]")
_ERROR = jmespath.compile("error.{code: code, message: msg, option: option}")
_VOLUME = jmespath.compile(
    "{uuid: uuid, name: name, size: size_bytes, attributes: attributes, publications: publications}"
)
_CAPACITY = jmespath.compile("capacity.{available: available_bytes, maximum: maximum_volume_bytes}")


def outcomes(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the result of each item by its key; raise what failed them all."""
    check(result)
    return {item["key"]: item for item in _ITEMS.search(result) or () if isinstance(item["key"], str)}


def check(result: Mapping[str, Any]) -> None:
    """Raise the error that a task result or one of its items holds, if there is one."""
    error = _ERROR.search(result)
    if error is not None:
        raise _error(error)
    if result.get("failed"):
        raise _odd(f"the module failed: {result.get('msg', 'without a message')}")


def _error(error: Mapping[str, Any]) -> DriverError:
    try:
        code = ErrorCode(error["code"])
    except ValueError:
        return _odd(f"unknown error code {error['code']!a}: {error['message']}")
    return DriverError(code, str(error["message"]), option=error["option"])


def volume(host: str, noun: Mapping[str, Any]) -> Volume:
    """Return the volume that a module calls so."""
    found = _VOLUME.search(noun)
    if found is None or None in found.values():
        raise _odd("a volume is not described as documented")
    try:
        return Volume(
            id=_id(VolumeId, host, found["uuid"]),
            name=_typed(str, found["name"]),
            size_bytes=_number(found["size"]),
            attributes=_texts(found["attributes"]),
            publications=tuple(publication(record) for record in _typed(list, found["publications"])),
            source=_source(host, noun.get("source")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("a volume is not described as documented") from error


def _source(host: str, noun: object) -> SnapshotId | VolumeId | None:
    if noun is None:
        return None
    ((kind, uuid),) = _texts(noun).items()
    if kind == SnapshotId.what:
        return _id(SnapshotId, host, uuid)
    if kind == VolumeId.what:
        return _id(VolumeId, host, uuid)
    raise ValueError(f"{kind!a} is no kind of source")


def snapshot(host: str, noun: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that a module calls so."""
    try:
        return Snapshot(
            id=_id(SnapshotId, host, noun["uuid"]),
            source=_id(VolumeId, host, noun["volume"]),
            size_bytes=_number(noun["size_bytes"]),
            created=_number(noun["created"]),
            ready=_typed(bool, noun["ready"]),
            group=None if noun["group_snapshot"] is None else _id(GroupId, host, noun["group_snapshot"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("a snapshot is not described as documented") from error


def group_snapshot(host: str, noun: Mapping[str, Any]) -> GroupSnapshot:
    """Return the snapshots that were taken together, which a module calls so."""
    try:
        return GroupSnapshot(
            id=_id(GroupId, host, noun["uuid"]),
            snapshots=tuple(snapshot(host, member) for member in _typed(list, noun["snapshots"])),
            created=_number(noun["created"]),
            ready=_typed(bool, noun["ready"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("a group snapshot is not described as documented") from error


def publication(noun: Mapping[str, Any]) -> Publication:
    """Return the publication that a module calls so."""
    try:
        return Publication(
            node=_typed(str, noun["node"]),
            mode=AccessMode(noun["mode"]),
            readonly=_typed(bool, noun["readonly"]),
            protocol=Protocol(noun["protocol"]),
            target=_typed(str, noun["target"]),
            lun=_number(noun["lun"]),
            chap=ChapKind(noun["chap"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("a publication is not described as documented") from error


def volumes(host: str, result: Mapping[str, Any]) -> Page[Volume]:
    """Return the volumes of an `info` result."""
    nouns = _listed(result, "volumes")
    return Page(items=tuple(volume(host, noun) for noun in nouns), next_after=_next(VolumeId, host, result))


def snapshots(host: str, result: Mapping[str, Any]) -> Page[Snapshot]:
    """Return the snapshots of an `info` result."""
    nouns = _listed(result, "snapshots")
    return Page(items=tuple(snapshot(host, noun) for noun in nouns), next_after=_next(SnapshotId, host, result))


def group_snapshots(host: str, result: Mapping[str, Any]) -> tuple[GroupSnapshot, ...]:
    """Return the group snapshots of an `info` result."""
    return tuple(group_snapshot(host, noun) for noun in _listed(result, "group_snapshots"))


def volume_health(host: str, result: Mapping[str, Any]) -> Page[VolumeHealth]:
    """Return the health of volumes in an `info` result."""
    nouns = _listed(result, "health")
    return Page(items=tuple(_health(host, noun) for noun in nouns), next_after=_next(VolumeId, host, result))


def _health(host: str, noun: Mapping[str, Any]) -> VolumeHealth:
    try:
        return VolumeHealth(
            id=_id(VolumeId, host, noun["volume"]),
            conditions=tuple(_condition(each) for each in _typed(list, noun["conditions"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("the health of a volume is not described as documented") from error


def _condition(noun: Mapping[str, Any]) -> Condition:
    return Condition(
        status=HealthStatus(noun["status"]), reason=_typed(str, noun["reason"]), message=_typed(str, noun["msg"])
    )


def conditions(result: Mapping[str, Any]) -> dict[tuple[str, ...], int] | None:
    """Return how many volumes have each condition, by status and reason, if the result tells."""
    try:
        return {
            (HealthStatus(each["status"]).value, _word(each["reason"])): _number(each["volumes"])
            for each in _typed(list, result["summary"])
        }
    except (KeyError, TypeError, ValueError):  # not asked for, or not understood: then nothing is counted
        return None


def drift(result: Mapping[str, Any]) -> list[str] | None:
    """Return the kind of each thing that is amiss on the host, if the result tells."""
    try:
        return [_word(each["kind"]) for each in _typed(list, _typed(dict, result["host"])["drift"])]
    except (KeyError, TypeError, ValueError):  # a run that failed does not tell
        return None


def _word(value: object) -> str:
    """Return a word of ours: what becomes a label is never long and never a secret."""
    word = _typed(str, value)
    if not _WORD.fullmatch(word):
        raise ValueError(f"{word[:40]!a} is not a word")
    return word


def _listed(result: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    check(result)
    nouns = result.get(what)
    if not isinstance(nouns, list):
        raise _odd(f"the {what} are missing")
    return nouns


def _next(kind: type[_Id], host: str, result: Mapping[str, Any]) -> _Id | None:
    try:
        return None if result["next"] is None else _id(kind, host, result["next"])
    except (KeyError, TypeError, ValueError) as error:
        # Taken for the end, it would hide all that follows.
        raise _odd("where the next page starts is missing") from error


def capacity(result: Mapping[str, Any]) -> Capacity:
    """Return the room that an `info` result tells of."""
    check(result)
    found = _CAPACITY.search(result)
    try:
        return Capacity(available_bytes=_number(found["available"]), maximum_volume_bytes=_number(found["maximum"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _odd("the capacity is missing") from error


def _id(kind: type[_Id], host: str, uuid: object) -> _Id:
    try:
        return kind.parse(f"{host}:{_typed(str, uuid)}")
    except DriverError as error:
        # "Not found" would be a statement about the thing itself.
        raise ValueError(error.message) from error


def _texts(value: object) -> dict[str, str]:
    return {_typed(str, name): _typed(str, text) for name, text in _typed(dict, value).items()}


def _number(value: object) -> int:
    number = _typed(int, value)
    if isinstance(value, bool) or number < 0:
        raise ValueError(f"{value!a} is not a size or a number of something")
    return number


def _typed(kind: type[_Kind], value: object) -> _Kind:
    """Return the value if it is of that kind; nothing is converted, for a guess is no answer."""
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected, not a {type(value).__name__}")
    return value


def _odd(what: str) -> DriverError:
    return DriverError(ErrorCode.UNCERTAIN, f"the storage host gave an answer that is not understood: {what}")
