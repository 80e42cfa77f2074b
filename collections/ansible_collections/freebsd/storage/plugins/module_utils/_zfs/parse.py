# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What zfs(8) says, as values. The only place that knows its texts.

Pure functions. Output is that of `zfs get -Hp -s local,received,none -o name,property,value,source`
in the C locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional, Union

from .. import _names
from ..command import Completed
from ..errors import HostError
from . import copies
from .model import PROPERTIES, Drift, Inventory, Parameters, Record, Snapshot, Trash, Volume
from .placement import Kept
from .properties import Properties, is_own, number_of, own, properties, text_of
from .snapshots import judged as judged_snapshots

SAID_LIMIT = 600  # characters of a command's words that are handed on

_FOREIGN = "foreign_dataset"


def inventory(text: str, parent: str, owner: str) -> Inventory:
    """Return what is below the parent; raise `HostError` if the parent itself was not shown."""
    found = properties(text)
    if parent not in found:
        raise HostError("degraded", f"zfs get did not show {parent}; nothing is known of its volumes")
    guid, available, used = _parent(parent, found[parent])
    value = _names.owner_value(owner, guid)
    making = {name: props for name, props in found.items() if copies.is_below(parent, name)}
    everything, found = found, {name: props for name, props in found.items() if name not in making}
    judged, drift = _judged(found, parent, value)
    deleted = [volume for volume in judged if _is_deleted(found, parent, volume.dataset)]
    unique, twins = _unique([volume for volume in judged if volume not in deleted])
    known = {volume.uuid for volume in unique}
    taken = judged_snapshots(found, {volume.dataset: volume for volume in (*unique, *deleted)}, value)
    placed = frozenset((*known, *(volume.uuid for volume in deleted)))
    made = copies.judged(making, parent, value, taken.snapshots, placed)
    return Inventory(
        parent=parent,
        parent_guid=guid,
        volumes=unique,
        datasets=frozenset(everything),
        drift=(*drift, *twins, *taken.drift, *made.drift),
        unreadable={
            **{uuid: name for name, uuid in _uuids(found, parent, value) if uuid not in known},
            **taken.unreadable,
            **made.unreadable,
        },
        snapshots=taken.snapshots,
        trash=_trash(found, parent, deleted, taken.snapshots),
        available_bytes=available,
        used_bytes=used,
        properties=everything,
        known=_kept(found[parent], owner),
        copies=made.copies,
        copying=_names.copying_of(parent) in making,
        idle=len(making) == 1 and is_own(making.get(_names.copying_of(parent), {}), "copying"),
    )


def _parent(name: str, props: Properties) -> tuple[str, int, int]:
    """Return the parent's guid and its bytes available and used."""
    try:
        return text_of(props, "guid"), number_of(props, "available"), number_of(props, "used")
    except ValueError as error:
        raise HostError("degraded", f"{name} cannot be read, so nothing is known of its volumes: {error}") from error


def trash(text: str, parent: str, owner_value: str) -> Trash:
    """Return what a read of the trash alone, or of the parent, shows of deleted volumes."""
    found = properties(text)
    judged, _drift = _judged(found, parent, owner_value)
    deleted = [volume for volume in judged if _is_deleted(found, parent, volume.dataset)]
    taken = judged_snapshots(found, {volume.dataset: volume for volume in deleted}, owner_value)
    return _trash(found, parent, deleted, taken.snapshots)


def volumes(text: str, owner_value: str) -> dict[str, Volume]:
    """Return the volumes of the owner among the datasets shown, by dataset."""
    judged, _drift = _judged(properties(text), "", owner_value)
    return {volume.dataset: volume for volume in judged}


def snapshots(text: str, sources: Mapping[str, Volume], owner_value: str) -> dict[str, Snapshot]:
    """Return the snapshots shown of these volumes, by dataset."""
    return {each.dataset: each for each in judged_snapshots(properties(text), sources, owner_value).snapshots}


def _judged(found: Mapping[str, Properties], parent: str, owner_value: str) -> tuple[list[Volume], list[Drift]]:
    ours: list[Volume] = []
    drift: list[Drift] = []
    for name in sorted(found):
        if name != parent and "@" not in name:
            volume, odd = _judge(name, found[name], owner_value)
            drift.extend(odd)
            if volume is not None:
                ours.append(volume)
    return ours, drift


def _judge(name: str, props: Properties, owner_value: str) -> tuple[Optional[Volume], tuple[Drift, ...]]:
    """Return the volume if the dataset is ours, and what is odd about it."""
    claim = _claim(name, props, owner_value)
    if claim is None:
        return None, ()
    if isinstance(claim, Drift):
        return None, (claim,)
    try:
        volume = _volume(name, props)
    except ValueError as error:
        return None, (Drift("unreadable_volume", name, f"its properties cannot be read: {error}"),)
    records, odd = _records(name, props)
    return volume._replace(records=records, unreadable=tuple(each.msg for each in odd)), odd


def _is_trash(parent: str, dataset: str) -> bool:
    return dataset.startswith(f"{_names.trash_of(parent)}/")


def _is_deleted(found: Mapping[str, Properties], parent: str, dataset: str) -> bool:
    """Whether the volume waits for its snapshots to go: by its place, or by a mark where it cannot be moved."""
    return _is_trash(parent, dataset) or is_own(found[dataset], "deleted")


def _trash(
    found: Mapping[str, Properties], parent: str, deleted: Sequence[Volume], snapshots: Sequence[Snapshot]
) -> Trash:
    place = _names.trash_of(parent)
    uuids = {volume.uuid for volume in deleted}
    return Trash(
        volumes=tuple(deleted),
        snapshots=tuple(each for each in snapshots if each.home in uuids),
        exists=place in found,
        removable=place in found and is_own(found[place], "trash") and not any(_is_trash(parent, n) for n in found),
    )


def _uuids(found: Mapping[str, Properties], parent: str, owner_value: str) -> Iterator[tuple[str, str]]:
    """The datasets that carry the owner's mark and a uuid, whatever else can be read of them."""
    for name, props in found.items():
        uuid = props.get(f"{_names.PREFIX}uuid")
        if _is_deleted(found, parent, name) or uuid is None or uuid.source != "local":
            continue
        if _claim(name, props, owner_value) == owner_value:
            yield name, uuid.value


def _claim(name: str, props: Properties, owner_value: str) -> Union[str, Drift, None]:
    """Return None for a dataset that is no volume of ours, a Drift for one that only looks like it."""
    owner = props.get(f"{_names.PREFIX}owner")
    if owner is None or owner.source.startswith("inherited") or is_own(props, "noun"):
        return None
    if owner.source != "local":
        return Drift(_FOREIGN, name, f"a copy: its owner property is {owner.source}; left alone")
    if owner.value == owner_value:
        return owner.value
    if owner.value.rpartition(":")[0] == owner_value.rpartition(":")[0]:
        return Drift(_FOREIGN, name, f"made under another parent ({owner.value}); left alone")
    return None


def _volume(name: str, props: Properties) -> Volume:
    schema = own(props, "schema")
    if schema != _names.SCHEMA:
        raise ValueError(f"schema {schema}, but only {_names.SCHEMA} is known")
    uuid = own(props, "uuid")
    if not _names.UUID.fullmatch(uuid):
        raise ValueError("the uuid is not 32 hexadecimal digits")
    if text_of(props, "type") != "volume":
        raise ValueError("it is not a volume")
    wanted = Parameters.from_json(own(props, "parameters"))
    return Volume(
        dataset=name,
        uuid=uuid,
        name=_names.decoded(own(props, "name")),
        size_bytes=number_of(props, "volsize"),
        used_bytes=number_of(props, "used"),
        # Not shown where it is the default; it was asked for, and cannot change.
        volblocksize=number_of(props, "volblocksize") if "volblocksize" in props else wanted.volblocksize,
        created=number_of(props, "creation"),
        parameters=wanted,
        digest=own(props, "hash"),
        goal_bytes=int(own(props, "size")) if is_own(props, "size") else 0,
        reserved="refreservation" in props and props["refreservation"].value not in ("0", "none"),
        written_bytes=number_of(props, "written") if "written" in props else 0,
        settings={each: props[each].value for each in PROPERTIES if each in props and props[each].source == "local"},
        thin_now=_flag(own(props, "thin")) if is_own(props, "thin") else None,
        hidden="volmode" in props and props["volmode"].value == "none",
        root=props["encryptionroot"].value.lstrip("-") if "encryptionroot" in props else "",
        locked="keystatus" in props and props["keystatus"].value == "unavailable",
    )


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!a} is neither true nor false")
    return text == "true"


def _records(name: str, props: Properties) -> tuple[tuple[Record, ...], tuple[Drift, ...]]:
    records: list[Record] = []
    odd: list[Drift] = []
    for key in sorted(props):
        if key.startswith(_names.PUBLICATION) and props[key].source == "local":
            try:
                records.append(_record(key, props[key].value))
            except ValueError as error:
                odd.append(Drift("unreadable_record", f"{name} {key}", f"cannot be read: {error}"))
    return tuple(records), tuple(odd)


def _record(key: str, text: str) -> Record:
    record = Record.from_json(text)
    if record.property_name != key:
        raise ValueError("it names another node")
    return record


def _kept(parent: Properties, owner: str) -> Kept:
    """Return what is kept on the parent for one owner; a time that cannot be read is long ago."""
    refusals: dict[str, int] = {}
    for name, found in parent.items():
        whose, _colon, since = found.value.rpartition(":")
        if name.startswith(_names.REFUSAL) and found.source == "local" and whose == owner:
            refusals[name] = int(since) if since.isdigit() else 0
    peers = parent.get(_names.peers_property(owner))
    local = peers is not None and peers.source == "local"
    return Kept(frozenset(peers.value.split(",")) if peers is not None and local else frozenset(), refusals)


def _unique(volumes: list[Volume]) -> tuple[tuple[Volume, ...], tuple[Drift, ...]]:
    """Leave out every volume that shares its uuid or name with an earlier one."""
    kept: dict[str, Volume] = {}
    names: dict[str, Volume] = {}
    drift: list[Drift] = []
    for volume in volumes:
        twin = kept.get(volume.uuid) or names.get(volume.name)
        if twin is not None:
            msg = f"it has the identity of {twin.dataset}; left alone"
            drift.append(Drift(_FOREIGN, volume.dataset, msg))
        else:
            kept[volume.uuid] = names[volume.name] = volume
    return tuple(kept.values()), tuple(drift)


# text at the end of the message → code, remedy; first match wins
_FAILURES: tuple[tuple[str, str, str], ...] = (
    (r"dataset already exists", "foreign_name", ""),
    (r"Incorrect key provided", "denied", "give the key that the volume, or the one it is a clone of, was made with"),
    (r"Key already (un)?loaded", "busy", "somebody else works on the key: try again"),
    (r"key is not loaded or provided", "degraded", "load the key of the parent dataset: zfs load-key"),
    (r"Encryption feature not enabled|unsupported encryption suite", "unsupported", "see zpool upgrade"),
    (r"(Passphrase|Raw key|Hex key) too|Invalid hex character", "invalid", ""),
    (r"Key unload error: .* is busy", "in_use", "it is still open or exported"),
    (r"dataset does not exist|could not find any snapshots|no such tag on this dataset", "not_found", ""),
    (
        r"out of space|size is greater than available space|disk quota exceeded|space quota exceeded",
        "out_of_space",
        "free space, raise the quota, or ask for a smaller or thin volume",
    ),
    (
        r"permission denied|[Pp]ermission denied",
        "denied",
        "give the SSH user the permission with zfs allow; the role storage_host does it",
    ),
    (r"(has children|has dependent clones|snapshot is cloned)", "in_use", ""),
    (r"(dataset|pool or dataset) is busy|it's being held", "in_use", "it is still open or exported"),
    (
        r"parent does not exist|no such pool|no such parent|parent is not a filesystem",
        "degraded",
        "import the pool, or make the parent dataset with the role storage_host",
    ),
    (
        r"pool I/O is currently suspended|is read-only|I/O error|pool is unavailable",
        "degraded",
        "look at zpool status",
    ),
    (r"name is too long|invalid name|invalid character|in name$", "invalid", ""),
    (
        (
            r"must be|invalid property|bad numeric value|numeric value is too large|is readonly|"
            r"does not apply|encrypted datasets cannot|bad volume size|size cannot be zero|property value too long"
        ),
        "invalid",
        "",
    ),
)


def is_busy(error: HostError) -> bool:
    """Return whether somebody has the dataset open."""
    return error.code == "in_use" and "is busy" in error.msg


def is_stale_stream(said: str) -> bool:
    """Return whether what was received so far cannot be gone on with."""
    return "cannot resume send" in said or "kernel modules must be upgraded" in said


def is_there(error: HostError) -> bool:
    """Return whether the dataset that was to be made exists already."""
    return error.code == "foreign_name"


def is_held(error: HostError) -> bool:
    """Return whether a hold with that tag is there already."""
    return "tag already exists" in error.msg


def failure(done: Completed) -> Optional[HostError]:
    """Return why a zfs command failed, or None if it did not."""
    if done.unstarted is not None:
        return done.unstarted
    if done.late:
        what = " ".join(done.argv[:2])
        return HostError("uncertain", f"{what} did not end within the time limit; its effect is unknown")
    if done.rc == 0:
        return None
    said = " ".join(done.err.split())[:SAID_LIMIT] or f"exit status {done.rc} without a word"
    for pattern, code, remedy in _FAILURES:
        if re.search(pattern, said):
            return HostError(code, f"{said}; {remedy}" if remedy else said)
    # Nobody knows what it did before it said so, or was killed.
    return HostError("uncertain", f"{' '.join(done.argv[:2])}: {said}")
