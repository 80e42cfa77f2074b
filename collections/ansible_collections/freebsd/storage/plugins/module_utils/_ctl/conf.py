# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The part of ctld's configuration that is ours, and where it lies. Pure functions of text.

In ctl.conf it stands between two marker lines. With UCL these hold no more than the include of a
file, which has the rest.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Optional

from ..errors import HostError

PORTAL_GROUP = "portal-group"

_INCLUDE = ".include("
_LINE = r"(?:\n|\Z)"
_BLOCK = re.compile(
    rf"^# BEGIN freebsd\.storage (\S+)[ \t]*\n(?:.*\n)*?# END freebsd\.storage \1[ \t]*{_LINE}", re.MULTILINE
)
# What may follow a part that has to be the last: others like it, empty lines and comments.
_TAIL = re.compile(rf"(?:\.include\(.*\n# END freebsd\.storage \S+{_LINE}|[ \t]*(?:#.*)?{_LINE})*")


class Place(NamedTuple):
    """
    Where a part lies: `name` is that of the marker lines, `file` the one it has with UCL.

    `first`: in ctl.conf it stands before what others have written, unless order does not matter.
    """

    name: str
    file: str
    first: bool = False

    @property
    def staged(self) -> str:
        """Where a new version of the file is put to be tested."""
        path = Path(self.file)
        return str(path.with_name(f".{path.name}.staged"))


class Draft(NamedTuple):
    """What ctl.conf is to hold, and the file of the part; None: there is no such file."""

    main: str
    own: Optional[str] = None

    def part(self, place: Place) -> str:
        """Return our part, in whatever grammar it was written."""
        span = _span(self.main, place.name)
        return ("" if span is None else self.main[span[0] : span[1]]) + (self.own or "")

    def rest(self, place: Place) -> str:
        """Return what others have written in ctl.conf."""
        return with_block(self.main, place.name, "")


def owner_place(settings_dir: str, owner: str) -> Place:
    """Return where the exports of an owner lie."""
    return Place(owner, str(Path(settings_dir, "ctl", f"{owner}.conf")))


def portal_group_place(settings_dir: str) -> Place:
    """Return where the host's portal group lies. No owner has an underscore in its name."""
    return Place(PORTAL_GROUP, str(Path(settings_dir, "ctl", f"{PORTAL_GROUP}_.conf")), first=True)


def with_block(text: str, name: str, body: str, *, first: bool = False) -> str:
    """
    Return ctl.conf with `body`, whole lines, between the marker lines: where they are, or at the end.

    Without a body the lines go too, and the rest is what it was before. `first`: at the beginning
    where there are none yet. Raise `HostError` where the old block has no clear beginning and end.
    """
    block = f"{begin_of(name)}\n{body}{end_of(name)}\n" if body else ""
    span = _span(text, name)
    if span is not None:
        return text[: span[0]] + block + text[span[1] :]
    return block + text if first else _ended(text, block) + block


def with_last_block(text: str, name: str, body: str) -> str:
    """Do the same, with nothing of others after the block: one that is followed by more is moved to the end."""
    span = _span(text, name)
    if span is not None and not _TAIL.fullmatch(text, span[1]):
        text = text[: span[0]] + text[span[1] :]
    return with_block(text, name, body)


def without_other_grammar(text: str, *, ucl: bool) -> str:
    """
    Return ctl.conf without what stands in our blocks, anyone's, and is not of this grammar.

    Comments stay, and with them what people named; the rest each owner's next run brings back.
    """
    return _BLOCK.sub(lambda block: _of_grammar(block[0], ucl=ucl), text)


def begin_of(name: str) -> str:
    """Return the line that opens the block."""
    return f"# BEGIN freebsd.storage {name}"


def end_of(name: str) -> str:
    """Return the line that closes the block."""
    return f"# END freebsd.storage {name}"


def _of_grammar(block: str, *, ucl: bool) -> str:
    lines = block.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#") or line.startswith(_INCLUDE) == ucl)


def _ended(text: str, block: str) -> str:
    """Return the text with its last line ended, if something is to follow."""
    return text + ("" if not block or text.endswith("\n") or not text else "\n")


def _span(text: str, name: str) -> Optional[tuple[int, int]]:
    begins = _lines_like(text, begin_of(name))
    ends = _lines_like(text, end_of(name))
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0][0] < begins[0][0]:
        raise HostError(
            "degraded",
            f"ctl.conf has {len(begins)} lines '{begin_of(name)}' and {len(ends)} lines "
            f"'{end_of(name)}', where there should be one of each, in this order: remove what "
            "lies between them, and the lines; the block is made anew",
        )
    return begins[0][0], ends[0][1]


def _lines_like(text: str, line: str) -> list[tuple[int, int]]:
    pattern = re.compile(rf"^{re.escape(line)}[ \t]*{_LINE}", re.MULTILINE)
    return [match.span() for match in pattern.finditer(text)]
