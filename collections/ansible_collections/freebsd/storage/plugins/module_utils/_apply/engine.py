# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Brings a batch of resources about: one lock, one read, one plan, one change, one check.

A batch is done in rounds, nearly always in one. An item that needs something gone which an earlier
item takes away waits for the next round, which begins with a read of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple, Optional

from .. import _settings
from .._ctl.plan import untold_exports
from .._ctl.plan_exports import ExportsWanted
from .._ctl.seam import CtlHost
from .._kinds.registry import NamedWish
from .._read import read_facts
from .._state import Chooser, DestroySnapshot, DestroyVolume, Facts, LookFirst, NextRound, Step, TrashVolume
from .._zfs.model import Drift
from .._zfs.plan import VolumeWanted
from .._zfs.plan_snapshots import SnapshotWanted
from .._zfs.trash import kept
from ..command import Commands
from ..errors import HostError
from . import outcome, sweeping, upkeep
from .copying import Copying
from .outcome import Outcome
from .planning import NEED_KERNEL, plan_of
from .round import Planned, Round, is_exported
from .spec import Item


class Request(NamedTuple):
    """What a batch has in common. Times are seconds."""

    owner: str
    parent: str
    settings_dir: str
    lock_timeout: float
    check_mode: bool = False


class Reply(NamedTuple):
    """What came of a batch, item by item, and what was noticed on the host."""

    outcomes: tuple[Outcome, ...]
    reloads: int
    drift: tuple[Drift, ...]


class SystemChooser:
    """Chooses from the system's source of randomness."""

    def uuid(self) -> str:
        return os.urandom(16).hex()

    def token(self) -> str:
        return os.urandom(16).hex()


class Engine:
    """Works on one host for one owner."""

    def __init__(self, request: Request, commands: Commands, ctl: CtlHost, choose: Optional[Chooser] = None) -> None:
        self._request = request
        self._commands = commands
        self._ctl = ctl
        self._choose: Chooser = choose or SystemChooser()
        self._outcomes: dict[int, Outcome] = {}
        self._drift: list[Drift] = []
        self._reloads = 0
        self._look = False
        self._facts: Optional[Facts] = None
        self._stirred = False
        self._untold: Optional[HostError] = None
        self.begun = False

    def run(self, items: Sequence[Item]) -> Reply:
        """Return what became of each item; raise `HostError` only if nothing was begun."""
        for item in items:
            if isinstance(item.wish, HostError):
                self._outcomes[item.number] = Outcome(item, error=item.wish)
        waiting: Sequence[Item] = [item for item in items if item.number not in self._outcomes]
        with ExitStack() as stack:
            if waiting and not self._request.check_mode:
                self._lock(stack)
            while waiting:
                waiting = self._round(waiting)
            if self._facts is not None:
                self._drift += sweeping.sweep(self._facts, self._commands, stirred=self._stirred)
        drift = tuple(dict.fromkeys(self._drift))
        return Reply(tuple(self._outcomes[item.number] for item in items), self._reloads, drift)

    def _lock(self, stack: ExitStack) -> None:
        lock = _settings.locked(self._request.settings_dir, self._request.lock_timeout)
        descriptor = stack.enter_context(lock)
        self._commands.hold(descriptor)
        if self._commands.remaining() <= 0:
            raise HostError("busy", "the time limit passed before anything was begun")

    def _round(self, items: Sequence[Item]) -> Sequence[Item]:
        """Do what can be done in one round; return the items that have to wait for the next."""
        try:
            facts = self._read(items)
        except HostError as error:
            self._outcomes.update({item.number: Outcome(item, error=error) for item in items})
            self._facts = None
            return []
        self._drift += facts.drift
        self._untold = untold_exports(facts)
        if self._request.check_mode:
            self._drift += kept(facts.trash, sweeping.ours(facts, facts.trash))
            return self._predicted(upkeep.predicted(facts)._replace(assuming=True), items)
        self.begun = True
        self._stirred |= facts.trash.used and bool(upkeep.leftovers(facts))
        facts = self._tended(facts, items)
        facts, undone = upkeep.complete(facts, self._commands)
        self._drift += undone
        return self._execute(facts, items)

    def _tended(self, facts: Facts, items: Sequence[Item]) -> Facts:
        """Look after the copies under way; those that failed are facts until those who asked for them know."""
        copying = Copying(facts, self._commands)
        copying.tend({item.wish.name for item in items if isinstance(item.wish, (VolumeWanted, SnapshotWanted))})
        self._drift += copying.drift
        self._stirred |= copying.moved
        facts = self._read(items) if copying.moved else facts
        for copy in copying.given_up:
            facts = facts.with_copy(copy)
        return facts._replace(fresh=frozenset(), unmended=copying.errors)

    def _execute(self, facts: Facts, items: Sequence[Item]) -> list[Item]:
        """Plan and do; return the items that have to wait."""
        volumes = facts.volumes
        planned, facts, waiting = self._plan(facts, items)
        self._facts = facts._replace(volumes={**volumes, **facts.volumes})
        self._stirred |= self._stirs([step for each in planned for step in each.plan.steps], facts)
        doing = Round(self._commands, self._ctl, facts, planned)
        doing.execute()
        self._drift += doing.drift
        self._reloads += doing.reloads
        for each in planned:
            self._outcomes[each.item.number] = outcome.of(each, doing, self._request.owner)
        return self._held(planned, doing, facts) + waiting

    def _stirs(self, steps: Sequence[Step], facts: Facts) -> bool:
        """Return whether there may be deleted volumes that nothing keeps any more."""
        taking = (DestroySnapshot, DestroyVolume) if facts.trash.used else ()
        return any(isinstance(step, (TrashVolume, *taking)) for step in steps)

    def _held(self, planned: Sequence[Planned], doing: Round, facts: Facts) -> list[Item]:
        """Return the items to be tried once more with a look at the kernel, which may hold their device."""
        held = [each.item for each in planned if each.item.number in doing.held]
        if facts.kernel is not None or facts.kernel_problem is not None or not held:
            return []
        self._look = True
        return held

    def _read(self, items: Sequence[Item]) -> Facts:
        exporting = self._look or any(isinstance(item.wish, NEED_KERNEL) for item in items)
        return read_facts(
            self._commands,
            self._ctl if exporting else None,
            owner=self._request.owner,
            parent=self._request.parent,
            settings_dir=self._request.settings_dir,
            by_name=any(isinstance(item.wish, NamedWish) for item in items),
            compare=any(isinstance(item.wish, ExportsWanted) for item in items),
        )

    def _plan(self, facts: Facts, items: Sequence[Item]) -> tuple[list[Planned], Facts, list[Item]]:
        planned: list[Planned] = []
        for position, item in enumerate(items):
            try:
                each = self._plan_one(facts, item)
            except NextRound:
                return planned, facts, list(items[position:])
            except LookFirst:
                self._look = True
                return planned, facts, list(items[position:])
            if each is not None:
                planned.append(each)
                facts = each.plan.facts
        return planned, facts, []

    def _predicted(self, facts: Facts, items: Sequence[Item]) -> Sequence[Item]:
        """Predict all of it; return the items that have to wait for a look at the kernel, all or none."""
        try:
            self._predict(facts, items)
        except LookFirst:
            self._look = True
            return items
        return []

    def _predict(self, facts: Facts, items: Sequence[Item]) -> None:
        """Plan as if every round ended well, and run nothing."""
        for item in items:
            try:
                each = self._plan_one(facts, item)
            except NextRound:
                facts = facts.settled()
                each = self._plan_one(facts, item)
            if each is not None:
                facts = each.plan.facts
                self._outcomes[item.number] = outcome.predicted(each, self._request.owner)

    def _plan_one(self, facts: Facts, item: Item) -> Optional[Planned]:
        """Return the plan of one item, or None and the item's outcome where there can be none."""
        try:
            plan = plan_of(facts, item, self._choose)
            if self._untold is not None and any(is_exported(step) for step in plan.steps):
                raise self._untold
        except HostError as error:
            self._outcomes[item.number] = Outcome(item, error=error)
            return None
        before = None if plan.volume is None else facts.volumes.get(plan.volume.uuid)
        snapshot = None if plan.snapshot is None else facts.snapshots.get(plan.snapshot.uuid)
        group = None if plan.group is None else facts.group(plan.group.uuid)
        return Planned(item, plan, before, snapshot, group)
