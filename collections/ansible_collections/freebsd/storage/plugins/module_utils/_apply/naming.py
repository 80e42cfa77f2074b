# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What people name in ctl.conf, in one round: from its steps to what the target layer is asked for, and back.

Pure. The configuration itself remembers what was named, so nothing has to be recorded before, or
withdrawn after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from .._changes import Enter, Resize
from .._ctl.seam import Settled, Wanted
from .._ctl.sections import Named, Target
from .._state import Facts, Step, known_section
from ..errors import HostError


class Naming:
    """The entries of one round. `errors` is shared with it; `changed` is told by `judge`."""

    def __init__(self, facts: Facts, steps: Sequence[tuple[int, Step]], errors: dict[int, HostError]) -> None:
        self._facts = facts
        self._errors = errors
        self._enter = [(number, step) for number, step in steps if isinstance(step, Enter)]
        self._resize = [(number, step) for number, step in steps if isinstance(step, Resize)]
        self.changed: set[int] = set()

    def laid_over(self, wanted: Wanted) -> Wanted:
        """Return what is wanted, with what was named."""
        sizes = {step.lun: step.size_bytes for number, step in self._resize if number not in self._errors}
        wanted = wanted._replace(sizes={**wanted.sizes, **sizes})
        if not self._enter:
            return wanted
        named = known_section(self._facts).named
        keys = frozenset(step.key for _number, step in self._enter if step.entry is not None)
        ended = [step for _number, step in self._enter if step.entry is None]
        return wanted._replace(
            named=named,
            additions=wanted.additions | keys,
            confirm=wanted.confirm | keys,
            gone=wanted.gone | {step.key for step in ended if _is_target(step)},
            gone_luns=wanted.gone_luns | self._unused_luns(named),
        )

    def failed(self, error: HostError) -> None:
        """Fail every item, for nothing could be changed."""
        for number, _step in (*self._enter, *self._resize):
            self._errors.setdefault(number, error)

    def judge(self, settled: Settled) -> None:
        """Note each item's error, and whether it changed something."""
        for number, step in self._enter:
            error = _problem(step, settled)
            if error is not None:
                self._errors.setdefault(number, error)
            if error is None or step.entry is None:
                self.changed.add(number)
        for number, size in self._resize:
            if number in self._errors:
                continue
            if size.lun in settled.small:
                msg = f"initiators cannot see the {size.size_bytes} bytes yet: {settled.small[size.lun]}; try again"
                self._errors.setdefault(number, HostError("degraded", msg))
            self.changed.add(number)

    def _unused_luns(self, named: Mapping[str, Named]) -> frozenset[str]:
        return _luns(step.before for _number, step in self._enter) - _luns(named.values())


def _luns(named: Iterable[Optional[Named]]) -> frozenset[str]:
    return frozenset(lun.name for each in named if isinstance(each, Target) for lun in each.luns.values())


def _is_target(step: Enter) -> bool:
    return step.before is None or isinstance(step.before, Target)


def _problem(step: Enter, settled: Settled) -> Optional[HostError]:
    refused = settled.refused.get(step.key) or settled.left_out.get(step.key)
    if refused is not None:
        return HostError("unsupported", f"ctld refuses {step.key}: {refused}")
    failed = settled.failed.get(step.key) or settled.unconfirmed.get(step.key)
    if failed is not None:
        return HostError("degraded", f"{step.key}: {failed}; /var/log/messages has what ctld says")
    lingering = [settled.lingering[name] for name in (step.key, *_luns([step.before])) if name in settled.lingering]
    if lingering:
        return HostError("degraded", f"{step.key} has not ended yet: {lingering[0]}; try again")
    return None
