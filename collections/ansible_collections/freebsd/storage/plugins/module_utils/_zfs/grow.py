# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to make a volume larger. Pure."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._secrets import Secret
from .._state import Facts, GrowVolume, NextRound, Plan, known_kernel
from ..errors import HostError
from . import keys, sizes
from .seen import check_readable


class VolumeGrown(NamedTuple):
    """A volume that is to have at least `required_bytes`; `limit_bytes` 0: more will do."""

    uuid: str
    required_bytes: int
    limit_bytes: int
    secret: Optional[Secret] = None


def plan_grow(facts: Facts, want: VolumeGrown) -> Plan:
    """
    Make the volume large enough; it never gets smaller.

    Where it is exported, the kernel has to show its size too, even if it has been large enough for
    long: an earlier run may have ended before the reload.
    """
    check_readable(facts, want.uuid)
    volume = facts.volumes.get(want.uuid)
    if volume is None:
        raise HostError("not_found", f"there is no volume {want.uuid} below {facts.parent}", option="uuid")
    if volume.uuid in facts.unsettled | facts.grown | facts.modified | facts.tapped:
        raise NextRound
    size = sizes.grown_size(volume.size_bytes, want.required_bytes, want.limit_bytes, volume.volblocksize)
    exported = any(not record.leaving for record in volume.records)
    if exported:
        known_kernel(facts)
    grows = size > volume.size_bytes
    if not grows and not exported:
        return Plan(facts, (), volume, depends=volume.maker)
    grown = volume._replace(size_bytes=size)
    after = facts.with_volume(grown)._replace(grown=facts.grown | {volume.uuid})
    unlock = keys.to_resize(volume, want.secret) if grows else ()
    step = GrowVolume(grown, grows=grows, exported=exported)
    return Plan(after, (*unlock, step), grown, depends=volume.maker)
