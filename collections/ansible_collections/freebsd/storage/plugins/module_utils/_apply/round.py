# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Carries out the steps of one round, in the order that survives a crash at any point.

Records are written before anything is exported and dropped after nothing is; what is destroyed is
destroyed last. Errors stay with the items they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from .._ctl.seam import CtlHost
from .._state import CreateVolume, DestroyVolume, Facts, GrowVolume, Plan, Publish, Step, Unpublish, owner_value
from .._zfs import api, parse
from .._zfs.model import Drift, Volume
from ..command import Commands
from ..errors import HostError
from .exporting import Exporting, Job
from .spec import Item


class Planned(NamedTuple):
    """An item with its plan, and what was there before."""

    item: Item
    plan: Plan
    before: Optional[Volume]


def _is_exported(step: Step) -> bool:
    return isinstance(step, (Publish, Unpublish)) or (isinstance(step, GrowVolume) and step.exported)


class Round:
    """One pass over a host: what was planned, and what became of it."""

    def __init__(self, commands: Commands, ctl: CtlHost, facts: Facts, planned: Sequence[Planned]) -> None:
        self._commands = commands
        self._ctl = ctl
        self._facts = facts
        self._planned = planned
        self.owner = facts.owner
        self.errors: dict[int, HostError] = {}
        self.changed: set[int] = set()
        self.made: dict[str, Volume] = {}
        self.held: set[int] = set()
        self.drift: list[Drift] = []
        self.reloads = 0

    def execute(self) -> None:
        """
        Take every step; afterwards `errors`, `changed`, `made` and `drift` tell what came of it.

        `held` has the items whose dataset is in use by somebody unknown.
        """
        self._write()
        if any(_is_exported(step) for _number, step in self._steps()):
            self._export()
        self._destroy()
        self._read_back()
        self._pass_on()

    def _steps(self) -> list[tuple[int, Step]]:
        return [(each.item.number, step) for each in self._planned for step in each.plan.steps]

    def _write(self) -> None:
        """Make what is new in ZFS: volumes, their sizes, and the records of new publications."""
        creates: list[Job] = []
        grows: list[Job] = []
        records: dict[str, tuple[list[int], dict[str, str]]] = {}
        for number, step in self._steps():
            if isinstance(step, CreateVolume):
                creates.append(Job((number,), api.create(step.volume, owner_value(self._facts))))
            elif isinstance(step, GrowVolume) and step.grows:
                grows.append(Job((number,), api.grow(step.volume)))
            elif isinstance(step, Publish) and step.new:
                items, values = records.setdefault(step.volume.dataset, ([], {}))
                items.append(number)
                values[step.record.property_name] = step.record.to_json()
        writes = [
            Job(tuple(items), api.set_properties(dataset, values)) for dataset, (items, values) in records.items()
        ]
        good = self._run([*creates, *grows, *writes])
        self.changed.update(number for job in [*creates, *grows] for number in job.items if number in good)
        self._out_of_range(grows)

    def _out_of_range(self, grows: Sequence[Job]) -> None:
        """A volume that finds no room to grow exists all the same: it is the size that was wrong."""
        for number in (number for job in grows for number in job.items):
            error = self.errors.get(number)
            if error is not None and error.code == "out_of_space":
                self.errors[number] = HostError("out_of_range", error.msg, option="required_bytes")

    def _export(self) -> None:
        """Bring ctl.conf and the kernel into line with the records, then drop those that have ended."""
        exporting = Exporting(self._facts, self._steps(), self.errors)
        try:
            settled = self._ctl.converge(exporting.wanted(), exporting.kernel)
        except HostError as error:
            # Withdraw what is new, unless nobody knows what has happened.
            withdrawals = exporting.failed(error)
            self._clean(withdrawals if error.code != "uncertain" else [])
            return
        self.reloads += settled.reloads
        withdrawals, drops = exporting.judge(settled)
        self.changed |= exporting.changed
        self.drift += exporting.drift(settled)
        self._clean(withdrawals)
        self._run(drops)

    def _destroy(self) -> None:
        jobs = [
            Job((number,), api.destroy(step.volume.dataset))
            for number, step in self._steps()
            if isinstance(step, DestroyVolume) and number not in self.errors
        ]
        self.changed |= self._run(jobs)
        for job in jobs:
            error = self.errors.get(job.items[0])
            if error is not None and error.code == "not_found":
                del self.errors[job.items[0]]
            elif error is not None and parse.is_busy(error):
                self.held.update(job.items)

    def _read_back(self) -> None:
        """Read what is new or has grown; a name that was taken in the meantime is judged like any other."""
        datasets = [
            step.volume.dataset
            for number, step in self._steps()
            if isinstance(step, (CreateVolume, GrowVolume)) and self._may_exist(number)
        ]
        if datasets:
            done = self._commands.run(api.show(sorted(datasets)))
            self.made = parse.volumes(done.out, owner_value(self._facts))

    def _may_exist(self, number: int) -> bool:
        error = self.errors.get(number)
        return error is None or error.code == "foreign_name"

    def _pass_on(self) -> None:
        """Let an item that relies on an earlier one share its error."""
        for each in self._planned:
            maker = each.plan.depends
            if maker is not None and maker in self.errors:
                self.errors.setdefault(each.item.number, self.errors[maker])

    def _run(self, jobs: Sequence[Job]) -> set[int]:
        """Run the commands side by side; note the errors and return the items that had none."""
        good: set[int] = set()
        for job, done in zip(jobs, self._commands.run_all([job.argv for job in jobs])):
            error = parse.failure(done)
            if error is None:
                good.update(job.items)
            else:
                self.errors.update(dict.fromkeys(job.items, error))
        return good

    def _clean(self, jobs: Sequence[Job]) -> None:
        """Run commands whose failure only leaves something to be found by the next round."""
        for job, done in zip(jobs, self._commands.run_all([job.argv for job in jobs])):
            error = parse.failure(done)
            if error is not None:
                self.drift.append(Drift("stale_record", str(job.argv[-1]), error.msg))
