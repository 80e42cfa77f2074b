# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Auth-groups: who may log in to targets, and how they prove it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import _names
from .._chap import chap_of
from .._ctl.model import Chap
from .._ctl.sections import AuthGroup
from .._state import Facts, Plan, known_section
from . import entries
from .entry_nouns import full_name
from .kind import Kind, NounDict, Options, Wish, invalid

NOUN = "ctl_auth_group"
_SECRETS = ("secret", "mutual_secret")


class _Wanted(NamedTuple):
    name: str
    initiators: tuple[str, ...]
    networks: tuple[str, ...]
    chap: tuple[Chap, ...]

    def plan(self, facts: Facts) -> Plan:
        group = AuthGroup(full_name(facts.owner, self.name), self.initiators, self.networks, self.chap)
        before = known_section(facts).named.get(group.key)
        known = before.chap if isinstance(before, AuthGroup) else ()
        return entries.plan_present(facts, group, _hint(known, self.chap))


class _Unwanted(NamedTuple):
    name: str

    def plan(self, facts: Facts) -> Plan:
        group = AuthGroup(full_name(facts.owner, self.name))
        entries.check_unused(facts, group.name)
        return entries.plan_absent(facts, group.key)


def _hint(before: tuple[Chap, ...], after: tuple[Chap, ...]) -> dict[str, object]:
    """Say whose secrets are other ones, which the nouns cannot show."""
    old = {chap.user: chap for chap in before}
    other = sorted(chap.user for chap in after if chap.user in old and _secrets(old[chap.user]) != _secrets(chap))
    return {"other_secrets_of": other} if other else {}


def _secrets(chap: Chap) -> tuple[str, str]:
    return chap.secret, chap.mutual_secret


def _present(options: Options, secrets: Mapping[str, object]) -> Wish:
    chap = tuple(chap_of(each, secrets) for each in options["chap"])
    users = [each.user for each in chap]
    if len(set(users)) != len(users):
        invalid("chap", "each user has to be there once")
    if len({bool(each.mutual_user) for each in chap}) > 1:
        invalid("chap", "either all have a mutual_user, or none has: ctld cannot mix them")
    wanted = _Wanted(
        name=entries.check_name(options["name"]),
        initiators=tuple(_initiator(name) for name in options["initiators"]),
        networks=tuple(_network(text) for text in options["networks"]),
        chap=chap,
    )
    if not (wanted.initiators or wanted.networks or wanted.chap):
        invalid("initiators", "without initiators, networks or chap nobody is kept out: use no-authentication for that")
    return wanted


def _absent(options: Options) -> Wish:
    return _Unwanted(entries.check_name(options["name"]))


def _initiator(name: str) -> str:
    if not _names.INITIATOR.fullmatch(name):
        invalid("initiators", f"{name!a} is not an iSCSI name (RFC 7143, 4.2.7)")
    return name


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        invalid("networks", str(error))
    return str(network)


def _apart(options: Options) -> tuple[Options, Mapping[str, str]]:
    secrets: dict[str, str] = {}
    chap: list[dict[str, Any]] = []
    for number, given in enumerate(options.get("chap") or ()):
        names = {field: f"chap[{number}].{field}" for field in _SECRETS if given.get(field) is not None}
        secrets.update({name: given[field] for field, name in names.items()})
        chap.append({**given, **names})
    return {**options, "chap": chap}, secrets


def _nouns(facts: Facts) -> list[NounDict]:
    return entries.nouns_of(facts, AuthGroup)


KIND = Kind(
    name=NOUN,
    spec={
        "name": entries.NAME,
        "initiators": {"type": "list", "elements": "str", "default": []},
        "networks": {"type": "list", "elements": "str", "default": []},
        "chap": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "user": {"type": "str", "required": True},
                "secret": {"type": "str", "required": True, "no_log": True},
                "mutual_user": {"type": "str"},
                "mutual_secret": {"type": "str", "no_log": True},
            },
        },
    },
    required=(),
    present=_present,
    absent=_absent,
    nouns=_nouns,
    apart=_apart,
)
