# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to change the properties of a volume. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .._state import Facts, ModifyVolume, NextRound, Plan
from ..errors import HostError
from .model import Volume
from .seen import check_seen
from .values import canonical


class VolumeModified(NamedTuple):
    """A volume that is to have these native properties, and to be thin or not; None: as it is."""

    uuid: str
    properties: Mapping[str, str]
    thin: Optional[bool]


def plan_modify(facts: Facts, want: VolumeModified) -> Plan:
    """Change what differs from what is set on the volume itself, and nothing else."""
    check_seen(facts, want.uuid)
    volume = facts.volumes.get(want.uuid)
    if volume is None:
        raise HostError("not_found", f"there is no volume {want.uuid} below {facts.parent}", option="uuid")
    if volume.uuid in facts.fresh | facts.unsettled | facts.grown | facts.modified | facts.tapped:
        raise NextRound
    shown = {name: canonical(name, value) for name, value in want.properties.items()}
    differing = {name: value for name, value in shown.items() if volume.settings.get(name) != value}
    thin = _new_thin(volume, want)
    if not differing and thin is None:
        return Plan(facts, (), volume, depends=volume.maker)
    after = volume._replace(settings={**volume.settings, **differing})
    if thin is not None:
        after = after._replace(thin_now=thin, reserved=not thin)
    changed = facts.with_volume(after)._replace(modified=facts.modified | {volume.uuid})
    return Plan(changed, (ModifyVolume(volume, differing, thin),), after)


def _new_thin(volume: Volume, want: VolumeModified) -> Optional[bool]:
    """Return what is wanted if either the record or the reservation is not like that."""
    return want.thin if want.thin in (not volume.thin, volume.reserved) else None
