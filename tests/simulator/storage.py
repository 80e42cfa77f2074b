"""ZFS's state together with the files behind it: sparse files, device nodes, what holds a volume open, persistence."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulator.blocks import BlockMap, BlockMaps, allocated_bytes, copy_sparse
from tests.simulator.registry import Json
from tests.simulator.state import FILESYSTEM, VOLUME, Dataset, Pool, Snapshot, Tree, new_guid

if TYPE_CHECKING:
    from tests.simulator.machine import Machine

_ZVOL = "/dev/zvol/"


class Storage:
    """All methods need the machine's lock. Changes reach the disk with ``commit``, which the dispatcher calls."""

    def __init__(self, machine: Machine, pools: dict[str, int]) -> None:
        self.machine = machine
        self.tree = Tree()
        self._maps = BlockMaps()
        self._holders: dict[int, set[str]] = {}
        self._dirty: set[int] = set()
        self._data = machine.root / "var" / "db" / "zfs"
        self._data.mkdir(parents=True, exist_ok=True)
        self._zvols = machine.root / "dev" / "zvol"
        self._zvols.mkdir(parents=True, exist_ok=True)
        self._file = machine.root / "state.json"
        self._journal = machine.root / "state.journal"
        self._load()
        for name, size in pools.items():
            if name not in self.tree.pools:
                self.create_pool(name, size)
        self._compact()

    # -- pools -----------------------------------------------------------------------------------------------------

    def create_pool(self, name: str, size_bytes: int) -> Dataset:
        pool = self.tree.pools[name] = Pool(name, size_bytes, new_guid())
        root = Dataset(name, FILESYSTEM, new_guid(), 1, self.now(), pool.next_objset, mounted=True)
        self.add(root)
        return root

    def set_imported(self, name: str, *, imported: bool) -> None:
        """Export or import a pool: its device nodes come and go, its data stays, keys are forgotten."""
        self._forget_keys(name)
        self.tree.pools[name].imported = imported
        for dataset in self.tree.all(exported=True):
            if dataset.pool == name and dataset.kind == VOLUME:
                self.refresh_node(dataset)

    def now(self) -> int:
        return int(self.machine.now())

    def next_txg(self, pool: str) -> int:
        return self.tree.pools[pool].next_txg()

    # -- datasets --------------------------------------------------------------------------------------------------

    def add(self, dataset: Dataset) -> None:
        """Put a new dataset into the tree, with its (empty) file and node or its mount point."""
        self.tree.add(dataset)
        self.changed(dataset)
        if dataset.kind == VOLUME:
            with self.file(dataset.guid).open("ab") as file:
                file.truncate(dataset.volsize)
            self.file(dataset.guid).chmod(0o640)
            self.refresh_node(dataset)

    def remove(self, dataset: Dataset) -> None:
        """Take a dataset without snapshots out of the tree and delete its data."""
        self.drop_node(dataset)
        self.tree.remove(dataset)
        self._dirty.add(dataset.guid)
        self.discard_data(dataset.guid)

    def move(self, dataset: Dataset, name: str) -> None:
        """Rename one dataset (not its children); the node moves with it."""
        self.drop_node(dataset)
        self.tree.remove(dataset)
        dataset.name = name
        self.tree.add(dataset)
        self.changed(dataset)
        if dataset.kind == VOLUME:
            self.refresh_node(dataset)

    def changed(self, dataset: Dataset) -> None:
        """Remember that this dataset's record must be written."""
        self._dirty.add(dataset.guid)

    def take_snapshot(self, dataset: Dataset, name: str, txg: int, now: int, properties: dict[str, str]) -> Snapshot:
        """Freeze the present content of a dataset."""
        objset = self.tree.pools[dataset.pool].take_objset()
        snapshot = Snapshot(name, new_guid(), new_guid(), txg, now, objset, dataset.volsize, dict(properties))
        if dataset.kind == VOLUME:
            copy_sparse(self.file(dataset.guid), self.file(snapshot.ident))
        dataset.snapshots.append(snapshot)
        self.changed(dataset)
        return snapshot

    def remove_snapshot(self, dataset: Dataset, snapshot: Snapshot) -> None:
        dataset.snapshots.remove(snapshot)
        self.changed(dataset)
        self.discard_data(snapshot.ident)

    def reap(self, ident: int) -> None:
        """Destroy a snapshot marked for deferred destruction when nothing needs it any more."""
        found = self.tree.find_snapshot(ident)
        if found is None:
            return
        dataset, snapshot = found
        if snapshot.defer_destroy and not snapshot.holds and not self.tree.clones(snapshot):
            self.remove_snapshot(dataset, snapshot)

    def begin_copy(self, dataset: Dataset) -> int:
        """A second content, equal to a volume's now, that nobody sees until ``end_copy``."""
        content = new_guid()
        if dataset.kind == VOLUME:
            copy_sparse(self.file(dataset.guid), self.file(content))
        return content

    def end_copy(self, dataset: Dataset, content: int) -> None:
        """Make the hidden content the volume's own."""
        if dataset.kind == VOLUME:
            copy_sparse(self.file(content), self.file(dataset.guid))
        self.discard_data(content)

    def restore(self, dataset: Dataset, snapshot: Snapshot) -> None:
        """Make a volume's size and content those of a snapshot; who has it open sees the change."""
        copy_sparse(self.file(snapshot.ident), self.file(dataset.guid))
        dataset.local["volsize"] = str(snapshot.volsize)
        self.changed(dataset)

    # -- files -----------------------------------------------------------------------------------------------------

    def file(self, content: int) -> Path:
        """The sparse file with the content of a volume (its GUID) or of a volume's snapshot (its ident)."""
        return self._data / str(content)

    def discard_data(self, content: int) -> None:
        path = self.file(content)
        self._maps.forget(path)
        path.unlink(missing_ok=True)

    def node(self, name: str) -> Path:
        return self._zvols / name

    def refresh_node(self, dataset: Dataset) -> None:
        """Make /dev/zvol/NAME exist exactly when it should."""
        if dataset.kind != VOLUME:
            return
        node = self.node(dataset.name)
        if not self._has_node(dataset):
            self.drop_node(dataset)
        elif not node.exists():
            node.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.file(dataset.guid), node)

    def _has_node(self, dataset: Dataset) -> bool:
        if dataset.resume.get("fresh"):
            return False
        if not self.tree.pools[dataset.pool].imported or self.inherited(dataset, "volmode", "default") == "none":
            return False
        return not self.is_locked(dataset)

    def is_locked(self, dataset: Dataset) -> bool:
        """Whether the dataset is encrypted and the key of its encryption root is not there."""
        root = self.tree.get(dataset.encryption_root) if dataset.encryption_root else None
        return root is not None and not root.key_loaded

    def resize_file(self, dataset: Dataset) -> None:
        """Make the sparse file as long as the volume; shrinking loses what lay beyond."""
        os.truncate(self.file(dataset.guid), dataset.volsize)

    def drop_node(self, dataset: Dataset) -> None:
        if dataset.kind != VOLUME:
            return
        self.node(dataset.name).unlink(missing_ok=True)
        for directory in self.node(dataset.name).parents:
            if directory == self._zvols or (directory.exists() and any(directory.iterdir())):
                return
            if directory.exists():
                directory.rmdir()

    def inherited(self, dataset: Dataset, name: str, default: str) -> str:
        """The effective value of an inheritable property."""
        for holder in (dataset, *self.tree.ancestors(dataset)):
            value = holder.local.get(name, holder.received.get(name))
            if value is not None:
                return value
        return default

    def content_bytes(self, dataset: Dataset) -> int:
        """Bytes of content really there (without metadata)."""
        return allocated_bytes(f"{self._data}/{dataset.guid}") if dataset.kind == VOLUME else 0

    def snapshot_bytes(self, dataset: Dataset, snapshot: Snapshot) -> int:
        return allocated_bytes(f"{self._data}/{snapshot.ident}") if dataset.kind == VOLUME else 0

    def block_map(self, content: int) -> BlockMap:
        return self._maps.of(self.file(content))

    # -- volumes in use --------------------------------------------------------------------------------------------

    def open_volume(self, path: str, holder: str) -> Path:
        """
        Mark the volume behind ``/dev/zvol/NAME`` as open by ``holder`` and return its sparse file.

        Raises FileNotFoundError when there is no such device node, PermissionError when its key is not loaded.
        """
        dataset = self._by_node(path)
        if self.is_locked(dataset):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        self._holders.setdefault(dataset.guid, set()).add(holder)
        return self.node(dataset.name)

    def close_volume(self, path: str, holder: str) -> None:
        """Undo ``open_volume``; one that is gone is fine, and one whose pool is away is closed, too."""
        name = str(path).removeprefix(str(self.machine.root)).removeprefix(_ZVOL)
        for dataset in self.tree.all(exported=True):
            if dataset.name == name:
                self._holders.get(dataset.guid, set()).discard(holder)

    def _by_node(self, path: str) -> Dataset:
        text = str(path).removeprefix(str(self.machine.root))
        dataset = self.tree.get(text.removeprefix(_ZVOL)) if text.startswith(_ZVOL) else None
        if dataset is None or dataset.kind != VOLUME or not self.node(dataset.name).exists():
            raise FileNotFoundError(path)
        return dataset

    def is_open(self, dataset: Dataset) -> bool:
        return bool(self._holders.get(dataset.guid))

    def hold_open(self, dataset: Dataset, holder: str) -> None:
        self._holders.setdefault(dataset.guid, set()).add(holder)

    def release_open(self, dataset: Dataset, holder: str) -> None:
        self._holders.get(dataset.guid, set()).discard(holder)

    def halt(self) -> None:
        """Power is cut: nothing is open any more, keys are forgotten, half-received datasets that cannot resume go."""
        self._holders.clear()
        for dataset in list(self.tree.all(exported=True)):
            if dataset.resume.get("fresh") and not dataset.resume.get("resumable"):
                self.remove(dataset)
            elif dataset.resume.get("active"):
                dataset.resume["active"] = False
                self.changed(dataset)
        for name in self.tree.pools:
            self._forget_keys(name)
        for dataset in self.tree.all():
            if dataset.kind == VOLUME:
                self.refresh_node(dataset)
        self.commit()

    def _forget_keys(self, pool: str) -> None:
        for dataset in self.tree.all(exported=True):
            if dataset.pool == pool and dataset.key_loaded:
                dataset.key_loaded = False
                self.changed(dataset)

    # -- persistence -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the machine's lock, and commit at the end whatever happens."""
        with self.machine.lock:
            try:
                yield
            finally:
                self.commit()

    def commit(self) -> None:
        """Append what has changed to the journal, so that a killed daemon comes back with it."""
        if not self._dirty:
            return
        known = {dataset.guid: dataset for dataset in self.tree.all(exported=True)} if len(self._dirty) > 8 else None
        lines = [json.dumps({"pools": self._pool_records()})]
        for guid in self._dirty:
            dataset = known.get(guid) if known is not None else self._by_guid(guid)
            lines.append(json.dumps({"guid": guid, "dataset": dataset.to_json() if dataset else None}))
        self._dirty.clear()
        with self._journal.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def _by_guid(self, guid: int) -> Dataset | None:
        return next((dataset for dataset in self.tree.all(exported=True) if dataset.guid == guid), None)

    def _pool_records(self) -> list[Json]:
        return [dict(vars(pool)) for pool in self.tree.pools.values()]

    def _load(self) -> None:
        records: dict[int, dict[str, Json]] = {}
        for path in (self._file, self._journal):
            for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
                try:
                    record = json.loads(line)
                except ValueError:
                    break  # the last line of a journal whose writer was killed
                if "pools" in record:
                    self.tree.pools = {pool["name"]: Pool(**pool) for pool in record["pools"]}
                elif record["dataset"] is None:
                    records.pop(record["guid"], None)
                else:
                    records[record["guid"]] = record["dataset"]
        for record in records.values():
            self.tree.add(Dataset.from_json(record))

    def _compact(self) -> None:
        """Rewrite the state as one file and empty the journal."""
        lines = [json.dumps({"pools": self._pool_records()})]
        lines += [json.dumps({"guid": d.guid, "dataset": d.to_json()}) for d in self.tree.all(exported=True)]
        fresh = self._file.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(self._file)
        self._journal.unlink(missing_ok=True)
        self._dirty.clear()

    def close(self) -> None:
        self.commit()
        self._compact()

    def observe(self) -> dict[str, Json]:
        """Datasets with their local properties and snapshots, for ``{"op": "state"}``."""
        return {
            "pools": {
                name: {"size_bytes": pool.size_bytes, "imported": pool.imported}
                for name, pool in self.tree.pools.items()
            },
            "datasets": {
                dataset.name: _describe(dataset, sorted(self._holders.get(dataset.guid, ())))
                for dataset in self.tree.all()
            },
        }


def _describe(dataset: Dataset, holders: list[str]) -> Json:
    snapshots: dict[str, Json] = {
        snapshot.name: {
            "guid": str(snapshot.guid),
            "properties": dict(snapshot.local),
            "holds": [*sorted(snapshot.holds)],
            "defer_destroy": snapshot.defer_destroy,
        }
        for snapshot in dataset.snapshots
    }
    opened: list[Json] = [*holders]
    return {
        "type": dataset.kind,
        "guid": str(dataset.guid),
        "properties": dict(dataset.local),
        "received": dict(dataset.received),
        "origin": str(dataset.origin) if dataset.origin else None,
        "snapshots": snapshots,
        "open_by": opened,
    }
