# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Waits for the kernel's tables to show what they should. Knows no command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, NamedTuple

from . import check
from .model import Kernel
from .seam import Clock, Patience
from .sections import Entry


class Verdict(NamedTuple):
    """What is missing, what lingers, and what is too small; with a reason each."""

    unmet: dict[str, str]
    lingering: dict[str, str]
    small: dict[str, str]


class Pending(NamedTuple):
    """What the kernel has to show, and what it may no longer show; `sizes` of LUNs in bytes."""

    entries: tuple[Entry, ...]
    gone: frozenset[str]
    gone_luns: frozenset[str]
    sizes: Mapping[str, int] = {}

    def judge(self, kernel: Kernel) -> Verdict:
        """Compare it with what the kernel shows."""
        return Verdict(
            check.unmet(self.entries, kernel),
            check.lingering(self.gone, self.gone_luns, kernel),
            check.small(self.sizes, kernel),
        )

    def count(self, kernel: Kernel) -> int:
        """Return how much is still pending."""
        return sum(map(len, self.judge(kernel)))


def wait_for(
    pending: Pending,
    first: Kernel,
    look: Callable[[], Kernel],
    signal: Callable[[], bool],
    clock: Clock,
    patience: Patience,
) -> Kernel:
    """
    Signal, and look until nothing is pending or time is up; return the last look.

    `first` is what was seen before the signal.

    The signal is given again and again, for it may be lost. Once part of what was pending has come
    about, ctld has plainly read the new configuration, and the rest is given a short grace only.
    """
    heard = signal()
    start = moved = told = clock.now()
    interval, pause = patience.signal, patience.first_pause
    missing = pending.count(first)
    while True:
        kernel = look()
        now = clock.now()
        last, missing = missing, pending.count(kernel)
        if missing < last:
            moved = now
        if not missing or not heard or now - start >= patience.limit:
            return kernel
        if moved > start and now - moved >= patience.grace:
            return kernel
        if now - told >= interval:
            heard, told, interval = signal(), now, interval * 2
        clock.sleep(pause)
        pause = min(pause * 2, patience.longest_pause)
