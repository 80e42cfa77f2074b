# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compares what is wanted with what the kernel shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from .model import Export, Kernel, Lun, Port


def unmet(exports: Iterable[Export], kernel: Kernel) -> dict[str, str]:
    """Return the targets that are not, or not rightly, shown, each with what is wrong."""
    ports: dict[str, Port] = {port.target: port for port in kernel.ports if port.target}
    luns: dict[int, Lun] = {lun.id: lun for lun in kernel.luns}
    problems = ((export.target, _problem(export, ports, luns)) for export in exports)
    return {target: problem for target, problem in problems if problem}


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


def vanished(before: Kernel, after: Kernel, prefix: str) -> tuple[str, ...]:
    """Return the targets of others that were there before and are there no more."""
    left = _targets(after)
    return tuple(sorted(t for t in _targets(before) - left if not t.startswith(prefix)))


def _targets(kernel: Kernel) -> frozenset[str]:
    return frozenset(port.target for port in kernel.ports if port.target)


def _problem(export: Export, ports: Mapping[str, Port], luns: Mapping[int, Lun]) -> str:
    port = ports.get(export.target)
    if port is None:
        return "the kernel shows no port for it"
    if not port.online:
        return "its port is offline"
    lun = luns.get(port.luns.get(0, -1))
    return "its port has no LUN 0" if lun is None else _lun_problem(export, lun)


def _lun_problem(export: Export, lun: Lun) -> str:
    if lun.name != export.lun:
        return f"its port leads to the LUN {lun.name!a}"
    if lun.path != export.path:
        return f"its LUN leads to {lun.path!a}, not to {export.path}"
    if lun.size_blocks == 0:
        return f"its LUN has no medium: {export.path} cannot be opened"
    if (lun.serial, lun.blocksize) != (export.serial, export.blocksize):
        return f"its LUN has serial {lun.serial!a} and blocksize {lun.blocksize}"
    return ""
