# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The owner's block in ctl.conf, in the classic grammar of ctl.conf(5).

Pure functions of text. Every string is quoted: an unquoted word that happens to be a keyword would
be one, and a quoted string knows no escapes, so what holds a quote or a control character cannot be
written at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from ..errors import HostError
from .model import Export

# CTL copies option values unescaped into its XML, so what XML minds is not written either.
_WRITABLE = re.compile(r"[\x20-\x7e]+")
_UNWRITABLE = re.compile(r"[\"<>&]")


class Rendering(NamedTuple):
    """A block, and the targets it leaves out with the reason. `text` is empty without exports."""

    text: str
    left_out: dict[str, str]


def begin_of(owner: str) -> str:
    """Return the line that opens the owner's block."""
    return f"# BEGIN freebsd.storage {owner}"


def end_of(owner: str) -> str:
    """Return the line that closes the owner's block."""
    return f"# END freebsd.storage {owner}"


def render(owner: str, exports: Sequence[Export]) -> Rendering:
    """Return the owner's block; an export that cannot be written is left out, the others are not."""
    left_out: dict[str, str] = {}
    good: list[Export] = []
    for export in exports:
        problem = _problem(export)
        if problem is None:
            good.append(export)
        else:
            left_out[export.target] = problem
    if not good:
        return Rendering("", left_out)
    luns = {export.lun: export for export in good}
    lines = [begin_of(owner), "# Made from ZFS properties. What is changed here will be overwritten."]
    for export in good:
        lines += _auth_group(export)
    for name in sorted(luns):
        lines += _lun(luns[name])
    for export in good:
        lines += _target(export)
    lines.append(end_of(owner))
    return Rendering("\n".join(lines) + "\n", left_out)


def with_block(text: str, owner: str, block: str) -> str:
    """
    Return the configuration with the owner's block put in place of the old one, or at the end.

    Without a block what stood there is taken out, and the rest is what it was before. Raise
    `HostError` where the old block has no clear beginning and end.
    """
    start, stop = _span(text, owner)
    if start is None:
        glue = "" if not block or text.endswith("\n") or not text else "\n"
        return text + glue + block
    return text[:start] + block + text[stop:]


def block_of(text: str, owner: str) -> str:
    """Return the owner's block as it stands in the configuration; empty without one."""
    start, stop = _span(text, owner)
    return "" if start is None else text[start:stop]


def _span(text: str, owner: str) -> tuple[Optional[int], int]:
    begins = _lines_like(text, begin_of(owner))
    ends = _lines_like(text, end_of(owner))
    if not begins and not ends:
        return None, 0
    if len(begins) != 1 or len(ends) != 1 or ends[0][0] < begins[0][0]:
        raise HostError(
            "degraded",
            f"ctl.conf has {len(begins)} lines '{begin_of(owner)}' and {len(ends)} lines "
            f"'{end_of(owner)}', where there should be one of each, in this order: remove what "
            "lies between them, and the lines; the block is made anew",
        )
    return begins[0][0], ends[0][1]


def _lines_like(text: str, line: str) -> list[tuple[int, int]]:
    pattern = re.compile(rf"^{re.escape(line)}[ \t]*(?:\n|\Z)", re.MULTILINE)
    return [match.span() for match in pattern.finditer(text)]


def _problem(export: Export) -> Optional[str]:
    for field, value in export._asdict().items():
        if isinstance(value, str) and (not _WRITABLE.fullmatch(value) or _UNWRITABLE.search(value)):
            return f"its {field} cannot be written in ctl.conf: {value!a}"
    return None


def _auth_group(export: Export) -> list[str]:
    # Without a type ctld lets nobody in, whatever names the group has; with "none" the names still count.
    return [
        f'auth-group "{export.auth_group}" {{',
        '\tauth-type "none"',
        f'\tinitiator-name "{export.initiator}"',
        "}",
    ]


def _lun(export: Export) -> list[str]:
    readonly = ['\toption "readonly" "on"'] if export.readonly else []
    return [
        f'lun "{export.lun}" {{',
        f'\tpath "{export.path}"',
        f"\tblocksize {export.blocksize}",
        f'\tserial "{export.serial}"',
        f'\tdevice-id "{export.device_id}"',
        f'\toption "naa" "{export.naa}"',
        *readonly,
        "}",
    ]


def _target(export: Export) -> list[str]:
    return [
        f'target "{export.target}" {{',
        f'\tauth-group "{export.auth_group}"',
        f'\tportal-group "{export.portal_group}"',
        f'\tlun 0 "{export.lun}"',
        "}",
    ]
