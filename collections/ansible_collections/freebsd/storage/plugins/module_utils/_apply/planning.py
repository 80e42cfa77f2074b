# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which plan serves which wish. Pure."""

from __future__ import annotations

from typing import Union

from .._ctl import plan as publications
from .._ctl.plan import PublicationUnwanted, PublicationWanted
from .._ctl.plan_exports import ExportsWanted
from .._kinds.registry import NamedWish
from .._state import Chooser, Facts, Plan
from .._zfs import plan as volumes
from .._zfs import plan_groups as groups
from .._zfs import plan_snapshots as snapshots
from .._zfs.grow import VolumeGrown, plan_grow
from .._zfs.modify import VolumeModified, plan_modify
from .._zfs.plan import VolumeWanted
from .._zfs.plan_adopt import VolumeAdopted, plan_adopt
from .._zfs.plan_groups import GroupUnwanted, GroupWanted
from .._zfs.plan_snapshots import SnapshotWanted
from ..errors import HostError
from .spec import Item, SnapshotUnwanted, VolumeUnwanted, Wish

# Whether ctld exports something, and what the kernel shows of it, matters to these.
NEED_KERNEL = (PublicationWanted, PublicationUnwanted, VolumeGrown, VolumeAdopted, ExportsWanted, NamedWish)


def plan_of(facts: Facts, item: Item, choose: Chooser) -> Plan:
    """Return the plan of one item; raise its error, or `NextRound` where it has to wait."""
    if isinstance(item.wish, HostError):
        raise item.wish
    if isinstance(item.wish, (NamedWish, ExportsWanted)):
        return item.wish.plan(facts)
    if isinstance(item.wish, (VolumeUnwanted, SnapshotUnwanted, GroupUnwanted, PublicationUnwanted)):
        return _absent(facts, item.wish)
    return _present(facts, item.wish, choose, item.number)


def _present(facts: Facts, wish: Wish, choose: Chooser, number: int) -> Plan:
    if isinstance(wish, SnapshotWanted):
        return snapshots.plan_present(facts, wish, choose, number)
    if isinstance(wish, GroupWanted):
        return groups.plan_present(facts, wish, choose, number)
    if isinstance(wish, PublicationWanted):
        return publications.plan_present(facts, wish, choose, number)
    return _volume(facts, wish, choose, number)


def _volume(facts: Facts, wish: Wish, choose: Chooser, number: int) -> Plan:
    if isinstance(wish, VolumeWanted):
        return volumes.plan_present(facts, wish, choose, number)
    if isinstance(wish, VolumeAdopted):
        return plan_adopt(facts, wish, choose, number)
    if isinstance(wish, VolumeGrown):
        return plan_grow(facts, wish)
    if isinstance(wish, VolumeModified):
        return plan_modify(facts, wish)
    raise TypeError(wish)


def _absent(facts: Facts, wish: Union[VolumeUnwanted, SnapshotUnwanted, GroupUnwanted, PublicationUnwanted]) -> Plan:
    if isinstance(wish, VolumeUnwanted):
        return volumes.plan_absent(facts, wish.uuid)
    if isinstance(wish, SnapshotUnwanted):
        return snapshots.plan_absent(facts, wish.uuid)
    if isinstance(wish, GroupUnwanted):
        return groups.plan_absent(facts, wish)
    return publications.plan_absent(facts, wish)
