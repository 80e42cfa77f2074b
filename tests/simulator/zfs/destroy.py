"""zfs destroy."""

from __future__ import annotations

from tests.simulator.registry import Unmodelled
from tests.simulator.state import FILESYSTEM, VOLUME, Dataset, Snapshot
from tests.simulator.zfs import messages, mounts
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.numbers import nice_bytes
from tests.simulator.zfs.options import flags, parse
from tests.simulator.zfs.session import ANY, DATASETS, Handle, Session


def destroy(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "vpndfrR", "vpndfr")
    options = flags(found)
    if not operands:
        raise UsageError("missing dataset argument")
    if len(operands) > 1:
        raise UsageError("too many arguments")
    name = operands[0]
    if "@" in name:
        return _Snapshots(session, name, options).run()
    if "#" in name:
        return _destroy_bookmark(session, name, options)
    return _Whole(session, name, options).run()


def _announce(session: Session, name: str, options: set[str]) -> None:
    if "p" in options:
        session.say(f"destroy\t{name}")
    elif "v" in options:
        session.say(f"{'would' if 'n' in options else 'will'} destroy {name}")


def _destroy_bookmark(session: Session, name: str, options: set[str]) -> int:
    for flag, what in (("n", "dryrun"), ("d", "defer destroy"), ("r", "recursive")):
        if flag in options:
            raise ZfsError(f"{what} is not supported with bookmark", 255)
    handle = session.find(name)
    if handle is None or handle.bookmark is None:
        raise ZfsError(f"bookmark '{name}' does not exist.")
    handle.dataset.bookmarks.remove(handle.bookmark)
    session.storage.changed(handle.dataset)
    return 0


class _Snapshots:
    """``zfs destroy FS@a,b%c``: all or none."""

    def __init__(self, session: Session, name: str, options: set[str]) -> None:
        self.session = session
        self.base, _, self.spec = name.partition("@")
        self.options = options
        self.defer = "d" in options

    def run(self) -> int:
        session = self.session
        dataset = session.open(self.base, DATASETS).dataset
        datasets = session.tree.subtree(dataset) if "r" in self.options else [dataset]
        chosen = [Handle(holder, snapshot) for holder in datasets for snapshot in specified(holder, self.spec)]
        if not self.defer and not self._free_of_clones(chosen):
            return 1
        if not chosen:
            raise ZfsError(messages.NO_SNAPSHOTS_TO_DESTROY)
        if self.options & {"v", "p"}:
            self._report(chosen)
        if "n" in self.options:
            return 0
        return destroy_snapshots(session, chosen, defer=self.defer)

    def _free_of_clones(self, chosen: list[Handle]) -> bool:
        """destroy_check_dependent stops at the first snapshot that has dependents."""
        for handle in chosen:
            assert handle.snapshot is not None
            dependents = dependents_of_snapshot(self.session, handle.snapshot)
            if dependents:
                self.session.complain(messages.has_clones(handle.name, "snapshot", dependents))
                return False
        return True

    def _report(self, chosen: list[Handle]) -> None:
        reclaimed = 0
        for handle in chosen:
            assert handle.snapshot is not None
            _announce(self.session, handle.name, self.options)
            reclaimed += self.session.space.snapshot_used(handle.dataset, handle.snapshot)
        if "p" in self.options:
            self.session.say(f"reclaim\t{reclaimed}")
        else:
            self.session.say(f"{'would' if 'n' in self.options else 'will'} reclaim {nice_bytes(reclaimed)}")


def specified(dataset: Dataset, spec: str) -> list[Snapshot]:
    """The existing snapshots that ``a,b%c`` names, in order of age; names that do not exist are passed over."""
    names = [snapshot.name for snapshot in dataset.snapshots]
    chosen: set[str] = set()
    for part in spec.split(","):
        first, percent, last = part.partition("%")
        if not percent:
            chosen.add(part)
            continue
        start = names.index(first) if first in names else (0 if not first else len(names))
        end = names.index(last) if last in names else (len(names) - 1 if not last else -1)
        chosen.update(names[start : end + 1])
    return [snapshot for snapshot in dataset.snapshots if snapshot.name in chosen]


def dependents_of_snapshot(session: Session, snapshot: Snapshot) -> list[str]:
    """Clones of a snapshot with everything below them, deepest first (zfs_iter_dependents)."""
    return [name for clone in session.tree.clones(snapshot) for name in [*dependents(session, clone), clone.name]]


def dependents(session: Session, dataset: Dataset) -> list[str]:
    """Children, snapshots and clones of snapshots of a dataset, deepest first."""
    found: list[str] = []
    for child in session.tree.children(dataset.name):
        found += [*dependents(session, child), child.name]
    for snapshot in dataset.snapshots:
        found += [*dependents_of_snapshot(session, snapshot), f"{dataset.name}@{snapshot.name}"]
    return found


def destroy_snapshots(session: Session, chosen: list[Handle], *, defer: bool) -> int:
    """lzc_destroy_snaps: holds and clones stop all of them, unless deferred."""
    refused = False
    for handle in chosen:
        assert handle.snapshot is not None
        if not session.may(handle.dataset, "destroy", "mount"):
            session.complain(f"cannot destroy snapshots: {messages.DENIED}")
            return 1
        if not defer and handle.snapshot.holds:
            session.complain(messages.snapshot_held(handle.name, session.version))
            refused = True
    if refused:
        return 1
    for handle in chosen:
        assert handle.snapshot is not None
        if handle.snapshot.holds or session.tree.clones(handle.snapshot):
            handle.snapshot.defer_destroy = True
            session.storage.changed(handle.dataset)
        else:
            session.storage.remove_snapshot(handle.dataset, handle.snapshot)
    session.moved()
    return 0


class _Whole:
    """``zfs destroy DATASET``."""

    def __init__(self, session: Session, name: str, options: set[str]) -> None:
        self.session = session
        self.options = options
        self.handle = session.open(name, frozenset({"snapshot"}) if "d" in options else ANY)
        self.dataset = self.handle.dataset

    def run(self) -> int:
        session, dataset = self.session, self.dataset
        recursive = "r" in self.options
        if not dataset.parent and not recursive:
            raise ZfsError(
                f"cannot destroy '{dataset.name}': operation does not apply to pools\n"
                f"use 'zfs destroy -r {dataset.name}' to destroy all datasets in the pool\n"
                f"use 'zpool destroy {dataset.name}' to destroy the pool itself"
            )
        if refusal := self._dependents(recursive=recursive):
            raise ZfsError(refusal)
        if recursive:
            return self._destroy_below()
        _announce(session, dataset.name, self.options)
        if "n" not in self.options:
            destroy_dataset(session, dataset)
        return 0

    def _dependents(self, *, recursive: bool) -> str:
        name = self.dataset.name
        found = dependents(self.session, self.dataset)
        inside = [other for other in found if other.startswith((f"{name}/", f"{name}@"))]
        outside = [other for other in found if other not in inside]
        if not recursive:
            return messages.has_children(name, self.dataset.kind, inside) if inside else ""
        return messages.has_clones(name, self.dataset.kind, outside) if outside else ""

    def _destroy_below(self) -> int:
        """-r: snapshots and children first; what fails is reported, the rest goes on."""
        rc = 0
        for dataset in reversed(self.session.tree.subtree(self.dataset)):
            try:
                self._destroy_one(dataset)
            except ZfsError as error:
                self.session.complain(error.message)
                rc = 1
        return rc

    def _destroy_one(self, dataset: Dataset) -> None:
        snapshots = [Handle(dataset, snapshot) for snapshot in dataset.snapshots]
        for name in [*(handle.name for handle in snapshots), dataset.name]:
            _announce(self.session, name, self.options)
        if "n" in self.options:
            return
        if destroy_snapshots(self.session, snapshots, defer=False):
            raise ZfsError(messages.cannot_destroy(dataset.name, messages.BUSY))
        if dataset.parent:
            destroy_dataset(self.session, dataset)


def destroy_dataset(session: Session, dataset: Dataset) -> None:
    """The ioctl on a dataset without children and snapshots; raises ZfsError."""
    if not session.may(dataset, "destroy", "mount"):
        raise ZfsError(messages.cannot_destroy(dataset.name, messages.DENIED))
    if dataset.kind == VOLUME and session.storage.is_open(dataset):
        raise ZfsError(messages.cannot_destroy(dataset.name, messages.BUSY))
    if len(list(session.tree.subtree(dataset))) > 1:
        # A recursive destroy goes on past what is busy; of a dataset with children the kernel says EEXIST.
        raise ZfsError(messages.cannot_destroy(dataset.name, messages.EXISTS))
    if dataset.kind == FILESYSTEM:
        _unmount(session, dataset)
    origin = dataset.origin
    session.storage.remove(dataset)
    session.moved()
    if origin:
        session.storage.reap(origin)


def _unmount(session: Session, dataset: Dataset) -> None:
    where, _ = mounts.mount_point(session, dataset)
    if dataset.mounted and session.storage.is_open(dataset):
        raise ZfsError(f"cannot unmount '{where}': pool or dataset is busy")
    if dataset.mounted and any(session.machine.path(where).glob("*")):
        raise Unmodelled("destroying a filesystem that holds files")
    mounts.unmount(session, dataset)
