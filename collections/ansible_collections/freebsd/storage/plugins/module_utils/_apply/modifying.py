# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Changes the properties of volumes: all that an item asks for, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _names
from .._state import ModifyVolume, Step
from .._zfs import api
from .jobs import Job, Jobs

_THIN = f"{_names.PREFIX}thin"
_RESERVATION = "refreservation"


class Modifying:
    """
    The part of a round's first phase that modifies.

    zfs set keeps what it could set when it fails at the rest. So a reservation, the one thing that may
    find no room, is made first and alone; what a later failure leaves behind is taken back.
    """

    def __init__(self, jobs: Jobs, steps: Sequence[tuple[int, Step]]) -> None:
        self._jobs = jobs
        self._steps = [(number, step) for number, step in steps if isinstance(step, ModifyVolume)]

    def execute(self) -> None:
        """Run the commands; one volume takes one, or two where room has to be set aside."""
        thick = [(number, step) for number, step in self._steps if step.thin is False and not step.before.reserved]
        self._jobs.run(
            [Job((n,), api.set_properties(step.before.dataset, {_RESERVATION: "auto"})) for n, step in thick]
        )
        due = [(number, step) for number, step in self._steps if number not in self._jobs.errors]
        self._jobs.changed |= self._jobs.run(
            [Job((number,), api.set_properties(step.before.dataset, _values(step))) for number, step in due]
        )
        for number, step in due:
            error = self._jobs.errors.get(number)
            if error is not None and error.code != "uncertain":
                self._jobs.clean([Job((), argv) for argv in _undo(step)], "half_modified_volume")


def _values(step: ModifyVolume) -> dict[str, str]:
    if step.thin is None:
        return dict(step.properties)
    reservation = {_RESERVATION: "none"} if step.thin else {}
    return {**step.properties, **reservation, _THIN: "true" if step.thin else "false"}


def _undo(step: ModifyVolume) -> list[list[str]]:
    """Return the commands that give the volume what it had before, or what it then inherited."""
    before = dict(step.before.settings)
    if step.before.thin_now is not None:
        before[_THIN] = "true" if step.before.thin_now else "false"
    touched = [*step.properties, *([] if step.thin is None else [_THIN])]
    kept = {name: before[name] for name in touched if name in before}
    if step.thin is not None:
        kept[_RESERVATION] = "auto" if step.before.reserved else "none"
    inherited = [api.inherit(step.before.dataset, name) for name in touched if name not in before]
    return [*([api.set_properties(step.before.dataset, kept)] if kept else []), *inherited]
