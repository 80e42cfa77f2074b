# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Completes what an earlier run began and did not end: clones without their size, snapshots nobody lists.

And drops what was kept long enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._state import Facts, owner_value
from .._zfs import api, parse
from .._zfs.model import DELETED, HIDDEN, Drift, Snapshot, Volume
from ..command import Commands
from ..errors import HostError
from .jobs import Job, Jobs

_LOCKED = HostError(
    "degraded", "it was not given its size yet, for which its key has to be loaded: ask for the volume once more"
)


def complete(facts: Facts, commands: Commands) -> tuple[Facts, list[Drift]]:
    """Do it; return the facts as they are then, and what could not be done."""
    jobs = Jobs(commands)
    unfinished = _unfinished(facts)
    jobs.errors = {number: _LOCKED for number, volume in enumerate(unfinished) if volume.locked}
    jobs.run(
        [Job((number,), api.finish(volume)) for number, volume in enumerate(unfinished) if number not in jobs.errors]
    )
    jobs.clean([Job((), api.destroy_later(each.dataset)) for each in leftovers(facts)], "leftover_snapshot")
    outdated = facts.known.outdated(facts.now)
    jobs.clean([Job((), api.inherit(facts.parent, name)) for name in outdated], "outdated_refusal")
    done = [volume for number, volume in enumerate(unfinished) if number not in jobs.errors]
    for volume in _seen(facts, jobs, done):
        facts = facts.with_volume(volume)
    problems = {unfinished[number].uuid: error for number, error in jobs.errors.items()}
    for uuid, error in problems.items():
        jobs.drift.append(Drift("unfinished_volume", facts.volumes[uuid].dataset, error.msg))
    return facts._replace(unmended={**facts.unmended, **problems}), jobs.drift


def predicted(facts: Facts) -> Facts:
    """Return the facts as they were if all went well."""
    for volume in _unfinished(facts):
        facts = facts.with_volume(volume.finished())
    return facts


def leftovers(facts: Facts) -> list[Snapshot]:
    """Return the snapshots that are to vanish, and were not told so."""
    every = (each for taken in facts.taken.values() for each in taken)
    return [each for each in every if each.kind in (HIDDEN, DELETED) and not each.deferred]


def _seen(facts: Facts, jobs: Jobs, volumes: Sequence[Volume]) -> list[Volume]:
    """Return the volumes as they are now."""
    if not volumes:
        return []
    text = jobs.read(api.show([volume.dataset for volume in volumes]))
    return list(parse.volumes(text, owner_value(facts)).values())


def _unfinished(facts: Facts) -> list[Volume]:
    return [volume for volume in facts.volumes.values() if volume.unfinished]
