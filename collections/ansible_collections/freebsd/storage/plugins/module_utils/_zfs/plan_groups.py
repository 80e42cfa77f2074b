# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to snapshots that are taken together. Pure."""

from __future__ import annotations

from typing import NamedTuple

from .. import _names
from .._state import Chooser, DestroySnapshot, Facts, NextRound, Plan, TakeGroup
from ..errors import HostError
from .model import OURS, Group, Membership, Snapshot, Volume
from .seen import check_seen


class GroupWanted(NamedTuple):
    """Snapshots someone wants of these volumes, known by uuid, all of one moment."""

    name: str
    volumes: tuple[str, ...]


class GroupUnwanted(NamedTuple):
    """Snapshots taken together that are to be gone; `snapshots`: their uuids as the caller knows them, or none."""

    uuid: str
    snapshots: tuple[str, ...]


def plan_present(facts: Facts, want: GroupWanted, choose: Chooser, item: int) -> Plan:
    """Take the snapshots unless there is a group of that name; those of volumes which are gone serve as well."""
    existing = facts.group_named(want.name)
    if existing is not None:
        _check_same(existing, want)
        return Plan(facts, (), None, depends=existing.maker, group=existing)
    volumes = [_source(facts, uuid) for uuid in sorted(want.volumes)]
    if {volume.uuid for volume in volumes} & (facts.fresh | facts.grown):
        raise NextRound
    group = _of(want.name, choose.uuid(), volumes, item)
    for member in group.members:
        facts = facts.with_snapshot(member)
    after = facts._replace(
        fresh=facts.fresh | {group.uuid, *(member.uuid for member in group.members)},
        tapped=facts.tapped | {volume.uuid for volume in volumes},
    )
    return Plan(after, (TakeGroup(group),), None, group=group)


def plan_absent(facts: Facts, want: GroupUnwanted) -> Plan:
    """Destroy the snapshots, each at once or with the last of its clones; there being none is success."""
    check_seen(facts, want.uuid)
    group = facts.group(want.uuid)
    if group is None:
        return Plan(facts, (), None)
    _check_members(group, want.snapshots)
    if group.uuid in facts.fresh:
        raise NextRound
    for member in group.members:
        facts = facts.without_snapshot(member)
    return Plan(facts, tuple(DestroySnapshot(member) for member in group.members), None, group=group)


def _source(facts: Facts, uuid: str) -> Volume:
    check_seen(facts, uuid)
    volume = facts.volumes.get(uuid)
    if volume is None:
        msg = f"there is no volume {uuid} below {facts.parent}"
        raise HostError("source_not_found", msg, option="volumes")
    return volume


def _of(name: str, uuid: str, volumes: list[Volume], item: int) -> Group:
    membership = Membership(uuid, len(volumes))
    members = tuple(
        Snapshot(
            dataset=f"{volume.dataset}@{_names.member_leaf_of(uuid)}",
            kind=OURS,
            source=volume.uuid,
            size_bytes=volume.size_bytes,
            created=0,
            volblocksize=volume.volblocksize,
            uuid=_names.member_uuid(uuid, volume.uuid),
            name=name,
            maker=item,
            group=membership,
        )
        for volume in volumes
    )
    return Group(uuid, name, len(volumes), members)


def _check_same(group: Group, want: GroupWanted) -> None:
    sources = [member.source for member in group.members]
    if not group.complete:
        raise HostError(
            "exists_differently",
            f"group snapshot {want.name!a} exists, but {group.size - len(sources)} of its {group.size} snapshots "
            "are gone; delete it first",
            option="name",
        )
    if sources != sorted(want.volumes):
        raise HostError(
            "exists_differently",
            f"group snapshot {want.name!a} exists, of the volumes {', '.join(sources)}",
            option="volumes",
            expected=sorted(want.volumes),
            actual=sources,
        )


def _check_members(group: Group, given: tuple[str, ...]) -> None:
    """
    Raise `HostError` unless these are the snapshots of the group.

    Those that are gone already, for an earlier run ended too early, are known by their number alone.
    """
    members = {member.uuid for member in group.members}
    if given and not (members <= set(given) and len(set(given)) == group.size):
        raise HostError(
            "invalid",
            f"snapshots: group snapshot {group.uuid} has other snapshots: {', '.join(sorted(members))}",
            option="snapshots",
            expected=sorted(given),
            actual=sorted(members),
        )
