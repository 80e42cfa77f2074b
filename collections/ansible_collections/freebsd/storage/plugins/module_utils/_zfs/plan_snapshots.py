# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to snapshots. Pure."""

from __future__ import annotations

from typing import NamedTuple

from .. import _names
from .._state import Chooser, DestroySnapshot, Facts, NextRound, Plan, TakeSnapshot
from ..errors import HostError
from .model import OURS, Snapshot, Volume
from .seen import check_seen


class SnapshotWanted(NamedTuple):
    """A snapshot someone wants of the volume with this uuid."""

    name: str
    volume: str


def plan_present(facts: Facts, want: SnapshotWanted, choose: Chooser, item: int) -> Plan:
    """Take the snapshot unless there is one of that name; that of a volume which is gone serves as well."""
    existing = facts.snapshot_named(want.name)
    if existing is not None:
        _check_same(existing, want)
        return Plan(facts, (), None, depends=existing.maker, snapshot=existing)
    check_seen(facts, want.volume)
    volume = facts.volumes.get(want.volume)
    if volume is None:
        msg = f"there is no volume {want.volume} below {facts.parent}"
        raise HostError("source_not_found", msg, option="volume")
    dataset = f"{volume.dataset}@{_names.snapshot_leaf_of(want.name)}"
    if volume.uuid in facts.fresh | facts.grown or dataset in facts.freed:
        raise NextRound
    if dataset in facts.datasets:
        raise _foreign_name(dataset, facts.owner)
    snapshot = _of(volume, dataset)._replace(uuid=choose.uuid(), name=want.name, maker=item)
    after = facts.with_snapshot(snapshot)._replace(
        fresh=facts.fresh | {snapshot.uuid}, tapped=facts.tapped | {volume.uuid}
    )
    return Plan(after, (TakeSnapshot(snapshot),), None, snapshot=snapshot)


def _of(volume: Volume, dataset: str) -> Snapshot:
    return Snapshot(
        dataset=dataset,
        kind=OURS,
        source=volume.uuid,
        size_bytes=volume.size_bytes,
        created=0,
        volblocksize=volume.volblocksize,
    )


def plan_absent(facts: Facts, uuid: str) -> Plan:
    """Destroy the snapshot, at once or with the last of its clones; there being none is success."""
    check_seen(facts, uuid)
    snapshot = facts.snapshots.get(uuid)
    if snapshot is None:
        return Plan(facts, (), None)
    if snapshot.group is not None:
        msg = f"snapshot {uuid} was taken together with others, and goes with them: delete the group snapshot"
        raise HostError("invalid", f"{msg} {snapshot.group.uuid}", option="uuid")
    if uuid in facts.fresh:
        raise NextRound
    return Plan(facts.without_snapshot(snapshot), (DestroySnapshot(snapshot),), None, snapshot=snapshot)


def _check_same(snapshot: Snapshot, want: SnapshotWanted) -> None:
    if snapshot.source != want.volume:
        raise HostError(
            "exists_differently",
            f"snapshot {want.name!a} exists, of volume {snapshot.source} and not of {want.volume}",
            option="volume",
            expected=want.volume,
            actual=snapshot.source,
        )


def _foreign_name(dataset: str, owner: str) -> HostError:
    return HostError(
        "foreign_name",
        f"{dataset} exists and is not a snapshot of {owner}; it was left alone: "
        "rename it, or choose another snapshot name",
        option="name",
    )
