# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reads what there is of copies that are being made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .. import _names
from .model import ABSENT, DELETED, HIDDEN, OURS, PARTIAL, PLACED, WHOLE, Copy, Drift, Parameters, Snapshot, Volume
from .properties import Properties, is_own, number_of, own


class Judged(NamedTuple):
    """The copies of the owner; what is odd; and those that are ours and cannot be read, by uuid."""

    copies: tuple[Copy, ...]
    drift: tuple[Drift, ...]
    unreadable: Mapping[str, str]


def is_below(parent: str, name: str) -> bool:
    """Return whether a dataset or snapshot is the place where copies are made, or lies there."""
    place = _names.copying_of(parent)
    return name == place or name.startswith((f"{place}/", f"{place}@"))


def judged(
    found: Mapping[str, Properties],
    parent: str,
    owner_value: str,
    snapshots: tuple[Snapshot, ...],
    placed: frozenset[str],
) -> Judged:
    """
    Judge every record of a copy.

    `snapshots` are those of our volumes, among which what is copied is looked for; `placed` the uuids
    of our volumes, deleted ones and those that hold detached snapshots too.
    """
    copies: list[Copy] = []
    drift: list[Drift] = []
    unreadable: dict[str, str] = {}
    for name in sorted(found):
        uuid = name[len(_names.copying(parent, "")) :]
        if not _names.UUID.fullmatch(uuid) or not _is_ours(found[name], owner_value):
            continue
        try:
            copy = _copy(parent, uuid, found[name])
        except ValueError as error:
            drift.append(Drift("unreadable_copy", name, f"its record cannot be read: {error}"))
            unreadable[uuid] = name
            continue
        copies.append(_with_state(_with_origin(copy, snapshots), found, placed))
    return Judged(tuple(copies), tuple(drift), unreadable)


def origin_of(copy: Copy, snapshots: tuple[Snapshot, ...]) -> Optional[Snapshot]:
    """Return the snapshot that is copied: one that was taken for it, or the one that was asked for."""
    source = copy.volume.parameters.source or {}
    if copy.snapshot is None and "snapshot" in source:
        wanted = [each for each in snapshots if each.kind in (OURS, DELETED) and each.uuid == source["snapshot"]]
    else:
        leaf = _names.hidden_leaf_of(copy.uuid)
        wanted = [each for each in snapshots if each.kind == HIDDEN and each.dataset.partition("@")[2] == leaf]
    return wanted[0] if wanted else None


def detached(holder: Volume, name: str, source: str) -> Snapshot:
    """Return the detached snapshot of the volume `source`, of which `holder` is to have a copy."""
    return Snapshot(
        dataset=f"{holder.dataset}@{_names.snapshot_leaf_of(name)}",
        kind=OURS,
        source=source,
        size_bytes=holder.size_bytes,
        created=0,
        volblocksize=holder.volblocksize,
        uuid=holder.uuid,
        name=name,
        holder=holder.uuid,
        ready=False,
    )


def _is_ours(props: Properties, owner_value: str) -> bool:
    return is_own(props, "owner") and own(props, "owner") == owner_value


def _copy(parent: str, uuid: str, props: Properties) -> Copy:
    schema = own(props, "schema")
    if schema != _names.SCHEMA:
        raise ValueError(f"schema {schema}, but only {_names.SCHEMA} is known")
    kind, name = own(props, "copy"), _names.decoded(own(props, "copy-name"))
    if kind not in ("volume", "snapshot"):
        raise ValueError(f"a copy to become a {kind} is not known")
    dataset = _names.trashed(parent, uuid) if kind == "snapshot" else f"{parent}/{_names.leaf_of(name)}"
    parameters = Parameters.from_json(own(props, "copy-parameters"))
    size = int(own(props, "copy-size"))
    volume = Volume(
        dataset=dataset,
        uuid=uuid,
        name=name,
        size_bytes=size,
        used_bytes=0,
        volblocksize=parameters.volblocksize,
        created=0,
        parameters=parameters,
        digest=parameters.digest(),
        goal_bytes=size,
        reserved=not parameters.thin,
    )
    snapshot = detached(volume, name, own(props, "copy-of")) if kind == "snapshot" else None
    return Copy(_names.copying(parent, uuid), volume, snapshot)


def _with_origin(copy: Copy, snapshots: tuple[Snapshot, ...]) -> Copy:
    origin = origin_of(copy, snapshots)
    if copy.snapshot is None or origin is None:
        return copy._replace(origin=origin)
    return copy._replace(origin=origin, snapshot=copy.snapshot._replace(created=origin.created))


def _with_state(copy: Copy, found: Mapping[str, Properties], placed: frozenset[str]) -> Copy:
    data = found.get(copy.data)
    if data is None:
        return copy._replace(state=PLACED if copy.uuid in placed else ABSENT)
    token = data["receive_resume_token"].value if "receive_resume_token" in data else ""
    whole = not token and (copy.received in found or is_own(data, "uuid"))
    snapshot = copy.snapshot and copy.snapshot._replace(ready=whole)
    used = number_of(data, "used") if "used" in data else 0
    return copy._replace(state=WHOLE if whole else PARTIAL, token=token, copied_bytes=used, snapshot=snapshot)
