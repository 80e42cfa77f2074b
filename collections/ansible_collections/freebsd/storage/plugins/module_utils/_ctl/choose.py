# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Chooses which exports go into ctl.conf: all that ctld takes.

ctld reads a configuration as a whole, so one bad entry makes it refuse everything. Its own test
mode is the judge; it is asked again and again about parts until the culprits are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, NamedTuple

from ..errors import HostError
from . import conf
from .bisect import culprits
from .model import Export

Trial = Callable[[str], list[str]]


class Choice(NamedTuple):
    """The configuration to be used; what is not in it, with reasons, new and old apart."""

    text: str
    refused: dict[str, str]
    left_out: dict[str, str]


class _Judge:
    """Has sets of exports tried in the place they would have in the configuration."""

    def __init__(self, text: str, owner: str, trial: Trial) -> None:
        self._text = text
        self._owner = owner
        self._trial = trial
        self.said: dict[str, str] = {}

    def whole(self, exports: Sequence[Export]) -> str:
        return conf.with_block(self._text, self._owner, conf.render(self._owner, exports).text)

    def objections(self, exports: Sequence[Export]) -> list[str]:
        return self._trial(self.whole(exports))

    def culprits(self, suspects: Sequence[Export], base: Sequence[Export]) -> list[Export]:
        def accepted(part: Sequence[Export]) -> bool:
            objections = self.objections([*base, *part])
            if objections and part:
                self.said[part[-1].target] = "; ".join(objections)
            return not objections

        return culprits(suspects, accepted)


def choose(text: str, owner: str, exports: Sequence[Export], additions: frozenset[str], trial: Trial) -> Choice:
    """
    Return the configuration `text` with as many of the exports as ctld takes.

    `trial` returns ctld's objections to a configuration. Raise `HostError` if what others have
    written is refused already. Nothing is tried when the text does not change.
    """
    rendering = conf.render(owner, exports)
    refused, left_out = _split(rendering.left_out, additions)
    whole = conf.with_block(text, owner, rendering.text)
    if whole == text:
        return Choice(whole, refused, left_out)
    objections = trial(whole)
    if not objections:
        return Choice(whole, refused, left_out)
    good = [export for export in exports if export.target not in rendering.left_out]
    judge = _Judge(text, owner, trial)
    bad = _blame(judge, good, additions)
    told = {export.target: judge.said.get(export.target, "; ".join(objections)) for export in bad}
    more_refused, more_left_out = _split(told, additions)
    whole = judge.whole([export for export in good if export.target not in told])
    if whole != text:
        objections = trial(whole)
        if objections:
            raise HostError("degraded", f"ctld refuses the configuration: {'; '.join(objections)}")
    return Choice(whole, {**refused, **more_refused}, {**left_out, **more_left_out})


def _blame(judge: _Judge, exports: Sequence[Export], additions: frozenset[str]) -> list[Export]:
    """Return the exports that ctld objects to: the old ones are tried first, then the new."""
    old = [export for export in exports if export.target not in additions]
    new = [export for export in exports if export.target in additions]
    bad_old: list[Export] = []
    if judge.objections(old):
        objections = judge.objections([])
        if objections:
            raise HostError(
                "degraded",
                "ctld refuses what others have written in ctl.conf, so it cannot be reloaded: "
                f"{'; '.join(objections)}; correct it and test it with ctld -t",
            )
        bad_old = judge.culprits(old, [])
    good_old = [export for export in old if export not in bad_old]
    return [*bad_old, *judge.culprits(new, good_old)]


def _split(reasons: dict[str, str], additions: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    new = {target: reason for target, reason in reasons.items() if target in additions}
    old = {target: reason for target, reason in reasons.items() if target not in additions}
    return new, old
