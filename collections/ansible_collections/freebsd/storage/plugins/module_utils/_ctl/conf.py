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
from . import remember
from .model import Export
from .sections import AuthGroup, Chap, Entry, Lun, PortalGroup, Target, sections_of, texts_of

# CTL copies option values unescaped into its XML, so what XML minds is not written either.
_WRITABLE = re.compile(r"[\x20-\x7e]+")
_UNWRITABLE = re.compile(r"[\"<>&]")
_HEADER = "# Made from ZFS properties. What is changed here will be overwritten."


class Rendering(NamedTuple):
    """A block, and the entries it leaves out, by key, with the reason. `text` is empty without entries."""

    text: str
    left_out: dict[str, str]


def begin_of(owner: str) -> str:
    """Return the line that opens the owner's block."""
    return f"# BEGIN freebsd.storage {owner}"


def end_of(owner: str) -> str:
    """Return the line that closes the owner's block."""
    return f"# END freebsd.storage {owner}"


def render(owner: str, entries: Sequence[Entry]) -> Rendering:
    """Return the owner's block; an entry that cannot be written is left out, the others are not."""
    left_out: dict[str, str] = {}
    good: list[Entry] = []
    for entry in entries:
        problem = _problem(entry)
        if problem is None:
            good.append(entry)
        else:
            left_out[entry.key] = problem
    if not good:
        return Rendering("", left_out)
    named = sorted((entry for entry in good if not isinstance(entry, Export)), key=lambda each: each.key)
    sections = sections_of([*named, *(entry for entry in good if isinstance(entry, Export))])
    lines = [begin_of(owner), _HEADER, *remember.lines_of(named)]
    for portal_group in sections.portal_groups:
        lines += _portal_group(portal_group)
    for auth_group in sections.auth_groups:
        lines += _auth_group(auth_group)
    for lun in sections.luns:
        lines += _lun(lun)
    for target in sections.targets:
        lines += _target(target)
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


def _problem(entry: Entry) -> Optional[str]:
    if not isinstance(entry, Export):
        # Which value it is, is not said: it may be a secret.
        return None if all(map(_is_writable, texts_of(entry))) else "it has a value that ctl.conf cannot hold"
    for field, value in entry._asdict().items():
        if isinstance(value, str) and not _is_writable(value):
            return f"its {field} cannot be written in ctl.conf: {value!a}"
    return None


def _is_writable(value: str) -> bool:
    return bool(_WRITABLE.fullmatch(value)) and not _UNWRITABLE.search(value)


def _portal_group(group: PortalGroup) -> list[str]:
    return [
        f'portal-group "{group.name}" {{',
        f'\tdiscovery-auth-group "{group.discovery_auth_group}"',
        f'\tdiscovery-filter "{group.discovery_filter}"',
        *(f'\tlisten "{address}"' for address in group.listen),
        "}",
    ]


def _auth_group(group: AuthGroup) -> list[str]:
    # Without a type ctld lets nobody in, whatever names the group has; with "none" the names still count.
    proof = [_chap(chap) for chap in group.chap] or ['\tauth-type "none"']
    return [
        f'auth-group "{group.name}" {{',
        *proof,
        *(f'\tinitiator-name "{name}"' for name in group.initiators),
        *(f'\tinitiator-portal "{network}"' for network in group.networks),
        "}",
    ]


def _chap(chap: Chap) -> str:
    if not chap.mutual_user:
        return f'\tchap "{chap.user}" "{chap.secret}"'
    return f'\tchap-mutual "{chap.user}" "{chap.secret}" "{chap.mutual_user}" "{chap.mutual_secret}"'


def _lun(lun: Lun) -> list[str]:
    readonly = ['\toption "readonly" "on"'] if lun.readonly else []
    return [
        f'lun "{lun.name}" {{',
        f'\tpath "{lun.path}"',
        f"\tblocksize {lun.blocksize}",
        f'\tserial "{lun.serial}"',
        f'\tdevice-id "{lun.device_id}"',
        f'\toption "naa" "{lun.naa}"',
        *readonly,
        "}",
    ]


def _target(target: Target) -> list[str]:
    return [
        f'target "{target.name}" {{',
        *([f'\talias "{target.alias}"'] if target.alias else []),
        f'\tauth-group "{target.auth_group}"',
        *(f'\tportal-group "{group}"' for group in target.portal_groups),
        *(f'\tlun {number} "{lun.name}"' for number, lun in sorted(target.luns.items())),
        "}",
    ]
