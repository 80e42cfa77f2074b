# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Decides what ails volumes. Pure: facts and the pool in, conditions out.

A volume without conditions is well. The statuses and the form of the reasons are those of CSI; reasons are for
programs and never change, messages are for people and end with the remedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from . import _names
from ._ctl import check
from ._ctl.model import Export, Kernel
from ._ctl.plan import LOST, export_of, is_lost
from ._state import Facts
from ._zfs.model import Volume
from ._zfs.pools import DEGRADED as POOL_DEGRADED
from ._zfs.pools import Pool

DEGRADED, INACCESSIBLE, DATA_LOSS = "degraded", "inaccessible", "data_loss"

_MEND = "use the version of the driver that wrote it, or mend its org.freebsd.storage properties"
_SILENT = "the next publication on this host brings them back; what ctld has against them is in /var/log/messages"


class Condition(NamedTuple):
    """Something that is not as it should be: how bad it is, what it is, and what to do about it."""

    status: str
    reason: str
    msg: str


Health = Mapping[str, Sequence[Condition]]


def health_of(facts: Facts, pool: Pool, nearly_full_percent: int) -> Health:
    """Return the conditions of every volume that there is, by uuid; of a volume that is well, none."""
    everywhere = [*pool_conditions(pool), *_ctld(facts.kernel)]
    room = [*_pool_room(pool, nearly_full_percent), *_parent_room(facts, nearly_full_percent)]
    known: dict[str, Sequence[Condition]] = {
        uuid: [*everywhere, *([] if volume.reserved else room), *_own(facts, pool, volume)]
        for uuid, volume in facts.volumes.items()
    }
    lost = {uuid: name for uuid, name in facts.unreadable.items() if "@" not in name}
    known.update({uuid: [*everywhere, _unreadable(name)] for uuid, name in lost.items()})
    return known


def unread(pool: Pool) -> list[Condition]:
    """Return the conditions of a volume in a pool that works no more; none if that is not the case."""
    return [] if pool.works else list(pool_conditions(pool))


def abnormal(health: Health) -> dict[str, Sequence[Condition]]:
    """Return only what is not well."""
    return {uuid: conditions for uuid, conditions in health.items() if conditions}


def summary(health: Health) -> list[dict[str, object]]:
    """Return how many volumes have each condition."""
    counted = Counter((each.status, each.reason) for conditions in health.values() for each in conditions)
    return [
        {"status": status, "reason": reason, "volumes": counted[status, reason]} for status, reason in sorted(counted)
    ]


def health_noun(uuid: str, conditions: Sequence[Condition]) -> dict[str, object]:
    """Return the health of a volume as it is reported."""
    return {"volume": uuid, "conditions": [each._asdict() for each in conditions]}


def pool_conditions(pool: Pool) -> Iterator[Condition]:
    """Return what the pool's state means for every volume in it."""
    remedy = pool.said or f"look at zpool status {pool.name}"
    if pool.health == POOL_DEGRADED:
        yield Condition(DEGRADED, "PoolDegraded", f"pool {pool.name} has lost redundancy: {remedy}")
    elif not pool.works:
        reason = "PoolSuspended" if pool.health == "SUSPENDED" else "PoolFaulted"
        yield Condition(INACCESSIBLE, reason, f"pool {pool.name} is {pool.health}: {remedy}")
    if pool.damage:
        msg = f"in pool {pool.name} {pool.damage}: zpool status -v {pool.name} lists what is damaged; restore it"
        yield Condition(DEGRADED, "PoolDataErrors", msg)


def _ctld(kernel: Optional[Kernel]) -> Iterator[Condition]:
    if kernel is not None and kernel.daemon.pid is None:
        msg = "ctld does not run, so no node can log in: service ctld start; the role storage_host sets ctld_enable"
        yield Condition(DEGRADED, "TargetDaemonDown", msg)


def _pool_room(pool: Pool, limit: int) -> Iterator[Condition]:
    if pool.used_percent >= limit:
        msg = f"pool {pool.name} is {pool.used_percent} % full: add devices, or delete what is not needed"
        yield Condition(DEGRADED, "PoolNearlyFull", msg)


def _parent_room(facts: Facts, limit: int) -> Iterator[Condition]:
    whole = facts.used_bytes + facts.available_bytes
    if whole and 100 * facts.used_bytes >= limit * whole:
        msg = (
            f"{facts.parent} has {facts.available_bytes} of {whole} bytes left: raise its quota, add devices to the "
            "pool, or delete volumes and snapshots that are not needed"
        )
        yield Condition(DEGRADED, "ParentNearlyFull", msg)


def _own(facts: Facts, pool: Pool, volume: Volume) -> Iterator[Condition]:
    """Return what only this volume has."""
    if volume.dataset in pool.damaged:
        msg = f"{volume.dataset} holds blocks that cannot be read any more: restore it from a snapshot or a backup"
        yield Condition(DATA_LOSS, "DataErrors", msg)
    if volume.hidden:
        msg = f"{volume.dataset} has no device, because volmode is none: zfs set volmode=dev {volume.dataset}"
        yield Condition(INACCESSIBLE, "DeviceMissing", msg)
    if volume.locked and any(not record.leaving for record in volume.records):
        msg = f"{volume.dataset} is published and its key is not loaded: publish it anew, or zfs load-key {volume.root}"
        yield Condition(INACCESSIBLE, "KeyNotLoaded", msg)
    if volume.unreadable:
        msg = f"a record of the publications of {volume.dataset} cannot be read: {_MEND}"
        yield Condition(DEGRADED, "RecordUnreadable", msg)
    if volume.unfinished:
        msg = f"{volume.dataset} has not its size or its reservation yet: the next change on this host completes it"
        yield Condition(DEGRADED, "VolumeUnfinished", msg)
    if facts.kernel is not None:
        yield from _exports(facts.owner, volume, facts.kernel)


def _exports(owner: str, volume: Volume, kernel: Kernel) -> Iterator[Condition]:
    exports = [export_of(owner, volume, record) for record in volume.records if not record.leaving]
    if not exports:
        return
    name = _names.lun_of(owner, volume.uuid)
    if any(lun.name == name and lun.size_blocks == 0 for lun in kernel.luns):
        msg = f"the LUN has no medium, because {exports[0].path} cannot be opened: look at zfs get volmode, keystatus"
        yield Condition(INACCESSIBLE, "LunWithoutMedium", msg)
        return
    lost = [export for export in exports if is_lost(kernel, export)]
    if lost:
        status = INACCESSIBLE if len(check.unmet(exports, kernel)) == len(exports) else DEGRADED
        yield Condition(status, "ChapSecretLost", f"{len(lost)} of {len(exports)} publications: {LOST}")
    yield from _unmet([export for export in exports if export not in lost], kernel)
    for said in check.small({name: volume.size_bytes}, kernel).values():
        msg = f"{said}, but the volume has {volume.size_bytes}: expand it again, to any size"
        yield Condition(DEGRADED, "LunTooSmall", msg)


def _unmet(exports: Sequence[Export], kernel: Kernel) -> Iterator[Condition]:
    unmet = check.unmet(exports, kernel)
    if unmet:
        status = INACCESSIBLE if len(unmet) == len(exports) else DEGRADED
        reasons = "; ".join(sorted(set(unmet.values())))
        msg = f"{len(unmet)} of {len(exports)} publications are not exported: {reasons}; {_SILENT}"
        yield Condition(status, "NotExported", msg)


def _unreadable(dataset: str) -> Condition:
    return Condition(DEGRADED, "PropertiesUnreadable", f"the properties of {dataset} cannot be read: {_MEND}")
