# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to snapshots. Pure."""

from __future__ import annotations

from typing import NamedTuple

from .. import _names
from .._state import Chooser, DestroySnapshot, Facts, NextRound, Plan, TakeSnapshot
from ..errors import HostError
from .model import OURS, PLACED, Snapshot, Volume
from .plan_copies import check_going_on, plan_cancel, plan_snapshot, record_of
from .seen import check_seen


class SnapshotWanted(NamedTuple):
    """A snapshot someone wants of the volume with this uuid; `detached`: with a copy of its data of its own."""

    name: str
    volume: str
    detached: bool = False


def plan_present(facts: Facts, want: SnapshotWanted, choose: Chooser, item: int) -> Plan:
    """Take the snapshot unless there is one of that name; that of a volume which is gone serves as well."""
    existing = facts.snapshot_named(want.name)
    if existing is not None:
        _check_same(existing, want)
        check_going_on(facts, existing.uuid)
        return Plan(facts, (), None, depends=existing.maker, snapshot=existing)
    check_seen(facts, want.volume)
    volume = facts.volumes.get(want.volume)
    if volume is None:
        msg = f"there is no volume {want.volume} below {facts.parent}"
        raise HostError("source_not_found", msg, option="volume")
    dataset = f"{volume.dataset}@{_names.snapshot_leaf_of(want.name)}"
    if want.detached and volume.uuid not in facts.fresh | facts.grown:
        return plan_snapshot(facts, volume, want.name, choose.uuid(), item)
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
    copy = facts.copies.get(uuid)
    if copy is not None and copy.state != PLACED:
        return plan_cancel(facts, copy)
    after = facts.without_snapshot(snapshot)
    return Plan(after, (DestroySnapshot(snapshot), *record_of(facts, uuid)), None, snapshot=snapshot)


def _check_same(snapshot: Snapshot, want: SnapshotWanted) -> None:
    if snapshot.source != want.volume:
        raise HostError(
            "exists_differently",
            f"snapshot {want.name!a} exists, of volume {snapshot.source} and not of {want.volume}",
            option="volume",
            expected=want.volume,
            actual=snapshot.source,
        )
    if bool(snapshot.holder) != want.detached:
        is_, wanted = ("detached", "not") if snapshot.holder else ("not detached", "detached")
        raise HostError(
            "exists_differently",
            f"snapshot {want.name!a} exists and is {is_}, but {wanted} is asked for",
            option="detached",
            expected=want.detached,
            actual=bool(snapshot.holder),
        )


def _foreign_name(dataset: str, owner: str) -> HostError:
    return HostError(
        "foreign_name",
        f"{dataset} exists and is not a snapshot of {owner}; it was left alone: "
        "rename it, or choose another snapshot name",
        option="name",
    )
