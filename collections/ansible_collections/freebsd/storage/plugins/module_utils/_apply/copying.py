# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Makes full copies: begins them, keeps them going, and puts them where they are to be when they are whole.

A copy is a job of its own, `zfs send | zfs receive`, which outlives the run that started it. What it is
to become is recorded in ZFS before it begins, and how far it is is to be seen there: whoever comes next
goes on from there, whatever was lost meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Callable

from .. import _names
from .._state import CancelCopy, Facts, StartCopy, Step, owner_value
from .._zfs import api, parse
from .._zfs.model import ABSENT, PARTIAL, PLACED, WHOLE, Copy, Drift, Snapshot
from .._zfs.plan_copies import tap
from ..command import Commands, Completed
from ..errors import HostError
from . import jobfile
from .jobfile import JobFile
from .jobs import Job, Jobs

# After these a copy is not given up: the next look may find it well.
_PASSING = frozenset({"uncertain", "degraded", "busy", "in_use"})
# A dataset is busy a little longer than the command that received into it lives.
_BUSY_SECONDS = 5.0
_PAUSE = 0.02


class Copying:
    """The copies of one owner. `errors` by uuid; those `given_up` are gone; `moved`: so is what was read."""

    def __init__(self, facts: Facts, commands: Commands) -> None:
        self._facts = facts
        self._commands = commands
        self._owner_value = owner_value(facts)
        self._left = set(facts.copies)
        self.errors: dict[str, HostError] = {}
        self.given_up: list[Copy] = []
        self.drift: list[Drift] = []
        self.moved = False

    def tend(self, asked: Collection[str]) -> None:
        """
        Look after every copy under way.

        One that cannot succeed is given up when somebody asks for it, by the name of what it is to
        become, and is told of until then: its caller has to hear of it.
        """
        for copy in self._facts.copies.values():
            try:
                self._tend(copy)
            except HostError as error:  # noqa: PERF203 - commands are run anyway
                self._failed(copy, error, asked)
        if self._facts.idle:
            self._ignored(api.destroy(_names.copying_of(self._facts.parent)))
            self.moved = True

    def begin(self, steps: Sequence[tuple[int, Step]], jobs: Jobs) -> None:
        """Begin new copies; errors are those of the items."""
        starts = [(number, step) for number, step in steps if isinstance(step, StartCopy)]
        if starts and not self._facts.copying:
            every = tuple(number for number, _step in starts)
            jobs.run([Job(every, api.create_copying(_names.copying_of(self._facts.parent)))])
        for number, step in starts:
            if number in jobs.errors:
                continue
            try:
                self._begin(step)
                jobs.changed.add(number)
            except HostError as error:
                jobs.errors[number] = error
                self._withdraw(step.copy, error)

    def cancel(self, steps: Sequence[tuple[int, Step]], jobs: Jobs) -> None:
        """End copies; errors are those of the items."""
        for number, step in steps:
            if isinstance(step, CancelCopy) and number not in jobs.errors:
                try:
                    self._give_up(step.copy)
                    jobs.changed.add(number)
                except HostError as error:
                    jobs.errors[number] = error

    def _tend(self, copy: Copy) -> None:
        job = jobfile.claim(jobfile.path_of(self._facts.settings_dir, copy.uuid))
        if job is None:
            return
        try:
            if copy.state in (WHOLE, PLACED):
                self._finish(copy, job)
                return
            problem = parse.failure(Completed(("zfs", "receive"), 1, "", job.said)) if job.said else None
            stale = parse.is_stale_stream(job.said)
            if problem is not None and not stale and problem.code not in _PASSING:
                raise problem
            if problem is not None:
                msg = f"its job ended early, and was started again: {problem.msg}"
                self.drift.append(Drift("interrupted_copy", copy.place, msg))
            self._go_on(self._from_the_beginning(copy) if stale else copy, job)
        finally:
            job.close()

    def _failed(self, copy: Copy, error: HostError, asked: Collection[str]) -> None:
        if copy.state == PLACED:
            self.drift.append(Drift("leftover_copy", copy.place, error.msg))
            return
        if error.code == "in_use":
            error = HostError("busy", error.msg)
        self.errors[copy.uuid] = error
        if error.code in _PASSING or copy.volume.name not in asked:
            self.drift.append(Drift("failed_copy", copy.place, error.msg))
            return
        try:
            self._give_up(copy)
        except HostError as second:
            self.drift.append(Drift("failed_copy", copy.place, second.msg))
        self.given_up.append(copy)

    def _begin(self, step: StartCopy) -> None:
        """Once the record is written the copy goes on whatever happens; before, it never was."""
        copy, origin = step.copy, step.copy.origin
        if step.tapped and origin is not None:
            self._do(api.hidden_snapshot(origin.dataset, copy.uuid, self._owner_value))
        self._do(api.record_copy(copy, self._owner_value))
        self._left.add(copy.uuid)
        job = jobfile.seize(jobfile.path_of(self._facts.settings_dir, copy.uuid), self._commands.remaining())
        try:
            self._go_on(copy, job)
        finally:
            job.close()

    def _withdraw(self, copy: Copy, error: HostError) -> None:
        """Take back what could not be begun: its caller may never ask again."""
        if error.code not in _PASSING and copy.uuid in self._left:
            try:
                self._give_up(copy)
            except HostError as second:
                self.drift.append(Drift("failed_copy", copy.place, second.msg))

    def _go_on(self, copy: Copy, job: JobFile) -> None:
        """Start the job: from where the last one came to, if there was one."""
        origin = copy.origin
        if origin is None:
            copy = self._from_the_beginning(copy)
            origin = self._tapped_again(copy)
        self._do(api.hold(origin.dataset, _names.copy_hold(copy.uuid)), unless=parse.is_held)
        job.clear()
        if copy.token:
            pipeline = [api.resume(copy.token), api.receive_rest(copy)]
        else:
            self._remove_data(copy)
            pipeline = [api.send(origin.dataset), api.receive(copy)]
        self._commands.leave(pipeline, job.descriptor)

    def _from_the_beginning(self, copy: Copy) -> Copy:
        """Give up what there is of the copy, and say so."""
        if copy.state == PARTIAL:
            msg = "what was copied cannot be gone on with, for its snapshot is gone; the copy begins anew"
            self.drift.append(Drift("restarted_copy", copy.place, msg))
            self._remove_data(copy)
        return copy._replace(state=ABSENT, token="", copied_bytes=0)

    def _tapped_again(self, copy: Copy) -> Snapshot:
        """Take the snapshot again that is to be copied; one that somebody asked for cannot be had again."""
        source = copy.volume.parameters.source or {}
        volume = self._facts.volumes.get(source.get("volume", ""))
        if copy.snapshot is not None or volume is None:
            msg = f"the snapshot that is copied to {copy.data} is gone, and with it what was to be copied"
            raise HostError("source_not_found", msg, option="source")
        origin = tap(volume, copy.uuid)
        self._do(api.hidden_snapshot(origin.dataset, copy.uuid, self._owner_value))
        return origin

    def _finish(self, copy: Copy, job: JobFile) -> None:
        """Make a whole copy what it is to be, and only then show it."""
        if copy.state == WHOLE:
            if copy.snapshot is not None:
                self._do(api.own_snapshot(copy, copy.snapshot, self._owner_value))
                self._make_trash()
            self._do(api.own_copy(copy, self._owner_value))
            if copy.snapshot is None:
                self._gone(api.destroy(copy.received))
                self._do(api.size_copy(copy))
            self._do(api.rename(copy.data, copy.volume.dataset))
        self._forget(copy, job)

    def _make_trash(self) -> None:
        """A detached snapshot lies where those of deleted volumes do, in a volume that goes with it."""
        if not self._facts.trash.exists:
            self._do(api.create_trash(_names.trash_of(self._facts.parent)), unless=parse.is_there)

    def _give_up(self, copy: Copy) -> None:
        job = jobfile.seize(jobfile.path_of(self._facts.settings_dir, copy.uuid), self._commands.remaining())
        try:
            if copy.state != PLACED:
                self._gone(api.destroy(copy.received))
                self._remove_data(copy)
            self._forget(copy, job)
        finally:
            job.close()

    def _forget(self, copy: Copy, job: JobFile) -> None:
        """Let the source go, and take the record away last: as long as it is there, this is tried again."""
        self.moved = True
        if copy.origin is not None:
            self._gone(api.release(copy.origin.dataset, _names.copy_hold(copy.uuid)))
        job.remove()
        self._gone(api.destroy(copy.place))
        self._left.discard(copy.uuid)
        if not self._left:
            self._ignored(api.destroy(_names.copying_of(self._facts.parent)))

    def _remove_data(self, copy: Copy) -> None:
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            error = parse.failure(self._commands.run(api.destroy(copy.data)))
            if error is None or error.code == "not_found":
                return
            if not parse.is_busy(error) or time.monotonic() > end:
                raise error
            time.sleep(_PAUSE)

    def _do(self, argv: Sequence[str], unless: Callable[[HostError], bool] = lambda _error: False) -> None:
        """Run a command; raise its error, unless that one does not matter."""
        error = parse.failure(self._commands.run(argv))
        if error is not None and not unless(error):
            raise error

    def _gone(self, argv: Sequence[str]) -> None:
        """Run a command that takes something away, which may be gone already."""
        self._do(argv, unless=lambda error: error.code == "not_found")

    def _ignored(self, argv: Sequence[str]) -> None:
        """Run a command whose failure only leaves something to be tidied up later."""
        self._commands.run(argv)
