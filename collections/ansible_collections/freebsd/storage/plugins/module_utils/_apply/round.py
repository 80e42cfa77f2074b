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

from .._changes import Enter, Resize, RunZfs
from .._ctl.seam import CtlHost
from .._state import (
    AdoptVolume,
    CloneVolume,
    CreateVolume,
    Facts,
    GrowVolume,
    ModifyVolume,
    Plan,
    Publish,
    RestoreExports,
    StartCopy,
    Step,
    TakeGroup,
    TakeSnapshot,
    Unpublish,
    owner_value,
)
from .._zfs import api, parse
from .._zfs.dataset import Dataset, dataset_of
from .._zfs.model import Drift, Group, Snapshot, Volume
from .._zfs.properties import properties
from ..command import Commands
from ..errors import HostError
from .copying import Copying
from .destroying import Destroying
from .exporting import Exporting
from .jobs import Jobs
from .naming import Naming
from .spec import Item
from .unlocking import Unlocking
from .writing import Writing


class Planned(NamedTuple):
    """An item with its plan, and the volume, snapshot and group that were there before."""

    item: Item
    plan: Plan
    before: Optional[Volume]
    snapshot: Optional[Snapshot] = None
    group: Optional[Group] = None


def is_exported(step: Step) -> bool:
    """Return whether a step changes what is exported, and with it the configuration of ctld as a whole."""
    always = (Publish, Unpublish, RestoreExports, Enter, Resize)
    return isinstance(step, always) or (isinstance(step, GrowVolume) and step.exported)


class Round:
    """One pass over a host: what was planned, and what became of it."""

    def __init__(self, commands: Commands, ctl: CtlHost, facts: Facts, planned: Sequence[Planned]) -> None:
        self._ctl = ctl
        self._facts = facts
        self._planned = planned
        self._jobs = Jobs(commands)
        self._copying = Copying(facts, commands)
        self.owner = facts.owner
        self.made: dict[str, Volume] = {}
        self.taken: dict[str, Snapshot] = {}
        self.named: dict[str, Dataset] = {}
        self.held: set[int] = set()
        self.reloads = 0

    @property
    def errors(self) -> dict[int, HostError]:
        """The items that failed."""
        return self._jobs.errors

    @property
    def changed(self) -> set[int]:
        """The items for which something was done."""
        return self._jobs.changed

    @property
    def drift(self) -> list[Drift]:
        """What was noticed beside the items."""
        return [*self._jobs.drift, *self._copying.drift]

    def execute(self) -> None:
        """
        Take every step; afterwards `errors`, `changed`, `made`, `taken` and `drift` tell what came of it.

        `held` has the items whose dataset is in use by somebody unknown.
        """
        steps = [(each.item.number, step) for each in self._planned for step in each.plan.steps]
        unlocking = Unlocking(self._jobs, steps, self._facts)
        unlocking.execute()
        unlocked = [(number, step) for number, step in steps if number not in self.errors]
        Writing(self._jobs, unlocked, parent=self._facts.parent, owner_value=owner_value(self._facts)).execute()
        self._copying.begin(steps, self._jobs)
        if any(is_exported(step) for _number, step in steps):
            self._export(steps)
        unlocking.relock()
        destroying = Destroying(self._jobs, steps, self._facts)
        destroying.execute()
        self._copying.cancel(steps, self._jobs)
        self.held = destroying.held
        self._read_back(steps)
        self._pass_on()

    def _export(self, steps: Sequence[tuple[int, Step]]) -> None:
        """Bring ctl.conf and the kernel into line with the records, then drop those that have ended."""
        exporting = Exporting(self._facts, steps, self.errors)
        naming = Naming(self._facts, steps, self.errors)
        try:
            settled = self._ctl.converge(naming.laid_over(exporting.wanted()), exporting.kernel)
        except HostError as error:
            naming.failed(error)
            # Withdraw what is new, unless nobody knows what has happened; what was to end stays ended in any case.
            withdrawals, marks = exporting.failed(error)
            self._jobs.clean([*(withdrawals if error.code != "uncertain" else []), *marks], "stale_record")
            return
        self.reloads += settled.reloads
        withdrawals, drops = exporting.judge(settled)
        naming.judge(settled)
        self.changed.update(exporting.changed | naming.changed)
        self._jobs.drift.extend(exporting.drift(settled))
        self._jobs.clean(withdrawals, "stale_record")
        self._jobs.run(drops)

    def _read_back(self, steps: Sequence[tuple[int, Step]]) -> None:
        """Read what is new or has changed; a name that was taken in the meantime is judged like any other."""
        good = [step for number, step in steps if self._may_exist(number)]
        volumes = [
            step.volume.dataset
            for step in good
            if isinstance(step, (CreateVolume, CloneVolume, GrowVolume, AdoptVolume))
        ]
        volumes += [step.before.dataset for step in good if isinstance(step, ModifyVolume)]
        snapshots = [step.snapshot for step in good if isinstance(step, TakeSnapshot)]
        snapshots += [member for step in good if isinstance(step, TakeGroup) for member in step.group.members]
        begun = [step.copy.origin for step in good if isinstance(step, StartCopy) and step.tapped]
        snapshots += [origin for origin in begun if origin is not None]
        named = [step.name for step in good if isinstance(step, RunZfs) and not step.ends]
        names = sorted({*volumes, *(snapshot.dataset for snapshot in snapshots), *named})
        if names:
            text = self._jobs.read(api.show(names))
            sources = {each.volume_dataset: self._facts.volumes[each.source] for each in snapshots}
            shown = properties(text)
            self.named = {
                name: dataset_of(name, shown[name], owner_value(self._facts)) for name in named if name in shown
            }
            self.made = parse.volumes(text, owner_value(self._facts))
            self.taken = parse.snapshots(text, sources, owner_value(self._facts))

    def _may_exist(self, number: int) -> bool:
        error = self.errors.get(number)
        return error is None or error.code == "foreign_name"

    def _pass_on(self) -> None:
        """Let an item that relies on an earlier one share its error."""
        for each in self._planned:
            maker = each.plan.depends
            if maker is not None and maker in self.errors:
                self.errors.setdefault(each.item.number, self.errors[maker])
