# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to become of deleted volumes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from . import api
from .model import DELETED, FOREIGN, HIDDEN, Drift, Snapshot, Trash, Volume


class Chore(NamedTuple):
    """A command that tidies up; `frees`: something is gone afterwards, so others may be able to go as well."""

    argv: list[str]
    frees: bool


def chores(trash: Trash, place: str) -> list[Chore]:
    """
    Return what is to be done now: each volume goes with its last snapshot, and the place with the last volume.

    As long as a volume has to stay, it reserves nothing and holds nothing but its snapshots. What it had
    beside them was given up when it was deleted.
    """
    taken = _by_source(trash)
    found = [chore for volume in trash.volumes for chore in _of_volume(volume, taken.get(volume.uuid, ()))]
    return [*found, *([Chore(api.destroy(place), frees=True)] if trash.removable else [])]


def kept(trash: Trash, ours: AbstractSet[str]) -> list[Drift]:
    """Return the deleted volumes which others keep, each with the bytes that are not free because of it."""
    taken = _by_source(trash)
    drift: list[Drift] = []
    for volume in trash.volumes:
        keepers = [keeper for snapshot in taken.get(volume.uuid, ()) for keeper in _keepers(snapshot, ours)]
        if keepers:
            msg = f"volume {volume.name!a} was deleted, but {volume.used_bytes} bytes are kept by {', '.join(keepers)}"
            drift.append(Drift("deleted_volume", volume.dataset, msg, volume.used_bytes))
    return drift


def keepers(trash: Trash, volume: Volume) -> list[str]:
    """Return what keeps a deleted volume, whosever it is, in words."""
    words: list[str] = []
    for snapshot in _by_source(trash).get(volume.uuid, ()):
        words += [f"the snapshot {snapshot.name!a}"] if snapshot.listed else _keepers(snapshot, frozenset())
    return words


def _of_volume(volume: Volume, snapshots: tuple[Snapshot, ...]) -> list[Chore]:
    if not snapshots:
        return [Chore(api.destroy(volume.dataset), frees=True)]
    unwanted = [each for each in snapshots if each.kind in (HIDDEN, DELETED) and not each.deferred]
    found = [Chore(api.destroy_later(each.dataset), frees=True) for each in unwanted]
    if volume.reserved:
        found.append(Chore(api.set_properties(volume.dataset, {"refreservation": "none"}), frees=False))
    if volume.written_bytes and not unwanted:
        newest = max(snapshots, key=lambda each: each.txg)
        found.append(Chore(api.rollback(newest.dataset), frees=False))
    return found


def _keepers(snapshot: Snapshot, ours: AbstractSet[str]) -> list[str]:
    if snapshot.kind == FOREIGN:
        return [f"the snapshot {snapshot.dataset}"]
    if snapshot.listed:
        return []
    holds = [f"a hold on {snapshot.dataset}"] if snapshot.holds else []
    return [*(f"the clone {clone}" for clone in snapshot.clones if clone not in ours), *holds]


def _by_source(trash: Trash) -> Mapping[str, tuple[Snapshot, ...]]:
    found: dict[str, tuple[Snapshot, ...]] = {}
    for snapshot in trash.snapshots:
        found[snapshot.home] = (*found.get(snapshot.home, ()), snapshot)
    return found
