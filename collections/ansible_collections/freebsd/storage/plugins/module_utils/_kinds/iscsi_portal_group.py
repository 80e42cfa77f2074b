# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Portal-groups: the addresses at which targets are reached."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple

from .._ctl.sections import PortalGroup
from .._state import Facts, Plan, known_section
from . import entries
from .entry_nouns import full_name, short_name
from .kind import Kind, NounDict, Options, Wish, invalid

NOUN = "iscsi_portal_group"
_PORT = 3260
_PORTAL = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?")
_FILTERS = ("none", "portal", "portal-name", "portal-name-auth")


class _Wanted(NamedTuple):
    name: str
    listen: tuple[str, ...]
    discovery_auth_group: str
    discovery_filter: str

    def plan(self, facts: Facts) -> Plan:
        group = PortalGroup(
            name=full_name(facts.owner, self.name),
            listen=self.listen,
            discovery_auth_group=entries.resolved(facts, "auth-group", self.discovery_auth_group),
            discovery_filter=self.discovery_filter,
        )
        _check_alone(facts, group)
        return entries.plan_present(facts, group, {})


class _Unwanted(NamedTuple):
    name: str

    def plan(self, facts: Facts) -> Plan:
        group = PortalGroup(full_name(facts.owner, self.name), ())
        entries.check_unused(facts, group.name)
        return entries.plan_absent(facts, group.key)


def _check_alone(facts: Facts, group: PortalGroup) -> None:
    """Refuse an address of another group: ctld would take the configuration, and then fail to listen there."""
    for other in known_section(facts).named.values():
        shared = set(group.listen) & set(other.listen) if isinstance(other, PortalGroup) else set()
        if shared and other.name != group.name:
            invalid("listen", f"{min(shared)} belongs to {short_name(facts.owner, other.name)} already")


def _portal(text: str) -> str:
    """Return an address with its port, as ctl.conf has it."""
    found = _PORTAL.fullmatch(text)
    try:
        address = ipaddress.ip_address((found[1] or found[2]) if found else "")
    except ValueError:
        invalid("listen", f"{text!a} is not an address like 192.0.2.10, 192.0.2.10:3260 or [2001:db8::1]:3260")
    port = int(found[3] or _PORT) if found else 0
    if not 0 < port < 1 << 16:
        invalid("listen", f"{port} is not a port")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004 - IPv6


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    listen = tuple(_portal(text) for text in options["listen"])
    if not listen or len(set(listen)) != len(listen):
        invalid("listen", "each address has to be there once, and at least one")
    discovery = entries.check_name(options["discovery_auth_group"], "discovery_auth_group")
    return _Wanted(entries.check_name(options["name"]), listen, discovery, options["discovery_filter"])


def _absent(options: Options) -> Wish:
    return _Unwanted(entries.check_name(options["name"]))


def _nouns(facts: Facts) -> list[NounDict]:
    return entries.nouns_of(facts, PortalGroup)


KIND = Kind(
    name=NOUN,
    spec={
        "name": entries.NAME,
        "listen": {"type": "list", "elements": "str"},
        "discovery_auth_group": {"type": "str", "default": "no-access"},
        "discovery_filter": {"type": "str", "default": "none", "choices": list(_FILTERS)},
    },
    required=("listen",),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
