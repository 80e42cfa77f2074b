# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What this collection keeps in ZFS: volumes and the records of their publications."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, TypeVar

from .. import _names
from .placement import Kept
from .properties import Properties

# Those that a stranger may choose, and change, without changing what a volume is or where it shows.
PROPERTIES = (
    "checksum",
    "compression",
    "copies",
    "dedup",
    "logbias",
    "primarycache",
    "redundant_metadata",
    "secondarycache",
    "sync",
)
CLONE, COPY = "clone", "copy"


class Encryption(NamedTuple):
    """How a volume is encrypted; `unload_key`: the key is not to stay while the volume is not published."""

    cipher: str
    keyformat: str
    unload_key: bool = False


class Parameters(NamedTuple):
    """
    How a volume was asked to be made; what of it cannot be changed later.

    `properties` are native ZFS properties, `attributes` are kept for whoever asked and mean nothing
    here. `source` is what it was made of, {"snapshot": uuid} or {"volume": uuid}; the
    volblocksize is then that of the source. `encryption`: None leaves it to the parent dataset.
    `clone_mode`: CLONE shares the blocks of the source, COPY has its own. `chap` is what its nodes prove
    themselves with, None: nothing was said of it.
    """

    volblocksize: int
    thin: bool
    blocksize: int
    properties: Mapping[str, str]
    attributes: Mapping[str, str]
    source: Optional[Mapping[str, str]] = None
    encryption: Optional[Encryption] = None
    clone_mode: str = CLONE
    chap: Optional[str] = None

    def to_json(self) -> str:
        """Return the canonical form: ASCII, sorted, without blanks."""
        data = dict(self._asdict())
        data["encryption"] = None if self.encryption is None else self.encryption._asdict()
        if self.clone_mode == CLONE:
            del data["clone_mode"]
        return compact_json({key: value for key, value in data.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Parameters:
        """Read `to_json`'s form; raise ValueError on anything else."""
        optional = frozenset({"source", "encryption", "clone_mode", "chap"})
        data = _object(text, frozenset(cls._fields) - optional, optional=optional)
        return cls(
            volblocksize=_typed(data["volblocksize"], int),
            thin=_typed(data["thin"], bool),
            blocksize=_typed(data["blocksize"], int),
            properties=_texts(data["properties"]),
            attributes=_texts(data["attributes"]),
            source=_texts(data["source"]) if "source" in data else None,
            encryption=_encryption(data["encryption"]) if "encryption" in data else None,
            clone_mode=_typed(data.get("clone_mode", CLONE), str),
            chap=_typed(data["chap"], str) if "chap" in data else None,
        )

    @property
    def proof(self) -> Optional[str]:
        """The kind of CHAP without which it is not exported, if there is one."""
        return None if self.chap == "none" else self.chap

    def as_of(self, source: Parameters) -> Parameters:
        """Return them with the volblocksize of the source, which a clone cannot but share."""
        return self if self.source is None else self._replace(volblocksize=source.volblocksize)

    def digest(self) -> str:
        """Return the hash by which two requests for one name are compared."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()


class Record(NamedTuple):
    """
    The promise that a volume is exported to one node.

    `token` is a secret: whoever knows it knows the target's name. `leaving` once its removal has
    begun and could not be finished; such a record is never exported again.
    """

    node: str
    mode: str
    readonly: bool
    protocol: str
    token: str
    initiator: str
    portal_group: str
    leaving: bool = False

    def to_json(self) -> str:
        """Return the compact ASCII form kept in the user property."""
        data = dict(self._asdict())
        if not self.leaving:
            del data["leaving"]
        return compact_json(data)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read `to_json`'s form; raise ValueError on anything else."""
        required = frozenset(cls._fields) - {"leaving"}
        data = _object(text, required, optional=frozenset({"leaving"}))
        made = cls(
            **{key: _typed(data[key], str) for key in required - {"readonly"}},
            readonly=_typed(data["readonly"], bool),
            leaving=_typed(data.get("leaving", False), bool),
        )
        if not _names.TOKEN.fullmatch(made.token):
            raise ValueError("the token is not 32 hexadecimal digits")
        return made

    @property
    def property_name(self) -> str:
        """The user property that holds this record."""
        return _names.publication_property(self.node)


class Volume(NamedTuple):
    """
    A zvol that is ours.

    `unreadable` tells of publications whose records cannot be read: to whom it is exported is then
    not known. `goal_bytes` is the size a clone is to get, and `reserved` whether its blocks are set
    aside. `written_bytes` were written since its newest snapshot. `hidden`: it has no device. `root` is the
    dataset whose key it needs, empty if none, and `locked` whether that is not loaded. `maker`: the
    item of the running batch that is to make it, if any. `settings` are the changeable native properties
    set on it, and `thin_now` is whether it is thin where that was changed after its creation.
    """

    dataset: str
    uuid: str
    name: str
    size_bytes: int
    used_bytes: int
    volblocksize: int
    created: int
    parameters: Parameters
    digest: str
    records: tuple[Record, ...] = ()
    unreadable: tuple[str, ...] = ()
    goal_bytes: int = 0
    reserved: bool = False
    written_bytes: int = 0
    hidden: bool = False
    maker: Optional[int] = None
    settings: Mapping[str, str] = {}
    thin_now: Optional[bool] = None
    root: str = ""
    locked: bool = False

    @property
    def thin(self) -> bool:
        """Whether nothing is to be set aside for it."""
        return self.parameters.thin if self.thin_now is None else self.thin_now

    @property
    def shares_key(self) -> bool:
        """Whether it has its key from a dataset beside it, as clones do; zfs renames no such volume."""
        return self.parameters.encryption is not None and self.root not in ("", self.dataset)

    @property
    def unloads_key(self) -> bool:
        """Whether its key is not to stay while it is not published."""
        return self.parameters.encryption is not None and self.parameters.encryption.unload_key

    @property
    def unfinished(self) -> bool:
        """Whether it is a clone that was not given its size or its reservation: something ended too early."""
        cloned = self.parameters.source is not None and self.parameters.clone_mode == CLONE
        return cloned and (self.size_bytes < self.goal_bytes or not (self.reserved or self.thin))

    def finished(self) -> Volume:
        """Return it with the size and the reservation it is to have."""
        return self._replace(size_bytes=max(self.size_bytes, self.goal_bytes), reserved=not self.thin)

    def record_of(self, node: str) -> Optional[Record]:
        """Return the record of the publication to `node`, if there is one."""
        return next(
            (record for record in self.records if _names.node_name(record.node) == _names.node_name(node)), None
        )

    def with_record(self, record: Record) -> Volume:
        """Return the volume with the record added, or put in place of the one of the same node."""
        kept = tuple(other for other in self.records if other.property_name != record.property_name)
        return self._replace(records=(*kept, record))

    def without_records(self, gone: tuple[Record, ...]) -> Volume:
        """Return the volume without the records."""
        return self._replace(records=tuple(r for r in self.records if r not in gone))


OURS, HIDDEN, DELETED, FOREIGN = "ours", "hidden", "deleted", "foreign"


class Membership(NamedTuple):
    """That a snapshot was taken together with others: the uuid of the group, and how many they were."""

    uuid: str
    size: int


class Snapshot(NamedTuple):
    """
    A snapshot of a volume that is ours.

    Of what `kind`: OURS, with a `uuid` and a `name`, the latter that of its `group` if it was taken
    with others; HIDDEN, made for a clone or a copy and for nothing else; DELETED, waiting for its clones
    to go; FOREIGN, none of our business. `source` is the uuid of the volume; a detached one has a copy of
    its data in another, the `holder`, and is not `ready` until that is whole. `held`: `clones` or `holds`
    keep it; `deferred`: it vanishes with the last of them. `referenced_bytes` are those it leads to, its
    own or not. `maker`: the item of the running batch that is to make it, if any.
    """

    dataset: str
    kind: str
    source: str
    size_bytes: int
    created: int
    volblocksize: int
    uuid: str = ""
    name: str = ""
    txg: int = 0
    clones: tuple[str, ...] = ()
    holds: int = 0
    deferred: bool = False
    maker: Optional[int] = None
    group: Optional[Membership] = None
    holder: str = ""
    ready: bool = True
    referenced_bytes: int = 0

    @property
    def home(self) -> str:
        """The uuid of the volume in which it lies."""
        return self.holder or self.source

    @property
    def volume_dataset(self) -> str:
        """The zvol it belongs to."""
        return self.dataset.partition("@")[0]

    @property
    def held(self) -> bool:
        """Whether it can be destroyed only later."""
        return bool(self.clones or self.holds)

    @property
    def listed(self) -> bool:
        """Whether there is such a snapshot for those who ask."""
        return self.kind == OURS and not self.deferred


class Group(NamedTuple):
    """Snapshots that were taken at once, those there are of `size`, in the order of their volumes' uuids."""

    uuid: str
    name: str
    size: int
    members: tuple[Snapshot, ...]

    @property
    def maker(self) -> Optional[int]:
        """The item of the running batch that is to take them, if any."""
        return self.members[0].maker

    @property
    def complete(self) -> bool:
        """Whether none of them was destroyed."""
        return len(self.members) == self.size


def groups_of(snapshots: Iterable[Snapshot]) -> dict[str, Group]:
    """Return the groups to which the snapshots belong, by uuid, each with those of its members that are among them."""
    found: dict[str, Group] = {}
    for each in sorted(snapshots, key=lambda snapshot: snapshot.source):
        if each.group is not None:
            group = found.get(each.group.uuid) or Group(each.group.uuid, each.name, each.group.size, ())
            found[group.uuid] = group._replace(members=(*group.members, each))
    return found


ABSENT, PARTIAL, WHOLE, PLACED = "absent", "partial", "whole", "placed"


class Copy(NamedTuple):
    """
    A full copy that is being made, under a dataset that holds its record: the `place`.

    `volume` is what it is to become; for a detached `snapshot`, the volume that holds it. `origin` is
    the snapshot that is copied, if it is there. `state`: nothing is there yet (ABSENT), some of it
    (PARTIAL, to go on by the `token`), all of it (WHOLE), or it is where it is to be (PLACED) and only
    the record is left.
    """

    place: str
    volume: Volume
    snapshot: Optional[Snapshot] = None
    origin: Optional[Snapshot] = None
    state: str = ABSENT
    token: str = ""
    copied_bytes: int = 0

    @property
    def uuid(self) -> str:
        """Its identity, that of the volume or of the snapshot too."""
        return self.volume.uuid

    @property
    def data(self) -> str:
        """The dataset that receives the copy."""
        return f"{self.place}/data"

    @property
    def received(self) -> str:
        """The snapshot that comes with the data: of a detached one, the snapshot itself."""
        return f"{self.data}@{self.snapshot.dataset.partition('@')[2] if self.snapshot else 'copied'}"

    @property
    def total_bytes(self) -> int:
        """How much there is to copy, if it is known."""
        return self.origin.referenced_bytes if self.origin else 0


class Drift(NamedTuple):
    """Something on the host that is not as it should be, and was left alone; `bytes`: what it takes up, if known."""

    kind: str
    object: str
    msg: str
    bytes: int = 0


class Trash(NamedTuple):
    """
    The deleted volumes of ours that wait for their snapshots to go, and all these snapshots.

    `exists`: there is a dataset for them; `removable`: it is ours and empty.
    """

    volumes: tuple[Volume, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    exists: bool = False
    removable: bool = False

    @property
    def used(self) -> bool:
        """Whether there is anything in it, or at least the place."""
        return self.exists or bool(self.volumes)


class Inventory(NamedTuple):
    """
    What one read of the parent dataset shows.

    `snapshots` are all those of the volumes, deleted ones too. `unreadable` has the datasets and snapshots that are
    ours by their mark, by uuid, though they cannot be read: they are there, and must not be taken
    for gone. `known` is what is kept on the parent about other hosts. `copies` are those that are being
    made; `copying`: there is a dataset for them; `idle`: it is ours and empty.
    """

    parent: str
    parent_guid: str
    volumes: tuple[Volume, ...]
    datasets: frozenset[str]
    drift: tuple[Drift, ...]
    available_bytes: int
    unreadable: Mapping[str, str] = {}
    snapshots: tuple[Snapshot, ...] = ()
    trash: Trash = Trash()
    used_bytes: int = 0
    properties: Mapping[str, Properties] = {}
    known: Kept = Kept()
    copies: tuple[Copy, ...] = ()
    copying: bool = False
    idle: bool = False


def compact_json(data: Mapping[str, object]) -> str:
    """Return JSON in canonical form."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _object(text: str, required: frozenset[str], optional: frozenset[str] = frozenset()) -> dict[str, object]:
    data: object = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004 - it is the text that is wrong
    wrong: list[str] = sorted((required - data.keys()) | (data.keys() - required - optional))
    if wrong:
        raise ValueError(f"unknown or missing: {', '.join(wrong)}")
    return data


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("not an object of strings")
    return value


def _encryption(value: object) -> Encryption:
    if not isinstance(value, dict) or value.keys() != set(Encryption._fields):
        raise ValueError("encryption is not described as known")
    return Encryption(
        cipher=_typed(value["cipher"], str),
        keyformat=_typed(value["keyformat"], str),
        unload_key=_typed(value["unload_key"], bool),
    )


_T = TypeVar("_T")


def _typed(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:  # bool is an int, and must not pass for one
        raise ValueError(f"not of type {kind.__name__}")
    return value
