# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What a storage host is like, as one value: the input of every plan.

A plan never changes the facts it was given; it returns new ones in which its steps have been taken,
so that the items of a batch are planned one after the other without touching the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, Protocol, Union

from . import _names
from ._changes import Change, Enter, Resize, RunZfs
from ._ctl.model import Chap, Kernel
from ._ctl.seam import Comparison, Section
from ._ctl.sections import Named
from ._secrets import Secret
from ._zfs.dataset import Dataset, dataset_of
from ._zfs.model import Copy, Drift, Group, Record, Snapshot, Trash, Volume, groups_of
from ._zfs.placement import Kept
from ._zfs.properties import Properties
from .errors import HostError


class Facts(NamedTuple):
    """
    The state of a host, as far as one owner may care.

    `kernel_problem`: why the kernel could not be looked at, where it had to be.
    `shown` has the volumes of which the kernel shows a LUN, each with the targets that lead to it;
    `loose` the targets of ours that lead to none.
    `exports` and `exported` count what is to be exported, and the volumes it belongs to;
    `strange_ports` and `strange_luns` what the kernel holds for others. `makers` has the
    publications that are new in the running round, with the item that makes each. `freed` and
    `unsettled` name the datasets and volumes from which something is taken away at the end of the
    round: whatever needs them gone has to wait for the next one. `unreadable` as in `Inventory`.
    `grown` names the volumes whose size this round changes or checks, `modified` those whose
    properties or reservation it changes. `snapshots` are those that
    are listed, by uuid, and `taken` all there are, by the uuid of the volume; `fresh` names the
    volumes and snapshots that this round makes, `tapped` the volumes of which it takes a snapshot.
    `unmended` has the clones that could not be finished, with the reason. `trash` are the volumes
    that were deleted and still have snapshots. `copies` are those that are being made, by uuid, and
    `copying` tells whether there is a dataset for them, `idle` whether that is empty. `settings_dir`
    is where the jobs have their files. `used_bytes` and `available_bytes` are those of the parent.
    `properties` as in `Inventory`; `named` has the
    datasets that people named as they are to be, None for those that are to be gone, and `touched`
    those of this round. `section` is what people named in ctl.conf, None where it was not looked
    at, and `entered` has the keys in it that this round changes.
    `assuming`: what people name and is not there is to be taken for made by an earlier task, as in check mode.
    `known` is what is kept there about other hosts, at `now`. `comparison` is that of all that is recorded
    with what is exported, None where it was not made.
    """

    owner: str
    parent: str
    parent_guid: str
    volumes: Mapping[str, Volume]
    names: Mapping[str, str]
    datasets: frozenset[str]
    drift: tuple[Drift, ...]
    available_bytes: int
    kernel: Optional[Kernel] = None
    kernel_problem: Optional[HostError] = None
    shown: Mapping[str, frozenset[str]] = {}
    loose: frozenset[str] = frozenset()
    strange_ports: int = 0
    strange_luns: int = 0
    exports: int = 0
    exported: int = 0
    makers: Mapping[tuple[str, str], int] = {}
    freed: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()
    grown: frozenset[str] = frozenset()
    modified: frozenset[str] = frozenset()
    unreadable: Mapping[str, str] = {}
    snapshots: Mapping[str, Snapshot] = {}
    snapshot_names: Mapping[str, str] = {}
    taken: Mapping[str, tuple[Snapshot, ...]] = {}
    fresh: frozenset[str] = frozenset()
    tapped: frozenset[str] = frozenset()
    unmended: Mapping[str, HostError] = {}
    trash: Trash = Trash()
    used_bytes: int = 0
    properties: Mapping[str, Properties] = {}
    named: Mapping[str, Optional[Dataset]] = {}
    touched: frozenset[str] = frozenset()
    section: Optional[Section] = None
    entered: frozenset[str] = frozenset()
    known: Kept = Kept()
    now: int = 0
    copies: Mapping[str, Copy] = {}
    copying: bool = False
    idle: bool = False
    settings_dir: str = ""
    assuming: bool = False
    section_problem: Optional[HostError] = None
    comparison: Optional[Comparison] = None

    def copy_named(self, name: str) -> Optional[Copy]:
        """Return the copy that is to become the volume with this CSI name."""
        return next((c for c in self.copies.values() if c.snapshot is None and c.volume.name == name), None)

    def with_copy(self, copy: Copy) -> Facts:
        """Return the facts with the copy under way."""
        facts = self._replace(
            copies={**self.copies, copy.uuid: copy},
            datasets=self.datasets | {copy.volume.dataset},
            fresh=self.fresh | {copy.uuid},
        )
        if copy.snapshot is None:
            return facts
        return facts._replace(
            snapshots={**self.snapshots, copy.uuid: copy.snapshot},
            snapshot_names={**self.snapshot_names, copy.snapshot.name: copy.uuid},
        )

    def without_copy(self, copy: Copy) -> Facts:
        """Return the facts without the copy; its names are free in the next round."""
        return self._replace(
            copies={uuid: kept for uuid, kept in self.copies.items() if uuid != copy.uuid},
            snapshots={uuid: kept for uuid, kept in self.snapshots.items() if uuid != copy.uuid},
            snapshot_names={name: uuid for name, uuid in self.snapshot_names.items() if uuid != copy.uuid},
            datasets=self.datasets - {copy.volume.dataset},
            freed=self.freed | {copy.volume.dataset},
        )

    def volume_named(self, name: str) -> Optional[Volume]:
        """Return the volume with this CSI name."""
        uuid = self.names.get(name)
        return None if uuid is None else self.volumes[uuid]

    def with_volume(self, volume: Volume) -> Facts:
        """Return the facts with the volume added or replaced."""
        before = self.volumes.get(volume.uuid)
        counted = active(before.records if before else ()), active(volume.records)
        return self._replace(
            volumes={**self.volumes, volume.uuid: volume},
            names={**self.names, volume.name: volume.uuid},
            datasets=self.datasets | {volume.dataset},
            exports=self.exports + counted[1] - counted[0],
            exported=self.exported + bool(counted[1]) - bool(counted[0]),
        )

    def without_volume(self, volume: Volume) -> Facts:
        """Return the facts without the volume; its dataset's name is free in the next round."""
        return self._replace(
            volumes={uuid: kept for uuid, kept in self.volumes.items() if uuid != volume.uuid},
            names={name: uuid for name, uuid in self.names.items() if uuid != volume.uuid},
            datasets=self.datasets - {volume.dataset},
            freed=self.freed | {volume.dataset},
        )

    def snapshot_named(self, name: str) -> Optional[Snapshot]:
        """Return the snapshot with this CSI name."""
        uuid = self.snapshot_names.get(name)
        return None if uuid is None else self.snapshots[uuid]

    def group(self, uuid: str) -> Optional[Group]:
        """Return the group of snapshots with this uuid."""
        return groups_of(each for each in self.snapshots.values() if each.group and each.group.uuid == uuid).get(uuid)

    def group_named(self, name: str) -> Optional[Group]:
        """Return the group of snapshots with this CSI name."""
        named = groups_of(each for each in self.snapshots.values() if each.group and each.name == name)
        return next(iter(named.values()), None)

    def source_of(self, snapshot: Snapshot) -> Volume:
        """Return the volume in which a snapshot lies, deleted or not."""
        every = {volume.uuid: volume for volume in (*self.trash.volumes, *self.volumes.values())}
        return every[snapshot.home]

    def with_snapshot(self, snapshot: Snapshot) -> Facts:
        """Return the facts with the snapshot added or replaced."""
        others = tuple(each for each in self.taken.get(snapshot.home, ()) if each.dataset != snapshot.dataset)
        facts = self._replace(
            taken={**self.taken, snapshot.home: (*others, snapshot)},
            datasets=self.datasets | {snapshot.dataset},
        )
        if not snapshot.listed:
            return facts
        return facts._replace(
            snapshots={**self.snapshots, snapshot.uuid: snapshot},
            snapshot_names={**self.snapshot_names, **by_name([snapshot])},
        )

    def without_snapshot(self, snapshot: Snapshot) -> Facts:
        """
        Return the facts without the snapshot; its dataset's name is free in the next round.

        In `taken` it stays: until the end of the round the volume has it.
        """
        return self._replace(
            snapshots={uuid: kept for uuid, kept in self.snapshots.items() if uuid != snapshot.uuid},
            snapshot_names={name: uuid for name, uuid in self.snapshot_names.items() if uuid != snapshot.uuid},
            datasets=self.datasets - {snapshot.dataset},
            freed=self.freed | {snapshot.dataset},
        )

    def with_maker(self, uuid: str, node: str, item: int) -> Facts:
        """Return the facts with the publication marked as made in this round, by this item."""
        return self._replace(makers={**self.makers, (uuid, node): item})

    def dataset(self, name: str) -> Optional[Dataset]:
        """Return the dataset or snapshot of this name, whosever it is; None if there is none."""
        if name in self.named:
            return self.named[name]
        props = self.properties.get(name)
        return None if props is None else dataset_of(name, props, owner_value(self))

    def dataset_names(self) -> frozenset[str]:
        """Return the names of all datasets and snapshots below the parent."""
        gone = {name for name, dataset in self.named.items() if dataset is None}
        return (self.datasets | self.named.keys()) - gone

    def with_dataset(self, name: str, dataset: Optional[Dataset]) -> Facts:
        """Return the facts with the dataset as it is to be; None: gone."""
        taken = self.datasets - {name} if dataset is None else self.datasets | {name}
        named = {**self.named, name: dataset}
        return self._replace(datasets=taken, named=named, touched=self.touched | {name})

    def with_entry(self, key: str, entry: Optional[Named]) -> Facts:
        """Return the facts with what is to stand in ctl.conf under the key; None: nothing."""
        section = known_section(self)
        others = {other: each for other, each in section.named.items() if other != key}
        named = others if entry is None else {**others, key: entry}
        return self._replace(section=section._replace(named=named), entered=self.entered | {key})

    def settled(self) -> Facts:
        """Return the facts as they are once the round has ended well."""
        none: frozenset[str] = frozenset()
        facts = self._replace(freed=none, unsettled=none, grown=none, modified=none, fresh=none, tapped=none, makers={})
        return facts._replace(touched=none, entered=none)


class Note(NamedTuple):
    """A user property to be set on the parent dataset."""

    name: str
    value: str


class CreateVolume(NamedTuple):
    """
    Make the volume; `secret`: what becomes its key, if it is encrypted.

    If it is refused for good, and another host is asked then, keep the `refusal`.
    """

    volume: Volume
    secret: Optional[Secret] = None
    refusal: Optional[Note] = None


class UnlockVolume(NamedTuple):
    """See that the secret is the key of the volume, and where it has to be there for what follows, `load` it."""

    volume: Volume
    secret: Secret
    load: bool


class ShowDevice(NamedTuple):
    """See that a clone, whose key is loaded, has its device: it does not come with the key in every case."""

    volume: Volume


class FinishVolume(NamedTuple):
    """Give a clone the size and the reservation that an earlier run could not."""

    volume: Volume


class Refuse(NamedTuple):
    """Keep the refusal, and refuse."""

    refusal: Note
    error: HostError


class Meet(NamedTuple):
    """Keep which other hosts were seen together with this one."""

    peers: Note


class CloneVolume(NamedTuple):
    """
    Make the volume of the snapshot; `tapped`: of a volume, by a snapshot that is yet to be taken.

    `finish`: its size or its reservation has to be set afterwards.
    """

    volume: Volume
    snapshot: Snapshot
    tapped: bool
    finish: bool


class StartCopy(NamedTuple):
    """Begin to make the copy; `tapped`: of a volume, by a snapshot that is yet to be taken."""

    copy: Copy
    tapped: bool


class CancelCopy(NamedTuple):
    """End the copy, whatever there is of it."""

    copy: Copy


class DestroyVolume(NamedTuple):
    """Destroy the volume."""

    volume: Volume


class TrashVolume(NamedTuple):
    """Put the volume, which has snapshots, where it is a volume no more and goes with the last of them."""

    volume: Volume


class GrowVolume(NamedTuple):
    """Give the volume the size it has here, if it `grows`, and see that the kernel shows it, if it is `exported`."""

    volume: Volume
    grows: bool
    exported: bool


class ModifyVolume(NamedTuple):
    """
    Give the volume these native properties, and make it `thin` or not; None leaves that as it is.

    `before` is the volume as it was, to be gone back to.
    """

    before: Volume
    properties: Mapping[str, str]
    thin: Optional[bool]


class TakeGroup(NamedTuple):
    """Take the snapshots of the group at one moment."""

    group: Group


class TakeSnapshot(NamedTuple):
    """Take the snapshot."""

    snapshot: Snapshot


class DestroySnapshot(NamedTuple):
    """Destroy the snapshot, or have it go with the last of its clones."""

    snapshot: Snapshot


class Publish(NamedTuple):
    """Export the volume under the record; `new` when the record is yet to be written. `chap` is its secret."""

    volume: Volume
    record: Record
    stale: tuple[str, ...]
    new: bool
    chap: Optional[Chap] = None


class Unpublish(NamedTuple):
    """End these exports, known by record or only by the targets the kernel shows."""

    uuid: str
    dataset: Optional[str]
    records: tuple[Record, ...]
    strays: tuple[str, ...]
    last: bool


class RestoreExports(NamedTuple):
    """See that all that is recorded is exported, and what is `gone` no more; `due`: something differs."""

    gone: frozenset[str]
    due: bool


class AdoptVolume(NamedTuple):
    """Make a zvol that was there a volume of ours."""

    volume: Volume


VolumeStep = Union[
    AdoptVolume,
    UnlockVolume,
    ShowDevice,
    CreateVolume,
    CloneVolume,
    FinishVolume,
    DestroyVolume,
    TrashVolume,
    GrowVolume,
    ModifyVolume,
]
CopyStep = Union[StartCopy, CancelCopy]
PlacementStep = Union[Refuse, Meet]
SnapshotStep = Union[TakeSnapshot, TakeGroup, DestroySnapshot]
Step = Union[
    VolumeStep, CopyStep, PlacementStep, SnapshotStep, Publish, Unpublish, RestoreExports, RunZfs, Enter, Resize
]


class Plan(NamedTuple):
    """
    The steps that bring one item about, and the facts once they are taken.

    `depends` names an earlier item of the batch that is to do this item's work.
    """

    facts: Facts
    steps: tuple[Step, ...]
    volume: Optional[Volume]
    record: Optional[Record] = None
    depends: Optional[int] = None
    snapshot: Optional[Snapshot] = None
    group: Optional[Group] = None
    change: Optional[Change] = None


class Chooser(Protocol):
    """Chooses the random values which the host gives."""

    def uuid(self) -> str:
        """Return 32 hexadecimal digits nobody else has."""

    def token(self) -> str:
        """Return 128 random bits, in hexadecimal, that nobody can guess."""


class LookFirst(Exception):
    """Whether the item can be had depends on what the kernel holds, and nobody has looked."""


class NextRound(Exception):
    """The item needs something gone that this round takes away at its end."""


def by_name(snapshots: Iterable[Snapshot]) -> dict[str, str]:
    """Return the uuid by name of those that have a name of their own."""
    return {each.name: each.uuid for each in snapshots if each.group is None}


def active(records: tuple[Record, ...]) -> int:
    """Return how many of the records are not of something that ends."""
    return sum(not record.leaving for record in records)


def owner_value(facts: Facts) -> str:
    """Return the value of the owner property of everything that is ours."""
    return _names.owner_value(facts.owner, facts.parent_guid)


def known_kernel(facts: Facts) -> Kernel:
    """Return the look at the kernel; raise `HostError` where there is none, or it is of no use."""
    if facts.kernel_problem is not None:
        raise facts.kernel_problem
    if facts.kernel is None:
        raise HostError("internal", "the kernel's tables were not read")
    return facts.kernel


def known_section(facts: Facts) -> Section:
    """Return what people named in ctl.conf; raise `HostError` where that is not known."""
    known_kernel(facts)
    if facts.section_problem is not None:
        raise facts.section_problem
    if facts.section is None:
        raise HostError("internal", "the configuration of ctld was not read")
    return facts.section
