# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Runs the commands of a round side by side, and keeps each error with the items it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from .._zfs import parse
from .._zfs.model import Drift
from ..command import Commands
from ..errors import HostError


class Job(NamedTuple):
    """A command, the items that fail with it, and what it reads on its standard input."""

    items: tuple[int, ...]
    argv: Sequence[str]
    stdin: Optional[bytes] = None


class Jobs:
    """The commands of one round: `errors` by item, the items that `changed` something, and the `drift`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.errors: dict[int, HostError] = {}
        self.changed: set[int] = set()
        self.drift: list[Drift] = []

    def run(self, jobs: Sequence[Job]) -> set[int]:
        """Run the commands; note the errors and return the items of those that had none."""
        return self._noted(self._ends(jobs))

    def remove(self, jobs: Sequence[Job]) -> list[Job]:
        """Run commands that take something away; note the errors and return those that had none."""
        ends = self._ends(jobs)
        self._noted(ends)
        return [job for job, error in ends if error is None]

    def _ends(self, jobs: Sequence[Job]) -> list[tuple[Job, Optional[HostError]]]:
        """Run the commands; return each with its error, if it had one."""
        ends = self._commands.run_all([job.argv for job in jobs], [job.stdin for job in jobs])
        return [(job, _seen_before(parse.failure(done))) for job, done in zip(jobs, ends)]

    def _noted(self, ends: Sequence[tuple[Job, Optional[HostError]]]) -> set[int]:
        good: set[int] = set()
        for job, error in ends:
            if error is None:
                good.update(job.items)
            else:
                self.errors.update(dict.fromkeys(job.items, error))
        return good

    def clean(self, jobs: Sequence[Job], kind: str) -> None:
        """Run commands whose failure only leaves something to be found by the next round."""
        for job, error in self._ends(jobs):
            if error is not None:
                self.drift.append(Drift(kind, str(job.argv[-1]), error.msg))

    def read(self, argv: Sequence[str]) -> str:
        """Return what a command says; whether it failed shows in what is missing."""
        return self._commands.run(argv).out


def _seen_before(error: Optional[HostError]) -> Optional[HostError]:
    """
    Return the error of a command on what the round has read.

    A pool that goes away takes its datasets out of sight, and zfs calls them absent. Only the next read, which
    looks at the parent first, can tell.
    """
    if error is None or error.code != "not_found":
        return error
    return HostError("uncertain", f"{error.msg}, but it did when it was read: try again")
