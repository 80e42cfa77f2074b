# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What all kinds have in common that stand in ctl.conf. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._changes import Change, Enter
from .._ctl import check
from .._ctl.sections import Named, PortalGroup, Target
from .._state import Facts, NextRound, Plan, known_kernel, known_section
from ..errors import HostError
from .entry_nouns import full_name, noun_of, short_name
from .kind import NounDict, invalid

NAME: Mapping[str, Any] = {"type": "str", "required": True}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str, option: str = "name") -> str:
    """Return the name of a group if it may be one."""
    if not _NAME.fullmatch(name):
        invalid(option, f"{name!a} is not a name: letters, digits and . _ - are allowed, 64 at most")
    return name


def resolved(facts: Facts, kind: str, name: str) -> str:
    """Return the name in ctl.conf of the group that people mean: the owner's, else one of somebody else."""
    full = full_name(facts.owner, name)
    return full if f"{kind} {full}" in known_section(facts).named else name


def plan_present(facts: Facts, wanted: Named, hint: Mapping[str, object], assumed: tuple[str, ...] = ()) -> Plan:
    """Have the entry in ctl.conf, and the kernel show what it shows of such."""
    section = known_section(facts)
    if known_kernel(facts).daemon.pid is None:
        raise HostError("degraded", "ctld does not run; start it: service ctld start")
    _check_settled(facts, wanted.key)
    before = section.named.get(wanted.key)
    same = before == wanted and wanted.key not in section.stale
    due = not same or bool(check.unmet([wanted], known_kernel(facts)))
    told = None if before is None else noun_of(facts.owner, before)
    change = Change(told, noun_of(facts.owner, wanted), due=due, hint=hint if told else {}, assumed=assumed)
    if not due:
        return Plan(facts, (), None, change=change)
    return Plan(facts.with_entry(wanted.key, wanted), (Enter(wanted.key, wanted, before),), None, change=change)


def plan_absent(facts: Facts, key: str, *, shown: bool = False) -> Plan:
    """Have the entry in ctl.conf no more, nor what the kernel shows of it; `shown`: it does, without an entry."""
    before = known_section(facts).named.get(key)
    _check_settled(facts, key)
    if before is None and not shown:
        return Plan(facts, (), None, change=Change(None, None, due=False))
    change = Change(None if before is None else noun_of(facts.owner, before), None, due=True)
    return Plan(facts.with_entry(key, None), (Enter(key, None, before),), None, change=change)


def check_unused(facts: Facts, name: str) -> None:
    """Raise `HostError` if a target of the owner, or one of its portal-groups, relies on the group."""
    users = [each.name for each in known_section(facts).named.values() if name in _relies_on(each)]
    if users:
        told = sorted(short_name(facts.owner, user) for user in users)
        msg = f"{short_name(facts.owner, name)} is used by {', '.join(told)}: remove them, or have them use another one"
        raise HostError("in_use", msg, option="name", actual=told)


def nouns_of(facts: Facts, kind: type[Named]) -> list[NounDict]:
    """Return the entries of a kind as they are reported."""
    named = known_section(facts).named
    return [noun_of(facts.owner, named[key]) for key in sorted(named) if isinstance(named[key], kind)]


def _relies_on(named: Named) -> tuple[str, ...]:
    if isinstance(named, Target):
        return (named.auth_group, *named.portal_groups)
    return (named.discovery_auth_group,) if isinstance(named, PortalGroup) else ()


def _check_settled(facts: Facts, key: str) -> None:
    if key in facts.entered:
        raise NextRound
