# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Makes what is new in ZFS: volumes and their sizes, snapshots, and the records of new publications."""

from __future__ import annotations

from collections.abc import Sequence

from .._state import CreateVolume, GrowVolume, Publish, Step, TakeSnapshot
from .._zfs import api
from ..errors import HostError
from .jobs import Job, Jobs


class Writing:
    """The first phase of a round."""

    def __init__(self, jobs: Jobs, steps: Sequence[tuple[int, Step]], owner_value: str) -> None:
        self._jobs = jobs
        self._steps = steps
        self._owner_value = owner_value

    def execute(self) -> None:
        """Run every command of the phase."""
        made = [Job((number,), argv) for number, step in self._steps if (argv := self._command(step))]
        good = self._jobs.run([*made, *self._records()])
        self._jobs.changed.update(number for job in made for number in job.items if number in good)
        self._out_of_range()

    def _command(self, step: Step) -> list[str]:
        if isinstance(step, CreateVolume):
            return api.create(step.volume, self._owner_value)
        if isinstance(step, GrowVolume) and step.grows:
            return api.grow(step.volume)
        if isinstance(step, TakeSnapshot):
            return api.snapshot(step.snapshot, self._owner_value)
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
        """A volume that finds no room to grow exists all the same: it is the size that was wrong."""
        for number, step in self._steps:
            error = self._jobs.errors.get(number)
            if isinstance(step, GrowVolume) and error is not None and error.code == "out_of_space":
                self._jobs.errors[number] = HostError("out_of_range", error.msg, option="required_bytes")
