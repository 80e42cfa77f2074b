# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides how a volume is made of a snapshot, or of another volume. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .._secrets import Secret
from .._state import CloneVolume, Facts, NextRound, Plan
from ..errors import HostError
from . import keys, sizes
from .model import COPY, PLACED, Snapshot, Volume
from .plan_copies import plan_volume, tap, under_way
from .seen import check_finished, check_seen


class Origin(NamedTuple):
    """What a clone is made of; `tapped`: of a volume, so that the snapshot has to be taken first."""

    snapshot: Snapshot
    tapped: bool


def plan_clone(
    facts: Facts, blank: Volume, required_bytes: int, limit_bytes: int, secret: Optional[Secret] = None
) -> Plan:
    """Give the volume the content of its source, the block size and the key too; it is never smaller."""
    origin = _origin(facts, blank.parameters.source or {}, blank.uuid)
    block = origin.snapshot.volblocksize
    parameters = blank.parameters._replace(volblocksize=block)
    if block < parameters.blocksize:
        msg = f"blocksize: the source has blocks of {block} bytes, less than {parameters.blocksize}"
        raise HostError("invalid", msg, option="blocksize")
    size = sizes.grown_size(origin.snapshot.size_bytes, required_bytes, limit_bytes, block)
    volume = blank._replace(
        size_bytes=size,
        goal_bytes=size,
        volblocksize=block,
        parameters=parameters,
        digest=parameters.digest(),
        reserved=not parameters.thin,
    )
    source = facts.source_of(origin.snapshot)
    if parameters.clone_mode == COPY:
        return plan_volume(facts, volume, source, origin.snapshot, tapped=origin.tapped)
    volume = volume._replace(root=source.root, locked=source.locked)
    finish = size > origin.snapshot.size_bytes or not parameters.thin
    unlock = keys.to_clone(volume, source, secret, finish=finish)
    return Plan(_after(facts, origin, volume), (*unlock, CloneVolume(volume, *origin, finish=finish)), volume)


def _after(facts: Facts, origin: Origin, volume: Volume) -> Facts:
    tapped = frozenset([origin.snapshot.source] if origin.tapped else [])
    snapshot = origin.snapshot._replace(clones=(*origin.snapshot.clones, volume.dataset))
    after = facts.with_volume(volume).with_snapshot(snapshot)
    return after._replace(fresh=facts.fresh | {volume.uuid}, tapped=facts.tapped | tapped)


def _origin(facts: Facts, source: Mapping[str, str], uuid: str) -> Origin:
    if "snapshot" in source:
        return Origin(_snapshot(facts, source["snapshot"]), tapped=False)
    volume = _volume(facts, source["volume"])
    return Origin(tap(volume, uuid), tapped=True)


def _snapshot(facts: Facts, uuid: str) -> Snapshot:
    check_seen(facts, uuid)
    snapshot = facts.snapshots.get(uuid)
    if snapshot is None:
        raise HostError("source_not_found", f"there is no snapshot {uuid} below {facts.parent}", option="source")
    if uuid in facts.fresh:
        raise NextRound
    copy = facts.copies.get(uuid)
    if copy is not None and copy.state != PLACED:
        raise under_way(copy)
    return snapshot


def _volume(facts: Facts, uuid: str) -> Volume:
    check_seen(facts, uuid)
    volume = facts.volumes.get(uuid)
    if volume is None:
        raise HostError("source_not_found", f"there is no volume {uuid} below {facts.parent}", option="source")
    check_finished(facts, volume)
    if uuid in facts.fresh | facts.grown:
        raise NextRound
    return volume
