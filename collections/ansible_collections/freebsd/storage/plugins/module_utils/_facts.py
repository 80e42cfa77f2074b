# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From what was read on a host to the facts on which plans are made. Pure."""

from __future__ import annotations

from typing import Optional

from . import _names
from ._ctl.model import Kernel
from ._state import Facts, active, by_name
from ._zfs.model import Copy, Inventory, Snapshot, Volume


def facts_of(inventory: Inventory, owner: str, kernel: Optional[Kernel]) -> Facts:
    """Return the facts that one read of ZFS, and of the kernel if it was needed, shows."""
    volumes: dict[str, Volume] = {volume.uuid: volume for volume in inventory.volumes}
    counts = [active(volume.records) for volume in inventory.volumes]
    facts = Facts(
        owner=owner,
        parent=inventory.parent,
        parent_guid=inventory.parent_guid,
        volumes=volumes,
        names={volume.name: volume.uuid for volume in inventory.volumes},
        datasets=inventory.datasets,
        drift=inventory.drift,
        available_bytes=inventory.available_bytes,
        unreadable=inventory.unreadable,
        exports=sum(counts),
        exported=sum(map(bool, counts)),
        snapshots={each.uuid: each for each in inventory.snapshots if each.listed},
        snapshot_names=by_name(each for each in inventory.snapshots if each.listed),
        taken=_by_source(inventory.snapshots),
        trash=inventory.trash,
        used_bytes=inventory.used_bytes,
        properties=inventory.properties,
        known=inventory.known,
        copying=inventory.copying,
        idle=inventory.idle,
    )
    facts = _with_copies(facts, inventory.copies)
    return facts if kernel is None else _with_kernel(facts, kernel)


def _with_copies(facts: Facts, copies: tuple[Copy, ...]) -> Facts:
    """A snapshot that is where it is to be is told of as it is there."""
    listed, names = facts.snapshots, facts.snapshot_names
    for copy in copies:
        facts = facts.with_copy(copy)
    return facts._replace(
        snapshots={**facts.snapshots, **listed},
        snapshot_names={**facts.snapshot_names, **names},
        fresh=frozenset(),
    )


def _with_kernel(facts: Facts, kernel: Kernel) -> Facts:
    lun_prefix = _names.lun_of(facts.owner, "")
    uuids = {lun.id: lun.name[len(lun_prefix) :] for lun in kernel.luns if lun.name.startswith(lun_prefix)}
    shown: dict[str, set[str]] = {uuid: set() for uuid in uuids.values()}
    loose: set[str] = set()
    prefix = _names.target_prefix(facts.owner)
    ours = [port for port in kernel.ports if port.target.startswith(prefix)]
    for port in ours:
        known = [uuids[lun] for lun in port.luns.values() if lun in uuids]
        for uuid in known:
            shown[uuid].add(port.target)
        loose.update([] if known else [port.target])
    return facts._replace(
        kernel=kernel,
        shown={uuid: frozenset(targets) for uuid, targets in shown.items()},
        loose=frozenset(loose),
        strange_ports=len(kernel.ports) - len(ours),
        strange_luns=len(kernel.luns) - len(uuids),
    )


def _by_source(snapshots: tuple[Snapshot, ...]) -> dict[str, tuple[Snapshot, ...]]:
    found: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        found.setdefault(snapshot.home, []).append(snapshot)
    return {source: tuple(each) for source, each in found.items()}
