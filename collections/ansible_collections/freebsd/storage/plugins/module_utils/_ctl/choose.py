# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Chooses which entries go into ctld's configuration: all that ctld takes.

ctld reads a configuration as a whole, so one bad entry makes it refuse everything. Its own test
mode is the judge; it is asked again and again about parts until the culprits are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, NamedTuple

from ..errors import HostError
from .bisect import culprits
from .conf import Draft
from .grammar import Drawn
from .sections import Entry

Draw = Callable[[Sequence[Entry]], Drawn]
Trial = Callable[[Draft], list[str]]


class Choice(NamedTuple):
    """The configuration to be used; what is not in it, with reasons, new and old apart."""

    draft: Draft
    refused: dict[str, str]
    left_out: dict[str, str]


class _Judge:
    """
    Has sets of entries tried in the place they would have in the configuration.

    An entry that is on trial in a new version counts in its `previous` one while it is not.
    """

    def __init__(self, draw: Draw, trial: Trial, previous: Sequence[Entry]) -> None:
        self._draw = draw
        self._trial = trial
        self._previous = previous
        self.said: dict[str, str] = {}

    def whole(self, entries: Sequence[Entry]) -> Draft:
        keys = {entry.key for entry in entries}
        kept = [entry for entry in self._previous if entry.key not in keys]
        return self._draw([*entries, *kept]).draft

    def objections(self, entries: Sequence[Entry]) -> list[str]:
        return self._trial(self.whole(entries))

    def culprits(self, suspects: Sequence[Entry], base: Sequence[Entry]) -> list[Entry]:
        def accepted(part: Sequence[Entry]) -> bool:
            objections = self.objections([*base, *part])
            if objections and part:
                self.said[part[-1].key] = "; ".join(objections)
            return not objections

        return culprits(suspects, accepted)


def choose(
    now: Draft,
    draw: Draw,
    entries: Sequence[Entry],
    additions: frozenset[str],
    trial: Trial,
    previous: Sequence[Entry] = (),
) -> Choice:
    """
    Return the configuration `now` with as many of the entries as ctld takes.

    `draw` returns it with some entries, `trial` what ctld has against that. `previous` has additions
    as they were before, which they stay if they are refused. Raise `HostError` if what others have
    written is refused already. Nothing is tried when nothing changes.
    """
    left_out = draw(entries).left_out
    unwritten = _split(left_out, additions)
    judge = _Judge(draw, trial, previous)
    good = [entry for entry in entries if entry.key not in left_out]
    whole = judge.whole(good)
    objections = trial(whole) if whole != now else []
    if not objections:
        return Choice(whole, *unwritten)
    bad = _blame(judge, good, additions)
    told = {entry.key: judge.said.get(entry.key, "; ".join(objections)) for entry in bad}
    refused, kept_out = _split(told, additions)
    whole = judge.whole([entry for entry in good if entry.key not in told])
    objections = trial(whole) if whole != now else []
    if objections:
        raise HostError("degraded", f"ctld refuses the configuration: {'; '.join(objections)}")
    return Choice(whole, {**unwritten[0], **refused}, {**unwritten[1], **kept_out})


def _blame(judge: _Judge, entries: Sequence[Entry], additions: frozenset[str]) -> list[Entry]:
    """Return the entries that ctld objects to: the old ones are tried first, then the new."""
    old = [entry for entry in entries if entry.key not in additions]
    new = [entry for entry in entries if entry.key in additions]
    bad_old: list[Entry] = []
    if judge.objections(old):
        objections = judge.objections([])
        if objections:
            raise HostError(
                "degraded",
                "ctld refuses what others have written in ctl.conf, so it cannot be reloaded: "
                f"{'; '.join(objections)}; correct it and test it with ctld -t",
            )
        bad_old = judge.culprits(old, [])
    good_old = [entry for entry in old if entry not in bad_old]
    return [*bad_old, *judge.culprits(new, good_old)]


def _split(reasons: dict[str, str], additions: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    new = {key: reason for key, reason in reasons.items() if key in additions}
    old = {key: reason for key, reason in reasons.items() if key not in additions}
    return new, old
