# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
From the steps of a round to what the target layer is asked for, and back to results per item.

Pure: it makes command lines, but runs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from .. import _names
from .._ctl import check, plan_exports
from .._ctl import plan as ctl_plan
from .._ctl.model import Kernel
from .._ctl.seam import Settled, Wanted
from .._state import Facts, GrowVolume, Publish, RestoreExports, Step, Unpublish
from .._zfs import api
from .._zfs.model import Drift, Record
from ..errors import HostError
from .jobs import Job


class Exporting:
    """The publications of one round. `errors` is shared with it; `changed` is told by `judge`."""

    def __init__(self, facts: Facts, steps: Sequence[tuple[int, Step]], errors: dict[int, HostError]) -> None:
        self._facts = facts
        self._errors = errors
        self._publish = [(number, step) for number, step in steps if isinstance(step, Publish)]
        self._unpublish = [(number, step) for number, step in steps if isinstance(step, Unpublish)]
        self._grow = [(number, step) for number, step in steps if isinstance(step, GrowVolume) and step.exported]
        self._restore = [(number, step) for number, step in steps if isinstance(step, RestoreExports)]
        self.changed: set[int] = set()

    @property
    def kernel(self) -> Kernel:
        """The look at the kernel on which the plan was made."""
        if self._facts.kernel is None:
            raise RuntimeError("publications were planned without a look at the kernel")
        return self._facts.kernel

    def wanted(self) -> Wanted:
        """Return what the target layer has to bring about: all that is recorded, without what failed."""
        good = [step for number, step in self._publish if number not in self._errors]
        ended = [step for _number, step in self._unpublish]
        exports = ctl_plan.exports_of(self._recorded())
        all_of_them = (export.target for export in exports if self._restore)
        return Wanted(
            owner=self._facts.owner,
            exports=exports,
            additions=frozenset(self._target(step.record) for step in good if step.new),
            confirm=frozenset([*(self._target(step.record) for step in good), *all_of_them]),
            gone=frozenset(
                [stale for step in good for stale in step.stale]
                + [target for step in ended for target in self._targets(step)]
                + [target for _number, step in self._restore for target in step.gone]
            ),
            gone_luns=frozenset(self._lun(step.uuid) for step in ended if step.last)
            - {export.lun for export in exports},
            sizes=self._sizes(),
            confirm_named=bool(self._restore),
            chap={self._target(step.record): step.chap for step in good if step.chap is not None},
            complete=not any((self._facts.unreadable, *(each.unreadable for each in self._facts.volumes.values()))),
        )

    def _sizes(self) -> dict[str, int]:
        good = [step.volume for number, step in self._grow if number not in self._errors]
        return {self._lun(volume.uuid): volume.size_bytes for volume in good}

    def failed(self, error: HostError) -> tuple[list[Job], list[Job]]:
        """
        Fail every publication; return the commands that withdraw the new records, and those that mark the ended.

        What was to end may have ended: it must not come back with the next change.
        """
        withdrawals: list[Job] = []
        marks: list[Job] = []
        for number, step in self._publish:
            if number not in self._errors:
                self._errors[number] = error
                withdrawals += [_drop(number, step.volume.dataset, step.record)] if step.new else []
        for number, ended in self._unpublish:
            self._errors[number] = error
            if ended.dataset is not None:
                marks += [_leave(number, ended.dataset, record) for record in ended.records]
        for number, _step in (*self._grow, *self._restore):
            self._errors.setdefault(number, error)
        return withdrawals, marks

    def judge(self, settled: Settled) -> tuple[list[Job], list[Job]]:
        """Note each item's error; return the commands that withdraw records, and those that end them."""
        withdrawals: list[Job] = []
        for number, step in self._publish:
            if number not in self._errors:
                withdrawals += self._judge_publish(number, step, settled)
        self._judge_grow(settled)
        self._judge_restore(settled)
        ends: list[Job] = []
        for number, ended in self._unpublish:
            ends += self._judge_unpublish(number, ended, settled)
        return withdrawals, ends

    def _judge_grow(self, settled: Settled) -> None:
        were_small = check.small(self._sizes(), self.kernel)
        for number, step in self._grow:
            lun = self._lun(step.volume.uuid)
            if lun in settled.small and number not in self._errors:
                what = f"volume {step.volume.uuid} has {step.volume.size_bytes} bytes, which its nodes cannot see yet"
                self._errors[number] = HostError("degraded", f"{what}: {settled.small[lun]}; try again")
            elif lun in were_small:
                self.changed.add(number)

    def _judge_restore(self, settled: Settled) -> None:
        for number, step in self._restore:
            lingering = {target: why for target, why in settled.lingering.items() if target in step.gone}
            refused = plan_exports.problem(self._facts, dict(settled.left_out), refused=True)
            missing = plan_exports.problem(self._facts, {**settled.unconfirmed, **lingering}, refused=False)
            error = refused or missing
            if error is not None:
                self._errors[number] = error
            if step.due or settled.mended:
                self.changed.add(number)

    def drift(self, settled: Settled) -> list[Drift]:
        """Return what was noticed beside the items."""
        refused = [
            Drift("refused_record", _names.masked_target(target), f"not exported: {why}")
            for target, why in settled.left_out.items()
        ]
        vanished = [
            Drift(
                "vanished_target", _names.masked_target(target), "it is in ctl.conf no more, or ctld could not keep it"
            )
            for target in settled.vanished
        ]
        return refused + vanished

    def _recorded(self) -> Facts:
        facts = self._facts
        for number, step in self._publish:
            if number in self._errors:
                volume = facts.volumes[step.volume.uuid]
                facts = facts.with_volume(volume.without_records((step.record,)))
        return facts

    def _judge_publish(self, number: int, step: Publish, settled: Settled) -> list[Job]:
        target = self._target(step.record)
        error = _publish_error(step, target, settled)
        if error is None:
            self.changed.update([number] if step.new or target in settled.mended else [])
            return []
        self._errors[number] = error
        taken_back = target in settled.refused or target in settled.failed
        return [_drop(number, step.volume.dataset, step.record)] if taken_back else []

    def _judge_unpublish(self, number: int, step: Unpublish, settled: Settled) -> list[Job]:
        self.changed.add(number)
        lun = self._lun(step.uuid)
        what = [*self._targets(step), *([lun] if step.last else [])]
        lingering = {name: settled.lingering[name] for name in what if name in settled.lingering}
        if lingering:
            why = "; ".join(sorted(set(lingering.values())))
            msg = f"the export of volume {step.uuid} has not ended yet: {why}; try again"
            self._errors[number] = HostError("degraded", msg)
        if step.dataset is None:
            return []
        return [self._end(number, step.dataset, record, lingering, whole=lun in lingering) for record in step.records]

    def _end(self, number: int, dataset: str, record: Record, lingering: Mapping[str, str], *, whole: bool) -> Job:
        """Return the command that drops a record, or marks it: it is never to be exported again."""
        if whole or self._target(record) in lingering:
            return _leave(number, dataset, record)
        return _drop(number, dataset, record)

    def _target(self, record: Record) -> str:
        return _names.target_of(self._facts.owner, record.token)

    def _targets(self, step: Unpublish) -> list[str]:
        return [*(self._target(record) for record in step.records), *step.strays]

    def _lun(self, uuid: str) -> str:
        return _names.lun_of(self._facts.owner, uuid)


def _drop(number: int, dataset: str, record: Record) -> Job:
    return Job((number,), api.inherit(dataset, record.property_name))


def _leave(number: int, dataset: str, record: Record) -> Job:
    marked = record._replace(leaving=True).to_json()
    return Job((number,), api.set_properties(dataset, {record.property_name: marked}))


def _publish_error(step: Publish, target: str, settled: Settled) -> Optional[HostError]:
    what = f"volume {step.volume.uuid} is not exported to {step.record.node}"
    refused = settled.refused.get(target) or settled.left_out.get(target)
    if refused is not None:
        remedy = "correct what ctld minds" if step.new else "unpublish the volume, and publish it anew"
        return HostError("unsupported", f"{what}: ctld would refuse it: {refused}; {remedy}")
    failed = settled.failed.get(target) or settled.unconfirmed.get(target)
    if failed is not None:
        return HostError("degraded", f"{what}: {failed}; /var/log/messages has what ctld says")
    lingering = [settled.lingering[stale] for stale in step.stale if stale in settled.lingering]
    if lingering:
        return HostError("degraded", f"{what}: an export nobody asked for has not ended: {lingering[0]}")
    return None
