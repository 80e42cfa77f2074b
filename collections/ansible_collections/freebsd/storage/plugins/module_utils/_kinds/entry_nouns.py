# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
How what stands in ctl.conf is reported. Pure.

There its names begin with the owner's, so that they collide with nobody's; people leave that out.
Targets are the exception: their names are those which initiators use.
"""

from __future__ import annotations

from .._ctl.model import Chap
from .._ctl.sections import AuthGroup, Lun, Named, PortalGroup
from .kind import NounDict

HIDDEN = "********"


def full_name(owner: str, name: str) -> str:
    """Return what a group of the owner is called in ctl.conf."""
    return f"{owner}:{name}"


def short_name(owner: str, name: str) -> str:
    """Return what people call what has that name in ctl.conf."""
    return name.removeprefix(full_name(owner, ""))


def noun_of(owner: str, named: Named) -> NounDict:
    """Return an entry as it is reported. Secrets are not."""
    if isinstance(named, PortalGroup):
        return {
            "name": short_name(owner, named.name),
            "listen": list(named.listen),
            "discovery_auth_group": short_name(owner, named.discovery_auth_group),
            "discovery_filter": named.discovery_filter,
        }
    if isinstance(named, AuthGroup):
        return {
            "name": short_name(owner, named.name),
            "initiators": list(named.initiators),
            "networks": list(named.networks),
            "chap": [_chap(each) for each in named.chap],
        }
    return {
        "name": named.name,
        "alias": named.alias,
        "auth_group": short_name(owner, named.auth_group),
        "portal_groups": [short_name(owner, each) for each in named.portal_groups],
        "luns": [_lun(owner, number, lun) for number, lun in sorted(named.luns.items())],
    }


def _chap(chap: Chap) -> NounDict:
    mutual: NounDict = {"mutual_user": chap.mutual_user, "mutual_secret": HIDDEN} if chap.mutual_user else {}
    return {"user": chap.user, "secret": HIDDEN, **mutual}


def _lun(owner: str, number: int, lun: Lun) -> NounDict:
    return {
        "number": number,
        "dataset": short_name(owner, lun.name),
        "blocksize": lun.blocksize,
        "readonly": lun.readonly,
        "serial": lun.serial,
        "device_id": lun.device_id,
        "naa": lun.naa,
    }
