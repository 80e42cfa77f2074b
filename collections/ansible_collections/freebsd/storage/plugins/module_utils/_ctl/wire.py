# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The seam as JSON, between a module that is not root and the program that is.

The owner is said once and names are left out: only what distinguishes one export from another is
told, and both sides make the names of it. So a name of somebody else cannot even be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from .. import _names
from .model import Daemon, Export, Kernel, Lun, Port
from .seam import Comparison, Settled, Wanted

PROTOCOL = 3  # raised whenever the two sides would misunderstand each other
NO_CHAP = "none"
SECONDS_LIMIT = 600  # for one request
_DEVICES = _names.device_of("")
_HIDDEN_PORT = Port(-1, "", online=False, target="", luns={}, initiators=())
_HIDDEN_LUN = Lun(-1, "", "", 0, 0, "", "")


def told_wanted(wanted: Wanted) -> dict[str, object]:
    """Return what is to hold, as it is told to the program; what people named stays as it is."""
    if wanted.named is not None:
        raise ValueError("what people named is not told")
    prefix = _names.target_prefix(wanted.owner)
    luns = _names.lun_of(wanted.owner, "")
    return {
        "exports": [_told_export(wanted.owner, export) for export in wanted.exports],
        "additions": _cut(prefix, wanted.additions),
        "confirm": _cut(prefix, wanted.confirm),
        "gone": _cut(prefix, wanted.gone),
        "gone_luns": _cut(luns, wanted.gone_luns),
        "sizes": {lun[len(luns) :]: size for lun, size in sorted(wanted.sizes.items())},
        "chap": {target[len(prefix) :]: chap._asdict() for target, chap in sorted(wanted.chap.items())},
        "complete": wanted.complete,
    }


def told_kernel(kernel: Kernel, owner: str, parents: AbstractSet[str]) -> dict[str, object]:
    """Return of the kernel's tables what concerns the owner: of what others have, the number, and what is his of it."""
    ports = [port for port in kernel.ports if port.target.startswith(_names.target_prefix(owner))]
    luns = [lun for lun in kernel.luns if lun.name.startswith(_names.lun_of(owner, ""))]
    below = tuple(_names.device_of(f"{parent}/") for parent in parents)
    return {
        "pid": kernel.daemon.pid,
        "ucl": kernel.daemon.ucl,
        "ports": [{**port._asdict(), "luns": list(port.luns.items())} for port in ports],
        "luns": [lun._asdict() for lun in luns],
        "other_ports": len(kernel.ports) - len(ports),
        "other_luns": len(kernel.luns) - len(luns),
        "other_paths": [lun.path for lun in kernel.luns if lun not in luns and lun.path.startswith(below)],
        "max_ports": kernel.max_ports,
        "max_luns": kernel.max_luns,
        "proven": sorted(target for target in kernel.proven if target.startswith(_names.target_prefix(owner))),
    }


def heard_kernel(told: Mapping[str, Any]) -> Kernel:
    """Return the kernel as the program told it; what others have is there without a name."""
    ports = [_heard_port(port) for port in told["ports"]] + [_HIDDEN_PORT] * int(told["other_ports"])
    paths = [*told["other_paths"], *[""] * (int(told["other_luns"]) - len(told["other_paths"]))]
    luns = [Lun(**lun) for lun in told["luns"]] + [_HIDDEN_LUN._replace(path=path) for path in paths]
    daemon = Daemon(told["pid"], ucl=told["ucl"])
    limits = {"max_ports": told["max_ports"], "max_luns": told["max_luns"]}
    return Kernel(daemon, tuple(ports), tuple(luns), **limits, proven=frozenset(told["proven"]))


def told_comparison(comparison: Comparison) -> dict[str, object]:
    """Return what differs."""
    return {**comparison._asdict(), "unwritten": sorted(comparison.unwritten)}


def heard_comparison(told: Mapping[str, Any]) -> Comparison:
    """Return what differs, as the program told it."""
    return Comparison(**{**told, "unwritten": frozenset(told["unwritten"])})


def told_settled(settled: Settled) -> dict[str, object]:
    """Return what came of it."""
    return {**settled._asdict(), "mended": sorted(settled.mended)}


def heard_settled(told: Mapping[str, Any]) -> Settled:
    """Return what the program told of what came of it."""
    values = {**told, "mended": frozenset(told["mended"]), "vanished": tuple(told["vanished"])}
    return Settled(**values)


def export_of(owner: str, told: Mapping[str, Any]) -> Export:
    """Return the export with all its names; the values told must have been checked."""
    token, uuid = told["token"], told["uuid"]
    return Export(
        target=_names.target_of(owner, token),
        auth_group=_names.auth_group_of(owner, token),
        initiator=told["initiator"],
        portal_group=told["portal_group"],
        lun=_names.lun_of(owner, uuid),
        path=_names.device_of(told["dataset"]),
        blocksize=told["blocksize"],
        serial=_names.serial_of(uuid),
        device_id=uuid,
        naa=_names.naa_of(uuid),
        readonly=told["readonly"],
        chap=None if told["chap"] == NO_CHAP else told["chap"],
    )


def _told_export(owner: str, export: Export) -> dict[str, object]:
    told = {
        "token": export.target[len(_names.target_prefix(owner)) :],
        "uuid": export.device_id,
        "initiator": export.initiator,
        "portal_group": export.portal_group,
        "dataset": export.path[len(_DEVICES) :],
        "blocksize": export.blocksize,
        "readonly": export.readonly,
        "chap": export.chap or NO_CHAP,
    }
    if export_of(owner, told) != export:
        raise ValueError("an export has names that do not follow from its token and uuid")
    return told


def _heard_port(told: Mapping[str, Any]) -> Port:
    luns = {int(number): int(lun) for number, lun in told["luns"]}
    return Port(**{**told, "luns": luns, "initiators": tuple(told["initiators"])})


def _cut(prefix: str, names: frozenset[str]) -> list[str]:
    return sorted(name[len(prefix) :] for name in names)
