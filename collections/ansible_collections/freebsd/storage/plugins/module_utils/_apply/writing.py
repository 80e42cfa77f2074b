# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Makes what is new in ZFS: volumes and their sizes, snapshots, and the records of new publications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .._changes import RunZfs
from .._state import (
    AdoptVolume,
    CloneVolume,
    CreateVolume,
    FinishVolume,
    GrowVolume,
    Meet,
    ModifyVolume,
    Publish,
    Refuse,
    Step,
    TakeGroup,
    TakeSnapshot,
)
from .._zfs import api, keys
from .._zfs.model import Volume
from .._zfs.placement import PASSED_ON
from ..errors import HostError
from .jobs import Job, Jobs
from .modifying import Modifying


class Writing:
    """
    The first phase of a round.

    A clone takes up to four commands in turn: the snapshot of its source volume, the clone itself, its
    size, and the end of the snapshot, which vanishes with the clone. Wherever this stops, the next read
    shows what is left to be done.
    """

    def __init__(self, jobs: Jobs, steps: Sequence[tuple[int, Step]], *, parent: str, owner_value: str) -> None:
        self._jobs = jobs
        self._parent = parent
        self._steps = steps
        self._owner_value = owner_value

    def execute(self) -> None:
        """Run every command of the phase."""
        made = [Job((n,), argv, _read_by(step)) for n, step in self._steps if (argv := self._command(step))]
        made += [Job((n,), api.finish(step.volume)) for n, step in self._steps if isinstance(step, FinishVolume)]
        owner = self._owner_value
        made += [Job((n,), api.adopt(step.volume, owner)) for n, step in self._steps if isinstance(step, AdoptVolume)]
        made += [Job((n,), step.argv) for n, step in self._steps if isinstance(step, RunZfs) and not step.ends]
        good = self._jobs.run([*made, *self._records(), *self._meetings()])
        self._jobs.changed.update(number for job in made for number in job.items if number in good)
        Modifying(self._jobs, self._steps).execute()
        self._refuse()
        self._out_of_range()
        self._clone()

    def _meetings(self) -> list[Job]:
        """Should one be lost, a volume is refused later that could be made; nobody fails for that now."""
        notes = [step.peers for _number, step in self._steps if isinstance(step, Meet)]
        # Each holds what those before it hold.
        return [Job((), api.set_properties(self._parent, {note.name: note.value})) for note in notes[-1:]]

    def _refuse(self) -> None:
        """Keep the refusals after which another host is asked; one that is not kept is none."""
        refused = {number: refusal for number, step in self._steps if (refusal := self._refusal(number, step))}
        if not refused:
            return
        notes = {step.refusal.name: step.refusal.value for step in refused.values()}
        good = self._jobs.run([Job(tuple(refused), api.set_properties(self._parent, notes))])
        for number, step in refused.items():
            kept = number in good
            problem = self._jobs.errors.get(number, step.error)
            lost = HostError("uncertain", f"{step.error.msg}; that could not be kept: {problem.msg}")
            self._jobs.errors[number] = step.error if kept else lost

    def _refusal(self, number: int, step: Step) -> Optional[Refuse]:
        if isinstance(step, Refuse):
            return step
        error = self._jobs.errors.get(number)
        if not isinstance(step, CreateVolume) or step.refusal is None or error is None:
            return None
        return Refuse(step.refusal, error) if error.code in PASSED_ON else None

    def _clone(self) -> None:
        clones = [(number, step) for number, step in self._steps if isinstance(step, CloneVolume)]
        taken = [(number, step) for number, step in clones if number not in self._jobs.errors]
        good = self._jobs.run(
            [Job((n,), api.clone(step.volume, step.snapshot.dataset, self._owner_value)) for n, step in taken]
        )
        finishing = [(number, step.volume) for number, step in taken if step.finish and number in good]
        self._jobs.run([Job((number,), api.finish(volume)) for number, volume in finishing])
        self._jobs.changed.update(number for number in good if number not in self._jobs.errors)
        self._withdraw([(number, volume) for number, volume in finishing if number in self._jobs.errors])
        hidden = [Job((), api.destroy_later(step.snapshot.dataset)) for _number, step in taken if step.tapped]
        self._jobs.clean(hidden, "leftover_snapshot")

    def _withdraw(self, unfinished: Sequence[tuple[int, Volume]]) -> None:
        """Take back what cannot be finished: its caller may never ask again."""
        certain = [volume for number, volume in unfinished if self._jobs.errors[number].code != "uncertain"]
        self._jobs.clean([Job((), api.destroy(volume.dataset)) for volume in certain], "unfinished_volume")

    def _command(self, step: Step) -> list[str]:
        if isinstance(step, CreateVolume):
            return api.create(step.volume, self._owner_value)
        if isinstance(step, CloneVolume) and step.tapped:
            return api.hidden_snapshot(step.snapshot.dataset, step.volume.uuid, self._owner_value)
        if isinstance(step, GrowVolume) and step.grows:
            return api.grow(step.volume)
        if isinstance(step, TakeSnapshot):
            return api.snapshot(step.snapshot, self._owner_value)
        if isinstance(step, TakeGroup):
            return api.group_snapshot(step.group, self._owner_value)
        return []

    def _records(self) -> list[Job]:
        """One command per volume, however many publications begin."""
        records: dict[str, tuple[list[int], dict[str, str]]] = {}
        for number, step in self._steps:
            if isinstance(step, Publish) and step.new:
                items, values = records.setdefault(step.volume.dataset, ([], {}))
                items.append(number)
                values[step.record.property_name] = step.record.to_json()
        return [Job(tuple(items), api.set_properties(dataset, values)) for dataset, (items, values) in records.items()]

    def _out_of_range(self) -> None:
        """A volume that finds no room to grow, or for a reservation, exists all the same: the wish was wrong."""
        for number, step in self._steps:
            error = self._jobs.errors.get(number)
            if isinstance(step, (GrowVolume, ModifyVolume)) and error is not None and error.code == "out_of_space":
                option = "required_bytes" if isinstance(step, GrowVolume) else "thin"
                self._jobs.errors[number] = HostError("out_of_range", error.msg, option=option)


def _read_by(step: Step) -> Optional[bytes]:
    """Return what the command of a step reads on its standard input."""
    if not isinstance(step, CreateVolume) or step.secret is None or step.volume.parameters.encryption is None:
        return None
    return keys.material(step.secret, step.volume.parameters.encryption.keyformat)
