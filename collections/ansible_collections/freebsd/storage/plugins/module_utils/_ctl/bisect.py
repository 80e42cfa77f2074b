# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Finds the few that spoil the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, TypeVar

T = TypeVar("T")


def culprits(items: Sequence[T], accepted: Callable[[Sequence[T]], bool]) -> list[T]:
    """
    Return the items without which the rest is accepted, in as few trials as halving allows.

    `accepted` judges a set of items; the empty set must be accepted. An item is blamed only if it
    is refused together with those found good before it.
    """
    found: list[T] = []
    good: list[T] = []

    def search(part: Sequence[T]) -> None:
        if not part or accepted([*good, *part]):
            good.extend(part)
        elif len(part) == 1:
            found.extend(part)
        else:
            middle = len(part) // 2
            search(part[:middle])
            search(part[middle:])

    search(items)
    return found
