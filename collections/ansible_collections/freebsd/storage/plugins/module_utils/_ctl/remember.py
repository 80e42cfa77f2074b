# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What a person named in ctl.conf, kept in that file: one comment line of JSON for each object.

So what is wanted and what is configured change in one rename, survive a crash together, and no
parser of either grammar is needed: both know comments. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Callable

from ..errors import HostError
from .model import Chap
from .sections import AuthGroup, Lun, Named, PortalGroup, Target

MARK = "#: "


def lines_of(named: Iterable[Named]) -> list[str]:
    """Return the lines from which `recalled` makes the objects again."""
    return [MARK + json.dumps(_plain(each), sort_keys=True) for each in named]


def recalled(text: str) -> dict[str, Named]:
    """Return the objects in an owner's part of the configuration, by key; raise `HostError` if one cannot be read."""
    lines = [line[len(MARK) :] for line in text.splitlines() if line.startswith(MARK)]
    named = [_named(line) for line in lines]
    return {each.key: each for each in named}


def _named(line: str) -> Named:
    try:
        data = json.loads(line)
        kind = data.pop("kind")
        return _MAKERS[kind](data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The line may hold secrets, so it is not quoted.
        raise HostError(
            "degraded",
            f"a line of ours in ctl.conf that begins with '{MARK}' cannot be read ({type(error).__name__}): bring it "
            "back from a backup, or remove it and have what it stood for made anew",
        ) from None


def _plain(named: Named) -> dict[str, object]:
    data: dict[str, Any] = {"kind": _KINDS[type(named)], **named._asdict()}
    if isinstance(named, AuthGroup):
        data["chap"] = [chap._asdict() for chap in named.chap]
    if isinstance(named, Target):
        data["luns"] = {str(number): lun._asdict() for number, lun in named.luns.items()}
    return data


def _portal_group(data: dict[str, Any]) -> PortalGroup:
    return PortalGroup(**{**data, "listen": _texts(data["listen"])})


def _auth_group(data: dict[str, Any]) -> AuthGroup:
    chap = tuple(Chap(**each) for each in data["chap"])
    lists = {field: _texts(data[field]) for field in ("initiators", "networks")}
    return AuthGroup(**{**data, **lists, "chap": chap})


def _target(data: dict[str, Any]) -> Target:
    luns = {int(number): Lun(**lun) for number, lun in data["luns"].items()}
    return Target(**{**data, "luns": luns, "portal_groups": _texts(data["portal_groups"])})


def _texts(values: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("not a list of texts")
    return tuple(values)


_KINDS = {PortalGroup: "portal_group", AuthGroup: "auth_group", Target: "target"}
_MAKERS: dict[str, Callable[[dict[str, Any]], Named]] = {
    "portal_group": _portal_group,
    "auth_group": _auth_group,
    "target": _target,
}
