"""The pure model of pools, datasets and snapshots, and the questions one can ask the tree. Knows no files or texts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

FILESYSTEM = "filesystem"
VOLUME = "volume"
SNAPSHOT = "snapshot"
BOOKMARK = "bookmark"


def new_guid() -> int:
    """A GUID as ZFS makes them: random, 64 bits, never 0."""
    return secrets.randbits(63) + (1 << 62)


@dataclass
class Bookmark:
    name: str
    guid: int
    createtxg: int
    creation: int


@dataclass
class Snapshot:
    """
    ``name`` is the part after '@'; ``holds`` maps tag to epoch seconds; ``volsize`` is 0 for filesystems.

    ``ident`` is the simulator's own: a received copy has the ``guid`` of what was sent, but content of its own.
    """

    name: str
    ident: int
    guid: int
    createtxg: int
    creation: int
    objsetid: int
    volsize: int = 0
    local: dict[str, str] = field(default_factory=dict)
    received: dict[str, str] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    defer_destroy: bool = False


@dataclass
class Dataset:
    """
    A filesystem or volume. ``local`` and ``received`` hold property values in stored form (numbers in decimal).

    ``snapshots`` are oldest first. ``origin`` is the ident of the snapshot this is a clone of, 0 for none. ``resume``
    describes a partially received stream. ``encryption`` is the suite, empty where there is none. ``wrapped``, by which
    a key is known again, and ``key_loaded`` matter for encryption roots only. ``permissions`` is what zfs allow
    recorded.
    """

    name: str
    kind: str
    guid: int
    createtxg: int
    creation: int
    objsetid: int
    volblocksize: int = 0
    local: dict[str, str] = field(default_factory=dict)
    received: dict[str, str] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)
    bookmarks: list[Bookmark] = field(default_factory=list)
    origin: int = 0
    mounted: bool = False
    key_loaded: bool = False
    encryption: str = ""
    encryption_root: str = ""
    keyformat: str = ""
    pbkdf2iters: str = "0"
    wrapped: str = ""
    resume: dict[str, Any] = field(default_factory=dict)
    permissions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def pool(self) -> str:
        return self.name.partition("/")[0]

    @property
    def parent(self) -> str:
        """The parent's name; empty for a pool's root."""
        return self.name.rpartition("/")[0]

    @property
    def volsize(self) -> int:
        return int(self.local.get("volsize", "0"))

    def number(self, name: str) -> int:
        """A numeric property that is not inherited (quota, reservation, …); 0 when unset."""
        return int(self.local.get(name, self.received.get(name, "0")))

    def snapshot(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Dataset:
        fields = dict(record)
        fields["snapshots"] = [Snapshot(**snapshot) for snapshot in record["snapshots"]]
        fields["bookmarks"] = [Bookmark(**bookmark) for bookmark in record["bookmarks"]]
        return cls(**fields)


# The states in which a pool is modelled. In a suspended one no dataset can be opened.
POOL_HEALTH = ("ONLINE", "DEGRADED", "SUSPENDED")


@dataclass
class Pool:
    """
    ``size_bytes`` is the raw size; ``txg`` and ``next_objset`` only grow. ``properties`` are the pool's own.

    ``damaged`` is what ``zpool status -v`` lists, such as ``tank/vol:<0x1>``.
    """

    name: str
    size_bytes: int
    guid: int
    txg: int = 4
    next_objset: int = 54
    imported: bool = True
    health: str = "ONLINE"
    properties: dict[str, str] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def usable_bytes(self) -> int:
        """What datasets may use: the raw size less the slop (1/32, at least 128 MiB or half of it, at most 128 GiB)."""
        slop = min(self.size_bytes >> 5, 128 << 30)
        return self.size_bytes - max(slop, min(self.size_bytes >> 1, 128 << 20))

    def next_txg(self) -> int:
        self.txg += 5
        return self.txg

    def take_objset(self) -> int:
        self.next_objset += 3
        return self.next_objset


class Tree:
    """All datasets of all pools by name. Datasets of exported pools are absent unless asked for."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self._datasets: dict[str, Dataset] = {}
        self._children: dict[str, dict[str, None]] = {}

    def add(self, dataset: Dataset) -> None:
        self._datasets[dataset.name] = dataset
        self._children.setdefault(dataset.parent, {})[dataset.name] = None

    def remove(self, dataset: Dataset) -> None:
        del self._datasets[dataset.name]
        self._children[dataset.parent].pop(dataset.name)

    def get(self, name: str) -> Dataset | None:
        dataset = self._datasets.get(name)
        if dataset is None or not self.pools[dataset.pool].imported:
            return None
        return dataset

    def all(self, *, exported: bool = False) -> Iterator[Dataset]:
        """Every dataset; those of exported pools only when asked for."""
        return (d for d in list(self._datasets.values()) if exported or self.pools[d.pool].imported)

    def children(self, name: str) -> list[Dataset]:
        """Direct children in the order in which zfs lists them (by name)."""
        return [self._datasets[child] for child in sorted(self._children.get(name, ()))]

    def subtree(self, dataset: Dataset) -> list[Dataset]:
        """The dataset and all below it, parents before children, in listing order."""
        found = [dataset]
        for child in self.children(dataset.name):
            found += self.subtree(child)
        return found

    def pool_roots(self) -> list[Dataset]:
        return [self._datasets[name] for name in sorted(self.pools) if self.pools[name].imported]

    def find_snapshot(self, ident: int) -> tuple[Dataset, Snapshot] | None:
        """The snapshot with this ident, wherever promote has moved it."""
        return next((found for found in self._snapshots() if found[1].ident == ident), None)

    def snapshots_by_guid(self, guid: int) -> list[tuple[Dataset, Snapshot]]:
        """All copies of a snapshot on this host."""
        return [found for found in self._snapshots() if found[1].guid == guid]

    def _snapshots(self) -> Iterator[tuple[Dataset, Snapshot]]:
        return ((dataset, snapshot) for dataset in self._datasets.values() for snapshot in dataset.snapshots)

    def clones(self, snapshot: Snapshot) -> list[Dataset]:
        """Datasets whose origin is this snapshot, by name."""
        return sorted((d for d in self._datasets.values() if d.origin == snapshot.ident), key=lambda d: d.name)

    def ancestors(self, dataset: Dataset) -> list[Dataset]:
        """From the parent up to the pool's root."""
        found: list[Dataset] = []
        name = dataset.parent
        while name:
            found.append(self._datasets[name])
            name = name.rpartition("/")[0]
        return found
