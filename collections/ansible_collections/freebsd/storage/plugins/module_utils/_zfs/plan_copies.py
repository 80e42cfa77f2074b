# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides how full copies are begun and ended, and says of those under way how far they are. Pure."""

from __future__ import annotations

from typing import Optional

from .. import _names
from .._state import CancelCopy, Facts, Plan, StartCopy
from ..errors import HostError
from . import copies
from .model import CLONE, HIDDEN, Copy, Snapshot, Volume

_MIB = 1 << 20


def plan_volume(facts: Facts, volume: Volume, source: Volume, origin: Snapshot, *, tapped: bool) -> Plan:
    """Make the volume a full copy of the snapshot, which lies in `source`."""
    _check_plain(source)
    _check_plain(volume)
    copy = Copy(_names.copying(facts.parent, volume.uuid), volume, origin=origin)
    after = _tapping(facts, origin, tapped=tapped).with_copy(copy)
    return Plan(after, (StartCopy(copy, tapped=tapped),), volume)


def plan_snapshot(facts: Facts, source: Volume, name: str, uuid: str, item: int) -> Plan:
    """Make a snapshot of the volume whose data lies in a full copy of its own."""
    _check_plain(source)
    holder = source._replace(
        dataset=_names.trashed(facts.parent, uuid),
        uuid=uuid,
        name=name,
        parameters=source.parameters._replace(thin=True, source=None, clone_mode=CLONE),
        records=(),
        unreadable=(),
        goal_bytes=source.size_bytes,
        reserved=False,
        thin_now=None,
        maker=None,
    )
    holder = holder._replace(digest=holder.parameters.digest())
    snapshot = copies.detached(holder, name, source.uuid)._replace(maker=item)
    origin = tap(source, uuid)
    copy = Copy(_names.copying(facts.parent, uuid), holder, snapshot, origin)
    after = _tapping(facts, origin, tapped=True).with_copy(copy)
    return Plan(after, (StartCopy(copy, tapped=True),), None, snapshot=snapshot)


def plan_cancel(facts: Facts, copy: Copy) -> Plan:
    """End the copy."""
    volume = copy.volume if copy.snapshot is None else None
    return Plan(facts.without_copy(copy), (CancelCopy(copy),), volume, snapshot=copy.snapshot)


def record_of(facts: Facts, uuid: str) -> tuple[CancelCopy, ...]:
    """Return what takes away the record of a copy that is done, where that is left."""
    copy = facts.copies.get(uuid)
    return () if copy is None else (CancelCopy(copy),)


def tap(volume: Volume, uuid: str) -> Snapshot:
    """Return the snapshot that is to be taken of a volume for this clone or copy, and for nothing else."""
    return Snapshot(
        dataset=f"{volume.dataset}@{_names.hidden_leaf_of(uuid)}",
        kind=HIDDEN,
        source=volume.uuid,
        size_bytes=volume.size_bytes,
        created=0,
        volblocksize=volume.volblocksize,
    )


def under_way(copy: Copy) -> HostError:
    """Return what there is to say of a copy that is not whole."""
    what = f"snapshot {copy.snapshot.name!a}" if copy.snapshot else f"volume {copy.volume.name!a}"
    return HostError("copying", f"{what} is being copied, {_progress(copy)}; it goes on by itself, ask again")


def check_going_on(facts: Facts, uuid: str) -> None:
    """Raise the reason why a copy cannot go on, if so."""
    problem: Optional[HostError] = facts.unmended.get(uuid)
    if problem is not None:
        raise problem


def _check_plain(volume: Volume) -> None:
    """Raise `HostError` for a volume with a key: a stream of it is not encrypted, and neither would the copy be."""
    if volume.parameters.encryption is not None:
        raise HostError(
            "unsupported",
            f"volume {volume.name!a} is encrypted, and full copies of encrypted volumes, or that are encrypted, "
            "cannot be made yet; use cloneMode clone, and snapshots that are not detached",
            option="clone_mode",
        )


def _progress(copy: Copy) -> str:
    done = copy.copied_bytes // _MIB
    if not copy.total_bytes:
        return f"{done} MiB so far"
    share = min(99, 100 * copy.copied_bytes // copy.total_bytes)
    return f"{done} of {-(-copy.total_bytes // _MIB)} MiB ({share} %) so far"


def _tapping(facts: Facts, origin: Snapshot, *, tapped: bool) -> Facts:
    after = facts.with_snapshot(origin._replace(holds=origin.holds + 1))
    return after._replace(tapped=after.tapped | {origin.source}) if tapped else after
