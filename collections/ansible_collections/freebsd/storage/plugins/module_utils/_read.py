# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One read of a host: ZFS always, the target layer where it matters."""

from __future__ import annotations

import time
from typing import Optional

from . import _names, _settings
from ._ctl.model import Kernel
from ._ctl.plan import LOST, exports_of, is_lost
from ._ctl.plan_exports import everything
from ._ctl.seam import CtlHost
from ._facts import facts_of
from ._state import Facts, known_kernel
from ._zfs import api, parse
from ._zfs.model import Drift
from .command import Commands
from .errors import HostError


def read_facts(  # noqa: PLR0913 - each says what to look at
    commands: Commands,
    ctl: Optional[CtlHost],
    *,
    owner: str,
    parent: str,
    settings_dir: str,
    by_name: bool = False,
    compare: bool = False,
) -> Facts:
    """
    Return what the host is like for this owner.

    `by_name`: with what people named in ctl.conf; `compare`: with how the exports differ from what is recorded.

    Raise `HostError` unless the parent dataset was read and is the registered one: what is not seen
    there must not be taken for gone.
    """
    reading = commands.start(api.read(parent))
    kernel: Optional[Kernel] = None
    kernel_problem: Optional[HostError] = None
    try:
        kernel = ctl.observe() if ctl is not None else None
    except HostError as error:
        kernel_problem = error
    finally:
        done = reading.wait()
    problem = parse.failure(done)
    if problem is not None:
        raise _unread(problem)
    inventory = parse.inventory(done.out, parent, owner)
    _settings.check_parent(settings_dir, parent, inventory.parent_guid)
    facts = facts_of(inventory, owner, kernel)
    facts = facts._replace(kernel_problem=kernel_problem, now=int(time.time()), settings_dir=settings_dir)
    if by_name and ctl is not None and kernel is not None:
        facts = _with_section(facts, ctl, kernel)
    facts = facts._replace(drift=(*facts.drift, *_strays(facts), *_lost(facts)))
    return _compared(facts, ctl) if compare and ctl is not None and kernel_problem is None else facts


def _compared(facts: Facts, ctl: CtlHost) -> Facts:
    try:
        return facts._replace(comparison=ctl.compare(everything(facts), known_kernel(facts)))
    except HostError as error:
        return facts._replace(kernel_problem=error)


def _with_section(facts: Facts, ctl: CtlHost, kernel: Kernel) -> Facts:
    """Return the facts with what people named in ctl.conf, or why that is not known."""
    try:
        return facts._replace(section=ctl.section(facts.owner, kernel))
    except HostError as error:
        return facts._replace(section_problem=error)


def read_parent(commands: Commands, parent: str, settings_dir: str) -> int:
    """Return the bytes available below the parent; raise `HostError` unless it is the registered one."""
    done = commands.run(api.show_parent(parent))
    problem = parse.failure(done)
    if problem is not None:
        raise _unread(problem)
    inventory = parse.inventory(done.out, parent, "")
    _settings.check_parent(settings_dir, parent, inventory.parent_guid)
    return inventory.available_bytes


def _unread(problem: HostError) -> HostError:
    """Return the error for a parent that could not be read: a missing one proves nothing."""
    if problem.code != "not_found":
        return problem
    return HostError("degraded", f"{problem.msg}; import the pool, or {_settings.REMEDY}")


def _lost(facts: Facts) -> list[Drift]:
    """Return the publications that are not exported for want of their CHAP secret."""
    return [
        Drift("lost_secret", _names.masked_target(export.target), f"it leads to volume {export.device_id}: {LOST}")
        for export in exports_of(facts)
        if is_lost(facts.kernel, export)
    ]


def _strays(facts: Facts) -> list[Drift]:
    """Return the ports of ours that no record names."""
    recorded = {
        _names.target_of(facts.owner, record.token) for volume in facts.volumes.values() for record in volume.records
    }
    leading = {target: f"leads to volume {uuid}" for uuid, targets in facts.shown.items() for target in targets}
    leading.update(dict.fromkeys(facts.loose, "leads to no volume"))
    return [
        Drift("stray_port", _names.masked_target(target), f"it {where} and has no record")
        for target, where in sorted(leading.items())
        if target not in recorded
    ]
