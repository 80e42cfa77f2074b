"""One run of zfs(8): what it may touch, what it has printed, and how it opens datasets by name."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulator.accounting import Accounting
from tests.simulator.machine import Machine
from tests.simulator.registry import Call
from tests.simulator.state import BOOKMARK, FILESYSTEM, SNAPSHOT, VOLUME, Bookmark, Dataset, Snapshot
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import ZfsError
from tests.simulator.zfs.names import BadName, check_name
from tests.simulator.zfs.properties import properties_of

DATASETS = frozenset({FILESYSTEM, VOLUME})
ANY = frozenset({FILESYSTEM, VOLUME, SNAPSHOT})


@dataclass(frozen=True)
class Handle:
    """Something with a name that zfs opened: a dataset, or one of its snapshots or bookmarks."""

    dataset: Dataset
    snapshot: Snapshot | None = None
    bookmark: Bookmark | None = None

    @property
    def name(self) -> str:
        if self.snapshot is not None:
            return f"{self.dataset.name}@{self.snapshot.name}"
        if self.bookmark is not None:
            return f"{self.dataset.name}#{self.bookmark.name}"
        return self.dataset.name

    @property
    def kind(self) -> str:
        if self.snapshot is not None:
            return SNAPSHOT
        return BOOKMARK if self.bookmark is not None else self.dataset.kind


class Session:
    """State of one command; subcommands print with ``say`` and ``complain``."""

    def __init__(self, machine: Machine, call: Call) -> None:
        self.machine = machine
        self.call = call
        self.storage = machine.storage
        self.tree = machine.storage.tree
        self.table = properties_of(machine.release)
        self.version = machine.release.zfs
        self.out: list[str] = []
        self.err: list[str] = []
        self._space: Accounting | None = None

    def say(self, line: str) -> None:
        self.out.append(f"{line}\n")

    def complain(self, text: str) -> None:
        """One line or several on stderr."""
        self.err.append(f"{text}\n")

    @property
    def space(self) -> Accounting:
        """Space as it was at the first question of this command; ``moved`` forgets it."""
        if self._space is None:
            self._space = Accounting(self.storage)
        return self._space

    def moved(self) -> None:
        """The command has changed something that counts as space."""
        self._space = None

    def open(self, name: str, kinds: frozenset[str] = ANY) -> Handle:
        """zfs_open: raises ZfsError with ``cannot open 'NAME': …``."""
        try:
            check_name(name, kinds, modifying=False)
        except BadName as error:
            raise ZfsError(messages.cannot_open(name, str(error))) from error
        handle = self.find(name)
        if handle is None:
            raise ZfsError(messages.cannot_open(name, messages.NOT_FOUND))
        if handle.kind not in kinds:
            raise ZfsError(messages.cannot_open(name, messages.BAD_TYPE))
        if self.tree.pools[handle.dataset.pool].health == "SUSPENDED":
            raise ZfsError(messages.cannot_open(name, messages.SUSPENDED))
        return handle

    def find(self, name: str) -> Handle | None:
        base, at, snapname = name.partition("@")
        if at:
            dataset = self.tree.get(base)
            snapshot = dataset.snapshot(snapname) if dataset else None
            return Handle(dataset, snapshot) if dataset and snapshot else None
        base, hash_mark, bookname = name.partition("#")
        dataset = self.tree.get(base)
        if dataset is None:
            return None
        if not hash_mark:
            return Handle(dataset)
        bookmark = next((mark for mark in dataset.bookmarks if mark.name == bookname), None)
        return Handle(dataset, bookmark=bookmark) if bookmark else None

    def may(self, dataset: Dataset, *permissions: str) -> bool:
        """Whether the user is root or has every one of these delegated on the dataset or above it."""
        return self.call.is_root or self._granted(dataset, "local").issuperset(permissions)

    def may_below(self, dataset: Dataset, *permissions: str) -> bool:
        """Likewise for a dataset that is yet to be made below this one."""
        return self.call.is_root or self._granted(dataset, "descendent").issuperset(permissions)

    def _granted(self, dataset: Dataset, scope: str) -> set[str]:
        granted: set[str] = set()
        for holder in (dataset, *self.tree.ancestors(dataset)):
            for who in (f"user {self.call.user}", "everyone"):
                granted.update(holder.permissions.get(f"{scope} {who}", ()))
            scope = "descendent"
        return granted
