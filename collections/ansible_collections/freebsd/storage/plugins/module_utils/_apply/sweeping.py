# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Empties the trash, as far as it can be."""

from __future__ import annotations

from .. import _names
from .._state import Facts, owner_value
from .._zfs import api, parse
from .._zfs import trash as plans
from .._zfs.model import Drift, Trash
from ..command import Commands


def sweep(facts: Facts, commands: Commands, *, stirred: bool) -> list[Drift]:
    """
    Destroy what nothing keeps any more, and return what is kept by others, or could not be destroyed.

    One thing's end can be another's: a clone may be the last of a snapshot, and that one the last of a
    volume that was deleted. `stirred`: something was taken away since the facts were read.
    """
    drift: list[Drift] = []
    trash = _look(facts, commands) if stirred else facts.trash
    freed = True
    while freed and commands.remaining() > 0:
        freed, undone = _do(plans.chores(trash, _names.trash_of(facts.parent)), commands)
        drift += undone
        trash = _look(facts, commands) if freed else trash
    return [*drift, *plans.kept(trash, ours(facts, trash))]


def ours(facts: Facts, trash: Trash) -> frozenset[str]:
    """Return the datasets that are volumes of the owner, deleted or not."""
    return frozenset(volume.dataset for volume in (*facts.volumes.values(), *trash.volumes))


def _look(facts: Facts, commands: Commands) -> Trash:
    every = (*facts.volumes.values(), *facts.trash.volumes)
    marked = any(volume.shares_key for volume in every)
    done = commands.run(api.read(facts.parent if marked else _names.trash_of(facts.parent)))
    return parse.trash(done.out, facts.parent, owner_value(facts)) if parse.failure(done) is None else Trash()


def _do(chores: list[plans.Chore], commands: Commands) -> tuple[bool, list[Drift]]:
    """Run the commands; return whether something is gone now, and those that failed."""
    freed, drift = False, []
    for chore, done in zip(chores, commands.run_all([chore.argv for chore in chores])):
        error = parse.failure(done)
        if error is None:
            freed = freed or chore.frees
        elif error.code != "not_found":
            drift.append(Drift("unswept", chore.argv[-1], error.msg))
    return freed, drift
