"""Where filesystems are mounted: directories below the simulated root."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.simulator.registry import Unmodelled
from tests.simulator.state import Dataset
from tests.simulator.zfs.session import Session


def mount_point(session: Session, dataset: Dataset) -> tuple[str, Dataset | None]:
    """The effective mount point and the dataset that sets it (None for the default)."""
    for holder in (dataset, *session.tree.ancestors(dataset)):
        value = holder.local.get("mountpoint", holder.received.get("mountpoint"))
        if value is None:
            continue
        if not value.startswith("/"):
            return value, holder
        rest = dataset.name[len(holder.name) :]
        return (value.rstrip("/") + rest) or "/", holder
    return f"/{dataset.name}", None


def mount_new(session: Session, dataset: Dataset) -> None:
    """Mount a dataset that has just been made, if its properties say so."""
    where, _ = mount_point(session, dataset)
    if dataset.local.get("canmount", "on") != "on" or not where.startswith("/"):
        return
    session.machine.path(where).mkdir(parents=True, exist_ok=True)
    dataset.mounted = True
    session.storage.changed(dataset)


@contextlib.contextmanager
def remounting(session: Session, dataset: Dataset) -> Iterator[None]:
    """While properties that say where to mount change: what is mounted here and below moves along."""
    mounted = [below for below in session.tree.subtree(dataset) if below.mounted]
    for below in reversed(mounted):
        where, _ = mount_point(session, below)
        if any(entry.is_file() for entry in session.machine.path(where).glob("*")):
            raise Unmodelled("moving a mounted filesystem that holds files")
        unmount(session, below)
    yield
    for below in mounted:
        mount_new(session, below)


def unmount(session: Session, dataset: Dataset) -> None:
    """Take the directory away again; one that holds files of others stays."""
    if not dataset.mounted:
        return
    where, _ = mount_point(session, dataset)
    directory = session.machine.path(where)
    dataset.mounted = False
    session.storage.changed(dataset)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
