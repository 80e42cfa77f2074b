# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compares what is wanted with what the kernel shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from . import sections
from .model import Export, Kernel, Lun, Port
from .sections import AuthGroup, Entry, PortalGroup, Target, target_of


def unmet(entries: Iterable[Entry], kernel: Kernel) -> dict[str, str]:
    """Return the entries that are not, or not rightly, shown, by key, each with what is wrong."""
    ports: dict[str, list[Port]] = {}
    for port in kernel.ports:
        ports.setdefault(port.target, []).append(port)
    luns: dict[int, Lun] = {lun.id: lun for lun in kernel.luns}
    problems = ((entry.key, _problem(entry, ports, luns)) for entry in entries)
    return {key: problem for key, problem in problems if problem}


def lingering(targets: AbstractSet[str], luns: AbstractSet[str], kernel: Kernel) -> dict[str, str]:
    """Return the targets and LUNs that should be gone and are not."""
    ports = {port.target for port in kernel.ports}
    names = {lun.name for lun in kernel.luns}
    return {
        **dict.fromkeys(targets & ports, "its port is still there"),
        **dict.fromkeys(targets & kernel.sessions, "a session is still there"),
        **dict.fromkeys(luns & names, "the LUN is still there"),
    }


def small(sizes: Mapping[str, int], kernel: Kernel) -> dict[str, str]:
    """Return the LUNs that are shown with fewer bytes than they have to have."""
    shown = {lun.name: lun.size_blocks * lun.blocksize for lun in kernel.luns}
    return {
        name: f"the kernel shows {shown[name]} bytes"
        for name, size in sizes.items()
        if name in shown and shown[name] < size
    }


def vanished(before: Kernel, after: Kernel, prefix: str, gone: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
    """Return the targets of others that were there before and are there no more; `gone` was to be."""
    left = _targets(after) | gone
    return tuple(sorted(t for t in _targets(before) - left if not t.startswith(prefix)))


def _targets(kernel: Kernel) -> frozenset[str]:
    return frozenset(port.target for port in kernel.ports if port.target)


def _problem(entry: Entry, ports: Mapping[str, Sequence[Port]], luns: Mapping[int, Lun]) -> str:
    if isinstance(entry, (PortalGroup, AuthGroup)):
        return ""  # The kernel shows neither.
    target = target_of(entry) if isinstance(entry, Export) else entry
    shown = ports.get(target.name, ())
    if not shown:
        return "the kernel shows no port for it"
    odd = {port.portal_group for port in shown} ^ set(target.portal_groups)
    if odd:
        return f"its ports are not those of its portal-groups: {', '.join(sorted(odd))}"
    return next((problem for port in shown if (problem := _port_problem(target, port, luns))), "")


def _port_problem(target: Target, port: Port, luns: Mapping[int, Lun]) -> str:
    if not port.online:
        return "its port is offline"
    for number, wanted in target.luns.items():
        lun = luns.get(port.luns.get(number, -1))
        problem = f"its port has no LUN {number}" if lun is None else _lun_problem(wanted, lun)
        if problem:
            return problem
    more = sorted(port.luns.keys() - target.luns.keys())
    return f"its port still has LUN {more[0]}" if more else ""


def _lun_problem(wanted: sections.Lun, lun: Lun) -> str:
    if lun.name != wanted.name:
        return f"its port leads to the LUN {lun.name!a}"
    if lun.path != wanted.path:
        return f"its LUN leads to {lun.path!a}, not to {wanted.path}"
    if lun.size_blocks == 0:
        return f"its LUN has no medium: {wanted.path} cannot be opened"
    if (lun.serial, lun.blocksize) != (wanted.serial, wanted.blocksize):
        return f"its LUN has serial {lun.serial!a} and blocksize {lun.blocksize}"
    return ""
