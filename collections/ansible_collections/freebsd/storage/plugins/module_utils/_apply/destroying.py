# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Takes away what is unwanted in ZFS, when nothing is exported of it any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from .. import _names
from .._changes import RunZfs
from .._state import DestroySnapshot, DestroyVolume, Facts, Step, TrashVolume
from .._zfs import api, parse
from .._zfs.model import Snapshot
from .jobs import Job, Jobs


class Destroying:
    """The last phase of a round. `held` has the items whose dataset is in use by somebody unknown."""

    def __init__(self, jobs: Jobs, steps: Sequence[tuple[int, Step]], facts: Facts) -> None:
        self._jobs = jobs
        self._facts = facts
        self._steps = steps
        self.held: set[int] = set()

    def execute(self) -> None:
        """Snapshots first: they are named by the place of their volume."""
        self._snapshots([(n, step.snapshot) for n, step in self._steps if isinstance(step, DestroySnapshot)])
        named = [Job((n,), step.argv) for n, step in self._steps if isinstance(step, RunZfs) and step.ends]
        self._jobs.changed.update(number for job in self._jobs.remove(named) for number in job.items)
        unwanted = [
            (number, step)
            for number, step in self._steps
            if isinstance(step, (DestroyVolume, TrashVolume)) and number not in self._jobs.errors
        ]
        trash = [n for n, step in unwanted if isinstance(step, TrashVolume) and not step.volume.shares_key]
        if trash and not self._facts.trash.exists:
            self._jobs.run([Job(tuple(trash), api.create_trash(_names.trash_of(self._facts.parent)))])
        self._volumes([(number, step) for number, step in unwanted if number not in self._jobs.errors])

    def _snapshots(self, unwanted: Sequence[tuple[int, Snapshot]]) -> None:
        """One that has clones gets out of the way of its name, and then goes with the last of them."""
        held = [(number, snapshot, _deleted(snapshot)) for number, snapshot in unwanted if snapshot.held]
        free = [Job((number,), api.destroy(snapshot.dataset)) for number, snapshot in unwanted if not snapshot.held]
        renames = [Job((number,), api.rename(snapshot.dataset, name)) for number, snapshot, name in held]
        done = self._jobs.remove([*free, *renames])
        self._jobs.changed.update(number for job in done for number in job.items)
        renamed = {job.argv[-1] for job in done}
        self._jobs.remove(
            [Job((number,), api.destroy_later(name)) for number, _snapshot, name in held if name in renamed]
        )

    def _volumes(self, unwanted: Sequence[tuple[int, Union[DestroyVolume, TrashVolume]]]) -> None:
        jobs = [Job((number,), self._command(step)) for number, step in unwanted]
        self._jobs.changed.update(number for job in self._jobs.remove(jobs) for number in job.items)
        for number in (number for job in jobs for number in job.items):
            error = self._jobs.errors.get(number)
            if error is not None and parse.is_busy(error):
                self.held.add(number)

    def _command(self, step: Union[DestroyVolume, TrashVolume]) -> list[str]:
        if isinstance(step, DestroyVolume):
            return api.destroy(step.volume.dataset)
        if step.volume.shares_key:
            return api.mark_deleted(step.volume.dataset)
        return api.rename(step.volume.dataset, _names.trashed(self._facts.parent, step.volume.uuid))


def _deleted(snapshot: Snapshot) -> str:
    return f"{snapshot.volume_dataset}@{_names.deleted_leaf_of(snapshot.uuid)}"
