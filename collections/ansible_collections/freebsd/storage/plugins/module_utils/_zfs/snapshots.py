# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tells the snapshots of volumes apart: ours, hidden, deleted, and those of others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .. import _names
from .model import DELETED, FOREIGN, HIDDEN, OURS, Drift, Membership, Snapshot, Volume
from .properties import Properties, is_own, number_of, own


class Judged(NamedTuple):
    """All snapshots of the volumes; what is odd; and those that are ours and cannot be read, by uuid."""

    snapshots: tuple[Snapshot, ...]
    drift: tuple[Drift, ...]
    unreadable: Mapping[str, str]


def judged(found: Mapping[str, Properties], sources: Mapping[str, Volume], owner_value: str) -> Judged:
    """Judge every snapshot that was shown; `sources` are our volumes, by dataset."""
    snapshots: list[Snapshot] = []
    drift: list[Drift] = []
    unreadable: dict[str, str] = {}
    for name in sorted(name for name in found if "@" in name):
        props = found[name]
        source = sources.get(name.partition("@")[0])
        kind = _kind(name, props, owner_value)
        if source is None and kind == FOREIGN:
            continue
        try:
            snapshots.append(_snapshot(name, props, kind, source))
        except ValueError as error:
            drift.append(Drift("unreadable_snapshot", name, f"it cannot be read: {error}"))
            unreadable.update(dict.fromkeys(_uuids(props, source), name))
    unique, twins = _unique(snapshots)
    return Judged(tuple(unique), (*drift, *twins), unreadable)


def _kind(name: str, props: Properties, owner_value: str) -> str:
    if not is_own(props, "owner") or own(props, "owner") != owner_value:
        return FOREIGN
    if is_own(props, "snapshot-uuid") or is_own(props, "group-uuid"):
        return DELETED if _names.DELETED.fullmatch(name.partition("@")[2]) else OURS
    return HIDDEN if is_own(props, "clone-for") else FOREIGN


def _snapshot(name: str, props: Properties, kind: str, source: Optional[Volume]) -> Snapshot:
    if source is None:
        raise ValueError("it belongs to no volume that can be read")
    detached = is_own(props, "snapshot-of")
    snapshot = Snapshot(
        dataset=name,
        kind=kind,
        source=own(props, "snapshot-of") if detached else source.uuid,
        holder=source.uuid if detached else "",
        referenced_bytes=int(_shown(props, "referenced") or 0),
        size_bytes=number_of(props, "volsize"),
        created=number_of(props, "creation"),
        volblocksize=source.volblocksize,
        txg=number_of(props, "createtxg"),
        clones=tuple(name for name in _shown(props, "clones").split(",") if name not in ("", "-")),
        holds=int(_shown(props, "userrefs") or 0),
        deferred=_shown(props, "defer_destroy") == "on",
    )
    if kind not in (OURS, DELETED):
        return snapshot
    schema = own(props, "schema")
    if schema != _names.SCHEMA:
        raise ValueError(f"schema {schema}, but only {_names.SCHEMA} is known")
    if is_own(props, "group-uuid"):
        return _member(snapshot, props)
    return snapshot._replace(uuid=_uuid(props, "snapshot-uuid"), name=_names.decoded(own(props, "snapshot-name")))


def _member(snapshot: Snapshot, props: Properties) -> Snapshot:
    group = Membership(_uuid(props, "group-uuid"), int(own(props, "group-size")))
    uuid = _names.member_uuid(group.uuid, snapshot.source)
    return snapshot._replace(uuid=uuid, name=_names.decoded(own(props, "group-name")), group=group)


def _uuid(props: Properties, name: str) -> str:
    uuid = own(props, name)
    if not _names.UUID.fullmatch(uuid):
        raise ValueError("the uuid is not 32 hexadecimal digits")
    return uuid


def _uuids(props: Properties, source: Optional[Volume]) -> list[str]:
    """Return what a snapshot is known by that is ours and cannot be read: its own uuid, and that of its group."""
    single, group = (own(props, name) if is_own(props, name) else None for name in ("snapshot-uuid", "group-uuid"))
    if group is None:
        return [] if single is None else [single]
    return [group] if source is None else [group, _names.member_uuid(group, source.uuid)]


def _shown(props: Properties, name: str) -> str:
    return props[name].value if name in props else ""


def _unique(snapshots: list[Snapshot]) -> tuple[list[Snapshot], list[Drift]]:
    """Take every one that shares its uuid or name with an earlier one for somebody else's."""
    kept: list[Snapshot] = []
    known: dict[str, Snapshot] = {}
    drift: list[Drift] = []
    for snapshot in snapshots:
        marks = _marks(snapshot)
        twin = next((known[mark] for mark in marks if mark in known), None)
        if twin is None:
            known.update(dict.fromkeys(marks, snapshot))
            kept.append(snapshot)
        else:
            msg = f"it has the identity of {twin.dataset}; left alone"
            drift.append(Drift("foreign_snapshot", snapshot.dataset, msg))
            kept.append(snapshot._replace(kind=FOREIGN))
    return kept, drift


def _marks(snapshot: Snapshot) -> tuple[str, ...]:
    if not snapshot.listed:
        return ()
    # All members of a group have the name of the group.
    return (f"uuid {snapshot.uuid}",) if snapshot.group else (f"uuid {snapshot.uuid}", f"name {snapshot.name}")
