# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The UCL grammar of ctl.conf, which ctld reads with -u. Pure.

ctld 14 believes what it should not, so there is but one form of each thing: lists are arrays, a
portal-group is an object, option values are strings. What it does not know it passes over in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from . import conf
from .conf import Draft, Place
from .model import Chap
from .sections import AuthGroup, Lun, PortalGroup, Sections, Target


class Ucl:
    """
    Writes a file of its own, without outer braces, which ctl.conf includes and merges.

    Of two sections of one name ctld 14 sees the first alone. What is merged joins the first that is
    there, so the include stands after everything that others have written.
    """

    ucl = True

    def text(self, sections: Sections) -> str:
        return (
            _section("portal-group", {group.name: _portal_group(group) for group in sections.portal_groups})
            + _section("auth-group", {group.name: _auth_group(group) for group in sections.auth_groups})
            + _section("lun", {lun.name: _lun(lun) for lun in sections.luns})
            + _section("target", {target.name: _target(target) for target in sections.targets})
        )

    def stands(self, part: str, sections: Sections) -> bool:
        lines = {line.rstrip(",") for line in part.splitlines()}
        return {line.rstrip(",") for line in self.text(sections).splitlines()} <= lines

    def put(self, now: Draft, place: Place, part: str) -> Draft:
        body = include(place.file) if part else ""
        return Draft(conf.with_last_block(now.main, place.name, body), part or None)


def include(path: str) -> str:
    """Return the line that includes a file, if it is there."""
    return f'.include(try=true,duplicate=merge) "{path}"\n'


def _section(name: str, entries: Mapping[str, object]) -> str:
    """Return one section, an entry on each line; empty without entries."""
    if not entries:
        return ""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
    return f'"{name}": {{\n{lines}\n}};\n'


def _portal_group(group: PortalGroup) -> dict[str, object]:
    return {
        "discovery-auth-group": group.discovery_auth_group,
        "discovery-filter": group.discovery_filter,
        "listen": list(group.listen),
    }


def _auth_group(group: AuthGroup) -> dict[str, object]:
    said: dict[str, object] = {
        "chap": [_chap(chap) for chap in group.chap if not chap.mutual_user],
        "chap-mutual": [_chap(chap) for chap in group.chap if chap.mutual_user],
        # Without a type ctld lets nobody in, whatever names the group has; with "none" the names still count.
        "auth-type": "" if group.chap else "none",
        "initiator-name": list(group.initiators),
        "initiator-portal": list(group.networks),
    }
    return _said(said)


def _chap(chap: Chap) -> dict[str, str]:
    mutual = {"mutual-user": chap.mutual_user, "mutual-secret": chap.mutual_secret} if chap.mutual_user else {}
    return {"user": chap.user, "secret": chap.secret, **mutual}


def _lun(lun: Lun) -> dict[str, object]:
    readonly = {"readonly": "on"} if lun.readonly else {}
    return {
        "path": lun.path,
        "blocksize": lun.blocksize,
        "serial": lun.serial,
        "device-id": lun.device_id,
        "options": {"naa": lun.naa, **readonly},
    }


def _target(target: Target) -> dict[str, object]:
    return _said(
        {
            "alias": target.alias,
            "auth-group": target.auth_group,
            "portal-group": _one_or_more([{"name": name} for name in target.portal_groups]),
            "lun": [{"number": number, "name": lun.name} for number, lun in sorted(target.luns.items())],
        }
    )


def _one_or_more(values: Sequence[object]) -> object:
    return values[0] if len(values) == 1 else list(values)


def _said(values: Mapping[str, object]) -> dict[str, object]:
    """Return what there is something to say of."""
    return {name: value for name, value in values.items() if value}
