"""Space: used, available, referenced and their parts, computed over the tree as dsl_dir.c and dsl_dataset.c do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tests.simulator.blocks import differing
from tests.simulator.state import VOLUME, Dataset, Snapshot

if TYPE_CHECKING:
    from tests.simulator.storage import Storage

VOLUME_FLOOR = 57344
FILESYSTEM_FLOOR = 98304
CLONE_FLOOR = 8192


@dataclass(frozen=True)
class Usage:
    """Bytes. ``unique`` is what was written since the newest snapshot (or the origin)."""

    dataset: int
    snapshots: int
    refreservation: int
    children: int
    referenced: int
    unique: int

    @property
    def total(self) -> int:
        return self.dataset + self.snapshots + self.refreservation + self.children


class Accounting:
    """One consistent look at all space; make a new one for each command."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tree = storage.tree
        self._usage: dict[str, Usage] = {}
        self._available: dict[str, int] = {}

    def usage(self, dataset: Dataset) -> Usage:
        known = self._usage.get(dataset.name)
        if known is None:
            known = self._usage[dataset.name] = self._measure(dataset)
        return known

    def _measure(self, dataset: Dataset) -> Usage:
        referenced, unique, own, snapshots = self._own(dataset)
        children = sum(self.charged(child) for child in self._tree.children(dataset.name))
        reserved = max(0, dataset.number("refreservation") - unique)
        return Usage(own, snapshots, reserved, children, referenced, unique)

    def _own(self, dataset: Dataset) -> tuple[int, int, int, int]:
        """(referenced, unique, usedbydataset, usedbysnapshots)."""
        referenced = floor(dataset) + self._storage.content_bytes(dataset)
        if dataset.kind != VOLUME or not (dataset.snapshots or dataset.origin):
            return referenced, referenced, referenced, 0
        live = self._storage.block_map(dataset.guid)
        origin = self._storage.block_map(dataset.origin) if dataset.origin else {}
        newest = self._storage.block_map(dataset.snapshots[-1].ident) if dataset.snapshots else origin
        unique = differing(live, newest)
        own = differing(live, origin) + CLONE_FLOOR if dataset.origin else referenced
        return referenced, unique, own, self._in_snapshots(dataset, origin)

    def _in_snapshots(self, dataset: Dataset, origin: dict[int, int]) -> int:
        """Blocks only snapshots hold: each version of a block counts where it ends."""
        chain = [self._storage.block_map(snapshot.ident) for snapshot in dataset.snapshots]
        chain.append(self._storage.block_map(dataset.guid))
        return sum(differing(older, newer, origin) for older, newer in itertools.pairwise(chain))

    def snapshot_used(self, dataset: Dataset, snapshot: Snapshot) -> int:
        """Blocks that only this one snapshot holds."""
        if dataset.kind != VOLUME:
            return 0
        position = dataset.snapshots.index(snapshot)
        newer = dataset.snapshots[position + 1].ident if position + 1 < len(dataset.snapshots) else dataset.guid
        older = dataset.snapshots[position - 1].ident if position else dataset.origin
        neighbours = [self._storage.block_map(content) for content in (older, newer) if content]
        return differing(self._storage.block_map(snapshot.ident), *neighbours)

    def snapshot_referenced(self, dataset: Dataset, snapshot: Snapshot) -> int:
        return floor(dataset) + self._storage.snapshot_bytes(dataset, snapshot)

    def written_since(self, dataset: Dataset, snapshot: Snapshot | None) -> int:
        """The ``written`` property: of a snapshot since the one before, of the dataset (None) since its newest."""
        if dataset.kind != VOLUME:
            return self._storage.content_bytes(dataset) if not dataset.snapshots else 0
        if snapshot is None:
            return self.usage(dataset).unique
        position = dataset.snapshots.index(snapshot)
        older = dataset.snapshots[position - 1].ident if position else dataset.origin
        before = self._storage.block_map(older) if older else {}
        base = 0 if older else floor(dataset)
        return base + differing(self._storage.block_map(snapshot.ident), before)

    def charged(self, dataset: Dataset) -> int:
        """What a dataset costs its parent: its use or its reservation, whichever is larger."""
        return max(self.usage(dataset).total, dataset.number("reservation"))

    def directory_available(self, dataset: Dataset) -> int:
        """dsl_dir_space_available: room below quota here and all the way up, own reservation credited."""
        known = self._available.get(dataset.name)
        if known is None:
            known = self._available[dataset.name] = self._room(dataset)
        return known

    def _room(self, dataset: Dataset) -> int:
        used = self.usage(dataset).total
        limits = [dataset.number("quota")] if dataset.number("quota") else []
        if dataset.parent:
            parent = self._tree.get(dataset.parent)
            assert parent is not None
            above = self.directory_available(parent) + max(0, dataset.number("reservation") - used)
        else:
            above = max(0, self._tree.pools[dataset.pool].usable_bytes - used)
        return max(0, min([above, *(limit - used for limit in limits)]))

    def available(self, dataset: Dataset) -> int:
        """The ``available`` property."""
        usage = self.usage(dataset)
        room = self.directory_available(dataset) + usage.refreservation
        if refquota := dataset.number("refquota"):
            room = min(room, max(0, refquota - usage.referenced))
        return room

    @cached_property
    def allocated(self) -> dict[str, int]:
        """Bytes really allocated, by pool (no reservations)."""
        totals = {root.name: 0 for root in self._tree.pool_roots()}
        for dataset in self._tree.all():
            usage = self.usage(dataset)
            totals[dataset.pool] += usage.dataset + usage.snapshots
        return totals


def floor(dataset: Dataset) -> int:
    """The metadata of an empty dataset."""
    return VOLUME_FLOOR if dataset.kind == VOLUME else FILESYSTEM_FLOOR


def volume_reservation(volsize: int, volblocksize: int, copies: int = 1) -> int:
    """zvol_volsize_to_reservation: the size plus the indirect blocks of a completely written volume on plain disks."""
    blocks = volsize // volblocksize
    metadata = 7
    while blocks > 1:
        blocks = (blocks + 1023) // 1024
        metadata += blocks
    return volsize * copies + metadata * min(3, copies + 1) * (128 << 10)
