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

from .. import _names
from .._ctl import plan as ctl_plan
from .._ctl.seam import CtlHost, Settled, Wanted
from .._state import CreateVolume, DestroyVolume, Facts, Plan, Publish, Step, Unpublish, owner_value
from .._zfs import api, parse
from .._zfs.model import Drift, Record, Volume
from ..command import Commands
from ..errors import HostError
from .spec import Item


class Planned(NamedTuple):
    """An item with its plan, and what was there before."""

    item: Item
    plan: Plan
    before: Optional[Volume]


class Job(NamedTuple):
    """A command, and the items that fail with it."""

    items: tuple[int, ...]
    argv: Sequence[str]


class Round:
    """One pass over a host: what was planned, and what became of it."""

    def __init__(
        self, commands: Commands, ctl: CtlHost, facts: Facts, planned: Sequence[Planned]
    ) -> None:
        self._commands = commands
        self._ctl = ctl
        self._facts = facts
        self._planned = planned
        self.owner = facts.owner
        self.errors: dict[int, HostError] = {}
        self.changed: set[int] = set()
        self.made: dict[str, Volume] = {}
        self.drift: list[Drift] = []
        self.reloads = 0

    def execute(self) -> None:
        """Take every step; afterwards `errors`, `changed`, `made` and `drift` tell what came of it."""
        self._write()
        if any(isinstance(step, (Publish, Unpublish)) for _item, step in self._steps()):
            self._export()
        self._destroy()
        self._read_back()
        self._pass_on()

    def _steps(self) -> list[tuple[int, Step]]:
        return [(each.item.number, step) for each in self._planned for step in each.plan.steps]

    # what is new in ZFS

    def _write(self) -> None:
        jobs: list[Job] = []
        records: dict[str, tuple[list[int], dict[str, str]]] = {}
        for index, step in self._steps():
            if isinstance(step, CreateVolume):
                jobs.append(Job((index,), api.create(step.volume, owner_value(self._facts))))
            elif isinstance(step, Publish) and step.new:
                items, values = records.setdefault(step.volume.dataset, ([], {}))
                items.append(index)
                values[step.record.property_name] = step.record.to_json()
        jobs += [
            Job(tuple(items), api.set_properties(dataset, values))
            for dataset, (items, values) in records.items()
        ]
        self.changed |= self._run(jobs)

    def _run(self, jobs: Sequence[Job]) -> set[int]:
        """Run the commands side by side; note the errors and return the items that had none."""
        good: set[int] = set()
        for job, done in zip(jobs, self._commands.run_all([job.argv for job in jobs])):
            error = parse.failure(done)
            if error is None:
                good.update(job.items)
            else:
                self.errors.update({index: error for index in job.items})
        return good

    # what is exported

    def _export(self) -> None:
        wanted = self._wanted()
        kernel = self._facts.kernel
        if kernel is None:
            raise RuntimeError("publications were planned without a look at the kernel")
        try:
            settled = self._ctl.converge(wanted, kernel)
        except HostError as error:
            self._nothing_exported(error)
            return
        self.reloads += settled.reloads
        self._judge(settled, wanted)

    def _wanted(self) -> Wanted:
        facts = self._facts
        confirm: set[str] = set()
        additions: set[str] = set()
        gone: set[str] = set()
        for index, step in self._steps():
            if isinstance(step, Publish):
                gone.update(step.stale)
                if index in self.errors:
                    facts = facts.with_volume(_without(facts, step))
                    continue
                confirm.add(self._target(step.record))
                additions.update([self._target(step.record)] if step.new else [])
            elif isinstance(step, Unpublish):
                gone.update(self._targets(step))
        exports = ctl_plan.exports_of(facts)
        return Wanted(
            owner=facts.owner,
            exports=exports,
            additions=frozenset(additions),
            confirm=frozenset(confirm),
            gone=frozenset(gone),
            gone_luns=self._gone_luns() - {export.lun for export in exports},
        )

    def _gone_luns(self) -> frozenset[str]:
        return frozenset(
            self._lun(step.uuid)
            for _index, step in self._steps()
            if isinstance(step, Unpublish) and step.last
        )

    def _nothing_exported(self, error: HostError) -> None:
        """Fail all publications; withdraw the new records unless it is unknown what happened."""
        jobs: list[Job] = []
        for index, step in self._steps():
            if isinstance(step, (Publish, Unpublish)) and index not in self.errors:
                self.errors[index] = error
                if isinstance(step, Publish) and step.new and error.code != "uncertain":
                    jobs.append(_drop(index, step.volume.dataset, step.record))
        self._clean(jobs)

    def _judge(self, settled: Settled, wanted: Wanted) -> None:
        withdrawals: list[Job] = []
        drops: list[Job] = []
        for index, step in self._steps():
            if index in self.errors:
                continue
            if isinstance(step, Publish):
                withdrawals += self._judge_publish(index, step, settled)
            elif isinstance(step, Unpublish):
                drops += self._judge_unpublish(index, step, settled)
        self._clean(withdrawals)
        self._run(drops)
        self.drift += [
            Drift("refused_record", _names.masked_target(target), f"not exported: {why}")
            for target, why in settled.left_out.items()
        ]
        self.drift += [
            Drift("vanished_target", target, "it is in ctl.conf no more, or ctld could not keep it")
            for target in settled.vanished
        ]

    def _judge_publish(self, index: int, step: Publish, settled: Settled) -> list[Job]:
        target = self._target(step.record)
        error = _publish_error(step, target, settled)
        if error is None:
            self.changed.update([index] if step.new or target in settled.mended else [])
            return []
        self.errors[index] = error
        taken_back = target in settled.refused or target in settled.failed
        return [_drop(index, step.volume.dataset, step.record)] if taken_back else []

    def _judge_unpublish(self, index: int, step: Unpublish, settled: Settled) -> list[Job]:
        self.changed.add(index)
        lun = self._lun(step.uuid)
        what = [*self._targets(step), *([lun] if step.last else [])]
        lingering = {name: settled.lingering[name] for name in what if name in settled.lingering}
        jobs: list[Job] = []
        if lingering:
            why = "; ".join(sorted(set(lingering.values())))
            self.errors[index] = HostError(
                "degraded", f"the export of volume {step.uuid} has not ended yet: {why}; try again"
            )
        for record in step.records:
            if step.dataset is not None and (lun in lingering or self._target(record) in lingering):
                value = record._replace(leaving=True).to_json()
                jobs.append(Job((), api.set_properties(step.dataset, {record.property_name: value})))
            elif step.dataset is not None:
                jobs.append(_drop(index, step.dataset, record))
        return jobs

    def _clean(self, jobs: Sequence[Job]) -> None:
        """Run commands whose failure only leaves something to be found by the next round."""
        for job, done in zip(jobs, self._commands.run_all([job.argv for job in jobs])):
            error = parse.failure(done)
            if error is not None:
                self.drift.append(Drift("stale_record", str(job.argv[-1]), error.msg))

    # what goes

    def _destroy(self) -> None:
        jobs = [
            Job((index,), api.destroy(step.volume.dataset))
            for index, step in self._steps()
            if isinstance(step, DestroyVolume)
        ]
        self.changed |= self._run(jobs)
        for job in jobs:
            error = self.errors.get(job.items[0])
            if error is not None and error.code == "not_found":
                del self.errors[job.items[0]]

    def _read_back(self) -> None:
        """Read the new volumes; a name that was taken in the meantime is judged like any other."""
        for index, step in self._steps():
            error = self.errors.get(index)
            if isinstance(step, CreateVolume) and (error is None or error.code == "foreign_name"):
                self.made[step.volume.dataset] = step.volume
        if not self.made:
            return
        done = self._commands.run(api.show(sorted(self.made)))
        self.made = parse.volumes(done.out, owner_value(self._facts))

    # what belongs together

    def _pass_on(self) -> None:
        """An item that relies on an earlier one shares its error."""
        for each in self._planned:
            maker = each.plan.depends
            if maker is not None and maker in self.errors:
                self.errors.setdefault(each.item.number, self.errors[maker])

    def _target(self, record: Record) -> str:
        return _names.target_of(self._facts.owner, record.token)

    def _targets(self, step: Unpublish) -> tuple[str, ...]:
        return (*(self._target(record) for record in step.records), *step.strays)

    def _lun(self, uuid: str) -> str:
        return _names.lun_of(self._facts.owner, uuid)


def _without(facts: Facts, step: Publish) -> Volume:
    return facts.volumes[step.volume.uuid].without_records((step.record,))


def _drop(index: int, dataset: str, record: Record) -> Job:
    return Job((index,), api.inherit(dataset, record.property_name))


def _publish_error(step: Publish, target: str, settled: Settled) -> Optional[HostError]:
    what = f"volume {step.volume.uuid} is not exported to {step.record.node}"
    refused = settled.refused.get(target) or settled.left_out.get(target)
    if refused is not None:
        return HostError("unsupported", f"{what}: ctld refuses it: {refused}")
    failed = settled.failed.get(target) or settled.unconfirmed.get(target)
    if failed is not None:
        return HostError("degraded", f"{what}: {failed}; /var/log/messages has what ctld says")
    lingering = [settled.lingering[stale] for stale in step.stale if stale in settled.lingering]
    if lingering:
        return HostError("degraded", f"{what}: an export nobody asked for has not ended: {lingering[0]}")
    return None
