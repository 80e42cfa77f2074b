# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is reported of one item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .. import _names, _nouns
from .._changes import Change, Noun, RunZfs
from .._ctl import check
from .._ctl.plan import PublicationUnwanted, PublicationWanted, export_of
from .._state import GrowVolume, Publish, Refuse, ShowDevice, StartCopy, Step, UnlockVolume, Unpublish
from .._zfs import plan as zfs_plan
from .._zfs.grow import VolumeGrown
from .._zfs.model import Copy, Group, Record, Snapshot, Volume
from .._zfs.modify import VolumeModified
from .._zfs.plan import VolumeWanted
from .._zfs.plan_adopt import VolumeAdopted
from .._zfs.plan_copies import under_way
from .._zfs.plan_groups import GroupUnwanted, GroupWanted
from .._zfs.plan_snapshots import SnapshotWanted
from ..errors import HostError
from .round import Planned, Round
from .spec import Item, SnapshotUnwanted


class Outcome(NamedTuple):
    """The end of one item: what there is now, or an error; and what there was before."""

    item: Item
    changed: bool = False
    noun: Noun = None
    before: Noun = None
    error: Optional[HostError] = None
    hint: Mapping[str, object] = {}
    assumed: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the item's result."""
        told: dict[str, object] = {"key": self.item.key, "changed": self.changed}
        if self.error is not None:
            told["error"] = self.error.as_dict()
        else:
            told[self.item.noun] = self.noun
        return {**told, "assumed": list(self.assumed)} if self.assumed else told

    def diff(self) -> dict[str, object]:
        """Return the item's difference, fit to be shown."""
        after = self.before if self.error is not None else self.noun
        return {
            "before_header": f"{self.item.noun} {self.item.key}",
            "after_header": f"{self.item.noun} {self.item.key}",
            "before": _nouns.masked(self.before),
            "after": {**_nouns.masked(after), **({} if self.error is not None else self.hint)},
        }


def predicted(each: Planned, owner: str) -> Outcome:
    """Return what would become of an item."""
    change = each.plan.change
    if change is not None:
        return Outcome(each.item, change.due, change.after, change.before, hint=change.hint, assumed=change.assumed)
    for step in each.plan.steps:
        if isinstance(step, Refuse):
            return Outcome(each.item, error=step.error)
    return Outcome(
        each.item,
        changed=any(_is_due(each, step, owner) for step in each.plan.steps),
        noun=_after(each, owner, each.plan.volume, each.plan.snapshot, each.plan.group, predicted=True),
        before=_before(each, owner),
    )


def _is_due(each: Planned, step: Step, owner: str) -> bool:
    """Return whether a step has anything to do: what is recorded may not be what the kernel shows."""
    if isinstance(step, (UnlockVolume, ShowDevice)):
        return False
    kernel = each.plan.facts.kernel
    if kernel is None:
        return True
    if isinstance(step, GrowVolume):
        sizes = {_names.lun_of(owner, step.volume.uuid): step.volume.size_bytes}
        return step.grows or bool(check.small(sizes, kernel))
    if not isinstance(step, Publish) or step.new:
        return True
    made_here = each.plan.depends is not None
    return not made_here and bool(check.unmet([export_of(owner, step.volume, step.record)], kernel))


def of(each: Planned, doing: Round, owner: str) -> Outcome:
    """Return what became of an item."""
    index = each.item.number
    changed = index in doing.changed
    if each.plan.change is not None:
        return _of_named(each, each.plan.change, doing)
    try:
        volume = _made(each, doing)
        snapshot = _begun(each, doing) if _started(each) else _taken(each.plan.snapshot, doing)
        group = _taken_together(each.plan.group, doing)
    except HostError as error:
        return Outcome(each.item, changed, before=_before(each, owner), error=error)
    noun = _after(each, owner, volume, snapshot, group)
    return Outcome(each.item, changed, noun, _before(each, owner))


def _of_named(each: Planned, change: Change, doing: Round) -> Outcome:
    """Return what became of an object that somebody named; of a dataset, as it was read again."""
    error = doing.errors.get(each.item.number)
    changed = each.item.number in doing.changed
    after = change.after
    if error is None and change.tell is not None and any(isinstance(step, RunZfs) for step in each.plan.steps):
        found = doing.named.get(change.dataset)
        after = change.after if found is None else change.tell(found)
        if found is None:
            error = HostError("uncertain", f"{change.dataset} was changed but cannot be read back")
    return Outcome(each.item, changed, after, change.before, error, change.hint)


def _made(each: Planned, doing: Round) -> Optional[Volume]:
    """Return the volume as it was planned or, if it is new, read back; or raise the item's error."""
    planned, wish = each.plan.volume, each.item.wish
    error = doing.errors.get(each.item.number)
    copy = _started(each)
    if error is None and copy is not None and copy.snapshot is None:
        raise under_way(copy)
    if error is None and planned is not None and isinstance(wish, (VolumeGrown, VolumeModified, VolumeAdopted)):
        return doing.made.get(planned.dataset, planned)
    if planned is None or planned.maker is None or not isinstance(wish, VolumeWanted):
        if error is not None:
            raise error
        return planned
    if error is not None and error.code != "foreign_name":
        raise error
    found = doing.made.get(planned.dataset)
    if found is None and error is None:
        raise HostError("uncertain", f"{planned.dataset} was made but cannot be read back")
    if found is None or found.name != wish.name:
        raise zfs_plan.foreign_name(planned.dataset, doing.owner)
    zfs_plan.check_same(found, wish)
    return found


def _started(each: Planned) -> Optional[Copy]:
    """Return the copy that was begun, if so."""
    return next((step.copy for step in each.plan.steps if isinstance(step, StartCopy)), None)


def _begun(each: Planned, doing: Round) -> Optional[Snapshot]:
    """Return the detached snapshot whose copy was begun; it is of the time when what is copied was taken."""
    copy, planned = _started(each), each.plan.snapshot
    origin = doing.taken.get(copy.origin.dataset) if copy and copy.origin else None
    return planned._replace(created=origin.created) if planned and origin else planned


def _taken(planned: Optional[Snapshot], doing: Round) -> Optional[Snapshot]:
    """Return the snapshot as it was planned or, if it is new, read back."""
    if planned is None or planned.maker is None:
        return planned
    found = doing.taken.get(planned.dataset)
    if found is None:
        raise HostError("uncertain", f"{planned.dataset} was made but cannot be read back")
    return found


def _taken_together(planned: Optional[Group], doing: Round) -> Optional[Group]:
    """Return the snapshots as they were planned or, if they are new, read back."""
    if planned is None:
        return None
    members = (_taken(member, doing) for member in planned.members)
    return planned._replace(members=tuple(member for member in members if member is not None))


def _after(
    each: Planned,
    owner: str,
    volume: Optional[Volume],
    snapshot: Optional[Snapshot],
    group: Optional[Group],
    *,
    predicted: bool = False,
) -> Noun:
    wish = each.item.wish
    if isinstance(wish, GroupWanted) and group is not None:
        return _nouns.group_noun(group, predicted=predicted and group.maker is not None)
    if isinstance(wish, SnapshotWanted) and snapshot is not None:
        return _nouns.snapshot_noun(snapshot, predicted=predicted and snapshot.maker is not None)
    if isinstance(wish, (VolumeWanted, VolumeGrown, VolumeModified, VolumeAdopted)) and volume is not None:
        return _nouns.volume_noun(owner, volume, predicted=predicted and volume.maker is not None)
    if isinstance(wish, PublicationWanted) and volume is not None and each.plan.record is not None:
        new = any(isinstance(step, Publish) and step.new for step in each.plan.steps)
        unknown = predicted and (new or each.plan.depends is not None)
        return _nouns.publication_noun(owner, volume, each.plan.record, predicted=unknown)
    return None


def _before(each: Planned, owner: str) -> Noun:
    volume, wish = each.before, each.item.wish
    if isinstance(wish, (SnapshotWanted, SnapshotUnwanted)):
        return None if each.snapshot is None else _nouns.snapshot_noun(each.snapshot)
    if isinstance(wish, (GroupWanted, GroupUnwanted)):
        return None if each.group is None else _nouns.group_noun(each.group)
    if volume is None:
        return None
    if isinstance(wish, PublicationWanted):
        record = volume.record_of(wish.node)
        return None if record is None else _nouns.publication_noun(owner, volume, record)
    if isinstance(wish, PublicationUnwanted):
        return _ended(each, owner, volume)
    return _nouns.volume_noun(owner, volume)


def _ended(each: Planned, owner: str, volume: Volume) -> Noun:
    """Return the publication that ends, or all of them under one head where there are several."""
    records: list[Record] = [
        record for step in each.plan.steps if isinstance(step, Unpublish) for record in step.records
    ]
    nouns = [_nouns.publication_noun(owner, volume, record) for record in records]
    if len(nouns) == 1:
        return nouns[0]
    return {"volume": volume.uuid, "publications": nouns} if nouns else None
