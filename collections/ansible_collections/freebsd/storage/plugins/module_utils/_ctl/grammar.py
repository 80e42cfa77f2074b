# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The two grammars of ctld's configuration behind one seam: which one counts is told by the running ctld.

Nothing else knows how they differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional, Protocol

from . import remember
from .classic import Classic
from .conf import Draft, Place
from .model import Export
from .sections import Entry, Sections, sections_of, texts_of, texts_of_chap
from .ucl import Ucl

_HEADER = "# Made from ZFS properties. What is changed here will be overwritten.\n"
_REMEMBERED = f"# Each line that begins with '{remember.MARK.strip()}' is an object that somebody named. It is kept.\n"
# CTL copies option values unescaped into its XML, so what XML minds is not written either.
_WRITABLE = re.compile(r"[\x20-\x7e]+")
_UNWRITABLE = re.compile(r"[\"<>&]")


_NONE = Sections((), (), (), ())


class Grammar(Protocol):
    """How the configuration is written. `ucl`: ctld reads it with -u."""

    ucl: bool

    def text(self, sections: Sections) -> str:
        """Return what says these sections, in whole lines; empty without any."""

    def stands(self, part: str, sections: Sections) -> bool:
        """Return whether the part says these sections as `text` does; others may stand beside them."""

    def put(self, now: Draft, place: Place, part: str) -> Draft:
        """Return the configuration with the part in its place, and nothing there without one."""


class Drawn(NamedTuple):
    """A configuration, and the entries it leaves out, by key, with the reason."""

    draft: Draft
    left_out: dict[str, str]


def grammar_of(*, ucl: bool) -> Grammar:
    """Return the grammar that a ctld reads."""
    return Ucl() if ucl else Classic()


def draw(grammar: Grammar, now: Draft, place: Place, entries: Sequence[Entry]) -> Drawn:
    """Return the configuration with these entries; one that cannot be written is left out, the others are not."""
    problems = {entry.key: _problem(entry) for entry in entries}
    good = [entry for entry in entries if problems[entry.key] is None]
    draft = grammar.put(now, place, _part(grammar, good) if good else "")
    return Drawn(draft, {key: problem for key, problem in problems.items() if problem is not None})


def stands(grammar: Grammar, part: str, entry: Entry) -> bool:
    """Return whether the part of the owner says of it what it should: nobody has changed it by hand."""
    said = sections_of([entry])
    alone = [
        *(_NONE._replace(portal_groups=(each,)) for each in said.portal_groups),
        *(_NONE._replace(auth_groups=(each,)) for each in said.auth_groups),
        *(_NONE._replace(luns=(each,)) for each in said.luns),
        *(_NONE._replace(targets=(each,)) for each in said.targets),
    ]
    return all(grammar.stands(part, each) for each in alone)


def _part(grammar: Grammar, entries: Sequence[Entry]) -> str:
    named = sorted((entry for entry in entries if not isinstance(entry, Export)), key=lambda each: each.key)
    sections = sections_of([*named, *(entry for entry in entries if isinstance(entry, Export))])
    remembered = "".join(f"{line}\n" for line in remember.lines_of(named))
    header = _HEADER + (_REMEMBERED if named else "")
    return header + remembered + grammar.text(sections)


def _problem(entry: Entry) -> Optional[str]:
    if not isinstance(entry, Export):
        # Which value it is, is not said: it may be a secret.
        return None if all(map(_is_writable, texts_of(entry))) else "it has a value that ctl.conf cannot hold"
    if (entry.proof[0].kind if entry.proof else None) != entry.chap:
        return "its CHAP secret is lost; it comes back when the volume is published again"
    if not all(_is_writable(text) for chap in entry.proof for text in texts_of_chap(chap)):
        return "its CHAP secret cannot be written in ctl.conf"
    for field, value in entry._asdict().items():
        if isinstance(value, str) and not _is_writable(value):
            return f"its {field} cannot be written in ctl.conf: {value!a}"
    return None


def _is_writable(value: str) -> bool:
    return bool(_WRITABLE.fullmatch(value)) and not _UNWRITABLE.search(value)
