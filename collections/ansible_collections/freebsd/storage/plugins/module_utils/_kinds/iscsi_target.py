# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Targets: volumes that people name, as initiators reach them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import _names
from .._ctl.sections import Lun, Target
from .._nouns import CHOSEN_BY_HOST
from .._state import Facts, Plan, known_kernel, known_section
from .._zfs.dataset import VOLUME, Dataset
from ..errors import HostError
from . import datasets, entries
from .entry_nouns import full_name
from .kind import Kind, NounDict, Options, Wish, invalid

NOUN = "iscsi_target"
_LUN_NUMBERS = 1024  # MAX_LUNS of ctld(8)


class _LunWanted(NamedTuple):
    zvol: str
    blocksize: int
    readonly: bool


class _Wanted(NamedTuple):
    name: str
    alias: str
    auth_group: str
    portal_groups: tuple[str, ...]
    luns: Mapping[int, _LunWanted]

    def plan(self, facts: Facts) -> Plan:
        _check_ours(facts, self.name)
        target = Target(
            name=self.name,
            auth_group=entries.resolved(facts, "auth-group", self.auth_group),
            portal_groups=tuple(entries.resolved(facts, "portal-group", name) for name in self.portal_groups),
            luns={number: _lun(facts, lun) for number, lun in self.luns.items()},
            alias=self.alias,
        )
        _check_room(facts, target)
        _check_luns(facts, target)
        names = [datasets.full_name(facts, lun.zvol) for lun in self.luns.values()]
        assumed = tuple(name for name in names if facts.dataset(name) is None)
        return entries.plan_present(facts, target, {}, assumed)


class _Unwanted(NamedTuple):
    name: str

    def plan(self, facts: Facts) -> Plan:
        _check_ours(facts, self.name)
        shown = any(port.target == self.name for port in known_kernel(facts).ports)
        return entries.plan_absent(facts, self.name, shown=shown)


def _check_ours(facts: Facts, name: str) -> None:
    section = known_section(facts)
    if name in section.foreign and name not in section.named:
        msg = f"ctl.conf speaks of {name} outside of what belongs to {facts.owner}; it was left alone"
        raise HostError("foreign_name", f"{msg}: choose another name", option="name")


def _lun(facts: Facts, wanted: _LunWanted) -> Lun:
    name = datasets.full_name(facts, wanted.zvol)
    datasets.check_settled(facts, name)
    datasets.needed(facts, name, "it is to be a LUN", option="luns", code="source_not_found")
    found = facts.dataset(name) or Dataset(name, VOLUME, guid=CHOSEN_BY_HOST, noun="zvol")
    if found.type != VOLUME:
        raise HostError("invalid", f"luns: {name} is a {found.type}, not a volume", option="luns")
    if not found.noun:
        msg = f"{name} was not made by {facts.owner}, so it is not exported: adopt it first, with zvol and adopt true"
        raise HostError("foreign_name", msg, option="luns")
    serial, naa = _identity(found)
    return Lun(
        name=full_name(facts.owner, name),
        path=_names.device_of(name),
        blocksize=wanted.blocksize,
        serial=serial,
        device_id=serial,
        naa=naa,
        readonly=wanted.readonly,
    )


def _identity(found: Dataset) -> tuple[str, str]:
    """Return serial and NAA of the GUID: initiators know the disk by them, whatever its volume is called."""
    if found.guid == CHOSEN_BY_HOST:
        return CHOSEN_BY_HOST, CHOSEN_BY_HOST
    digest = hashlib.sha256(found.guid.encode("ascii")).hexdigest()
    return f"{int(found.guid):016x}", _names.naa_of(digest)


def _check_luns(facts: Facts, target: Target) -> None:
    """Refuse another form of a LUN that is in use: ctld would take the disk away from those who have it."""
    named = known_section(facts).named.values()
    known = {lun.name: lun for each in named if isinstance(each, Target) for lun in each.luns.values()}
    for lun in target.luns.values():
        old = known.get(lun.name, lun)
        for option in ("blocksize", "readonly"):
            expected, actual = getattr(lun, option), getattr(old, option)
            if expected != actual:
                raise HostError(
                    "exists_differently",
                    f"{lun.path} is exported with {option} {actual}, not {expected}: remove it from its targets first",
                    option="luns",
                    expected=expected,
                    actual=actual,
                )


def _check_room(facts: Facts, target: Target) -> None:
    """Raise `HostError` if the kernel's tables would not hold the target (ctl(4))."""
    kernel = known_kernel(facts)
    ports = sum(port.target != target.name for port in kernel.ports) + len(target.portal_groups)
    luns = {lun.name or f"#{lun.id}" for lun in kernel.luns} | {lun.name for lun in target.luns.values()}
    for what, number, limit in (("ports", ports, kernel.max_ports), ("luns", len(luns), kernel.max_luns)):
        if number > limit:
            msg = f"{number} {what} would be needed, the kernel has {limit}: raise kern.cam.ctl.max_{what} in "
            raise HostError("limit_reached", f"{msg}/boot/loader.conf and reboot", expected=limit, actual=number)


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    groups = tuple(entries.check_name(name, "portal_groups") for name in options["portal_groups"])
    if not groups or len(set(groups)) != len(groups):
        invalid("portal_groups", "each has to be there once, and at least one")
    alias = options["alias"]
    if alias and (not alias.isascii() or not alias.isprintable() or set(alias) & set('"<>&')):
        invalid("alias", f"{alias!a} has characters that ctl.conf cannot hold")
    return _Wanted(
        name=_target_name(options["name"]),
        alias=alias,
        auth_group=entries.check_name(options["auth_group"], "auth_group"),
        portal_groups=groups,
        luns=_luns(options["luns"]),
    )


def _absent(options: Options) -> Wish:
    return _Unwanted(_target_name(options["name"]))


def _target_name(name: str) -> str:
    if not _names.INITIATOR.fullmatch(name):
        invalid("name", f"{name!a} is not an iSCSI name like iqn.2026-01.org.example:disks (RFC 7143, 4.2.7)")
    if name.startswith(_names.IQN_PREFIX):
        invalid("name", f"names that begin with {_names.IQN_PREFIX} belong to publications")
    return name


def _luns(luns: list[Mapping[str, Any]]) -> dict[int, _LunWanted]:
    if not luns:
        invalid("luns", "a target without LUNs is of no use")
    found: dict[int, _LunWanted] = {}
    for lun in luns:
        number = lun["number"]
        if number in found or not 0 <= number < _LUN_NUMBERS:
            invalid("luns", f"number {number}: each has to be there once, from 0 to {_LUN_NUMBERS - 1}")
        found[number] = _LunWanted(datasets.check_name(lun["zvol"], option="luns"), lun["blocksize"], lun["readonly"])
    if len({lun.zvol for lun in found.values()}) != len(found):
        invalid("luns", "each zvol has to be there once")
    return found


def _nouns(facts: Facts) -> list[NounDict]:
    return entries.nouns_of(facts, Target)


KIND = Kind(
    name=NOUN,
    spec={
        "name": entries.NAME,
        "alias": {"type": "str", "default": ""},
        "auth_group": {"type": "str"},
        "portal_groups": {"type": "list", "elements": "str"},
        "luns": {
            "type": "list",
            "elements": "dict",
            "options": {
                "number": {"type": "int", "required": True},
                "zvol": {"type": "str", "required": True},
                "blocksize": {"type": "int", "choices": [512, 4096], "default": 512},
                "readonly": {"type": "bool", "default": False},
            },
        },
    },
    required=("auth_group", "portal_groups", "luns"),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
