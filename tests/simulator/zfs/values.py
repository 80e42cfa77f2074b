"""Values of properties with their sources, as zfs_prop_get prints them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulator.registry import Unmodelled
from tests.simulator.state import VOLUME, Dataset, Snapshot
from tests.simulator.zfs import mounts
from tests.simulator.zfs.numbers import UINT64_MAX, nice_bytes, nice_number
from tests.simulator.zfs.properties import LIMITS, QUOTAS, RESERVATIONS, Property, is_user_property
from tests.simulator.zfs.session import Handle, Session

NONE = "-"
DEFAULT = "default"
LOCAL = "local"
RECEIVED = "received"
_BYTES = (
    "used",
    "available",
    "referenced",
    "usedbysnapshots",
    "usedbydataset",
    "usedbyrefreservation",
    "usedbychildren",
)
_COUNTED = ("written", "logicalused", "logicalreferenced")
_RATIOS = ("compressratio", "refcompressratio")
_DATES = {"creation": "%a %b %e %k:%M %Y", "snapshots_changed": "%a %b %e %k:%M:%S %Y"}
_PLAIN = ("guid", "createtxg", "objsetid", "pbkdf2iters")


@dataclass(frozen=True)
class Value:
    """``source`` as the SOURCE column shows it; ``kind`` is what -s selects by; ``number`` sorts numeric properties."""

    text: str
    source: str = NONE
    number: int = 0

    @property
    def kind(self) -> str:
        if self.source == NONE:
            return "none"
        return "inherited" if self.source.startswith("inherited from ") else self.source


def get_value(session: Session, handle: Handle, prop: Property, *, literal: bool) -> Value | None:
    """The property's value; None where zfs says it does not apply (printed as ``-``, or left out of ``all``)."""
    if handle.kind not in prop.types:
        return None
    number = _number(session, handle, prop.name)
    if number is not None:
        return Value(_shown(prop.name, number, literal=literal), number=number)
    if prop.name in _FACTS:
        text = _FACTS[prop.name](session, handle)
        return None if text is None else Value(text, number=int(text) if text.isdecimal() else 0)
    if prop.name == "mountpoint":
        return _mountpoint(session, handle)
    return _stored(session, handle, prop, literal=literal)


def _number(session: Session, handle: Handle, name: str) -> int | None:
    """Properties that are computed numbers; None for all others, and for a date that there is not."""
    if name in _BYTES or name in _COUNTED:
        return _space(session, handle, name)
    if name == "creation":
        return (handle.snapshot or handle.bookmark or handle.dataset).creation
    if name == "snapshots_changed":
        return max((snapshot.creation for snapshot in handle.dataset.snapshots), default=None)
    return 100 if name in _RATIOS else None


def _shown(name: str, number: int, *, literal: bool) -> str:
    if name in _RATIOS:
        return f"{number / 100:.2f}" if literal else f"{number / 100:.2f}x"
    if literal:
        return str(number)
    if name in _DATES:
        return time.strftime(_DATES[name], time.localtime(number))
    return nice_bytes(number) if name in _BYTES else nice_number(number)


def _space(session: Session, handle: Handle, name: str) -> int:
    space = session.space
    dataset = handle.dataset
    if handle.snapshot is not None:
        if name == "used":
            return space.snapshot_used(dataset, handle.snapshot)
        if name == "written":
            return space.written_since(dataset, handle.snapshot)
        return space.snapshot_referenced(dataset, handle.snapshot)
    usage = space.usage(dataset)
    if name == "available":
        return space.available(dataset)
    if name == "written":
        return space.written_since(dataset, None)
    return {
        "used": usage.total,
        "logicalused": usage.dataset + usage.snapshots + usage.children,
        "referenced": usage.referenced,
        "logicalreferenced": usage.referenced,
        "usedbysnapshots": usage.snapshots,
        "usedbydataset": usage.dataset,
        "usedbyrefreservation": usage.refreservation,
        "usedbychildren": usage.children,
    }[name]


def _identity(handle: Handle) -> tuple[int, int, int]:
    """(guid, createtxg, objsetid)."""
    if handle.snapshot is not None:
        return handle.snapshot.guid, handle.snapshot.createtxg, handle.snapshot.objsetid
    if handle.bookmark is not None:
        return handle.bookmark.guid, handle.bookmark.createtxg, 0
    return handle.dataset.guid, handle.dataset.createtxg, handle.dataset.objsetid


def _origin(session: Session, handle: Handle) -> str | None:
    if handle.snapshot is not None or not handle.dataset.origin:
        return None
    found = session.tree.find_snapshot(handle.dataset.origin)
    assert found is not None
    return f"{found[0].name}@{found[1].name}"


def _clones(session: Session, handle: Handle) -> str | None:
    assert handle.snapshot is not None
    return ",".join(clone.name for clone in session.tree.clones(handle.snapshot))


_FACTS: dict[str, Callable[[Session, Any], str | None]] = {
    "name": lambda _, handle: handle.name,
    "type": lambda _, handle: handle.kind,
    "guid": lambda _, handle: str(_identity(handle)[0]),
    "createtxg": lambda _, handle: str(_identity(handle)[1]),
    "objsetid": lambda _, handle: str(_identity(handle)[2]),
    "origin": _origin,
    "clones": _clones,
    "numclones": lambda session, handle: str(len(session.tree.clones(handle.snapshot))),
    "userrefs": lambda _, handle: str(len(handle.snapshot.holds)),
    "defer_destroy": lambda _, handle: "on" if handle.snapshot.defer_destroy else "off",
    "mounted": lambda _, handle: "yes" if handle.dataset.mounted else "no",
    "receive_resume_token": lambda _, handle: handle.dataset.resume.get("token"),
    "encryptionroot": lambda _, handle: handle.dataset.encryption_root or None,
    "keystatus": lambda session, handle: _keystatus(session, handle.dataset),
    "redact_snaps": lambda *_: None,
    "snapshots_changed": lambda *_: None,
    "version": lambda *_: "5",
    "prevsnap": lambda _, handle: handle.dataset.snapshots[-1].name if handle.dataset.snapshots else None,
    "useraccounting": lambda *_: "1",
    "inconsistent": lambda _, handle: "1" if handle.dataset.resume else "0",
}


def _keystatus(session: Session, dataset: Dataset) -> str | None:
    if not dataset.encryption_root:
        return None
    root = session.tree.get(dataset.encryption_root)
    return "available" if root is not None and root.key_loaded else "unavailable"


def _mountpoint(session: Session, handle: Handle) -> Value:
    where, holder = mounts.mount_point(session, handle.dataset)
    if holder is None:
        return Value(where, DEFAULT)
    if holder is handle.dataset:
        return Value(where, LOCAL if "mountpoint" in holder.local else RECEIVED)
    return Value(where, f"inherited from {holder.name}")


def _stored(session: Session, handle: Handle, prop: Property, *, literal: bool) -> Value | None:
    raw, source = _raw(session, handle, prop)
    if raw is None:
        return None
    if prop.kind != "number":
        return Value(raw, source)
    number = int(raw)
    return Value(_numeric(prop, number, literal=literal), source, number)


Raw = tuple[str | None, str]
"""A value in stored form and its source."""


def _raw(session: Session, handle: Handle, prop: Property) -> Raw:
    special = _SPECIAL.get(prop.name)
    if special is not None:
        return special(handle, prop)
    if prop.inheritable:
        return inherited(session, handle, prop.name, prop.default)
    return _own(handle, prop)


def _own(handle: Handle, prop: Property) -> Raw:
    """A property that is not inherited (quota, reservation, …)."""
    dataset = handle.dataset
    if handle.snapshot is not None:
        return None, NONE
    for store, source in ((dataset.local, LOCAL), (dataset.received, RECEIVED)):
        if prop.name in store:
            return store[prop.name], source
    return str(UINT64_MAX) if prop.name in LIMITS else prop.default, DEFAULT


def _volsize(handle: Handle, _: Property) -> Raw:
    if handle.dataset.kind != VOLUME:
        return None, NONE
    if handle.snapshot is not None:
        return str(handle.snapshot.volsize), NONE
    return str(handle.dataset.volsize), LOCAL


def _volblocksize(handle: Handle, prop: Property) -> Raw:
    size = str(handle.dataset.volblocksize)
    return size, DEFAULT if size == prop.default else NONE


def _encryption(handle: Handle, prop: Property) -> Raw:
    dataset = handle.dataset
    if not dataset.encryption:
        return _ENCRYPTION_DEFAULTS[prop.name], DEFAULT
    if prop.name == "keylocation":
        return (dataset.local[prop.name], LOCAL) if prop.name in dataset.local else ("none", DEFAULT)
    return str(getattr(dataset, prop.name)), NONE


_ENCRYPTION_DEFAULTS = {"encryption": "off", "keyformat": "none", "keylocation": "none", "pbkdf2iters": "0"}
_SPECIAL: dict[str, Callable[[Handle, Property], Raw]] = {
    "volsize": _volsize,
    "volblocksize": _volblocksize,
    "filesystem_count": lambda *_: (str(UINT64_MAX), DEFAULT),
    "snapshot_count": lambda *_: (str(UINT64_MAX), DEFAULT),
    **dict.fromkeys(_ENCRYPTION_DEFAULTS, _encryption),
}


def inherited(session: Session, handle: Handle, name: str, default: str | None) -> Raw:
    """An inheritable property: own local, own received, the nearest ancestor's, the default."""
    own: Dataset | Snapshot = handle.snapshot if handle.snapshot is not None else handle.dataset
    if name in own.local:
        return own.local[name], LOCAL
    if name in own.received:
        return own.received[name], RECEIVED
    above = session.tree.ancestors(handle.dataset)
    for holder in (handle.dataset, *above) if handle.snapshot is not None else above:
        for store in (holder.local, holder.received):
            if name in store:
                return store[name], f"inherited from {holder.name}"
    return default, DEFAULT


def _numeric(prop: Property, number: int, *, literal: bool) -> str:
    name = prop.name
    if number == UINT64_MAX:
        return "none"
    if literal:
        return str(number)
    if name in (*QUOTAS, *RESERVATIONS):
        return nice_bytes(number) if number else "none"
    return str(number) if name in _PLAIN else nice_number(number)


def user_value(session: Session, handle: Handle, name: str) -> Value | None:
    """A user property; None when nobody up the tree has set it."""
    if not is_user_property(name):
        raise Unmodelled(f"property {name}")
    text, source = inherited(session, handle, name, None)
    return None if text is None else Value(text, source)


def user_properties(session: Session, handle: Handle) -> list[str]:
    """Names of all user properties in effect, sorted as the nvlist of the kernel lists them."""
    holders: list[Dataset | Snapshot] = [handle.dataset, *session.tree.ancestors(handle.dataset)]
    if handle.snapshot is not None:
        holders.append(handle.snapshot)
    names: set[str] = set()
    for holder in holders:
        names.update(name for store in (holder.local, holder.received) for name in store if ":" in name)
    return sorted(names)
