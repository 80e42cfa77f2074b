# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One look at a host for what ails its volumes: its pool, its datasets and its target layer at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from . import _health
from ._ctl.seam import CtlHost
from ._read import read_facts
from ._state import Facts
from ._zfs import pools
from .command import Commands
from .errors import HostError


class Checkup(NamedTuple):
    """What was found; `facts` None: the datasets could not be read, and `health` has what was asked about alone."""

    health: _health.Health
    facts: Optional[Facts]


def checkup(commands: Commands, ctl: CtlHost, options: Mapping[str, Any]) -> Checkup:
    """
    Return the health of every volume; raise `HostError` where it cannot be told, rather than call a volume well.

    In a pool that works no more, no dataset can be read: then the one volume asked about, if any, is told of without
    knowing whether there is such a volume.
    """
    name = pools.pool_of(options["parent"])
    listing, status = commands.start(pools.list_pool(name)), commands.start(pools.pool_status(name))
    facts: Optional[Facts] = None
    problem: Optional[HostError] = None
    try:
        facts = read_facts(
            commands,
            ctl,
            owner=options["owner"],
            parent=options["parent"],
            settings_dir=options["settings_dir"],
        )
    except HostError as error:
        problem = error
    finally:
        listed, told = listing.wait(), status.wait()
    if facts is None:
        return _without_facts(pools.parse(name, listed, told), options["uuid"], problem)
    _check_kernel(facts)
    pool = pools.parse(name, listed, told)
    return Checkup(_health.health_of(facts, pool, options["nearly_full_percent"]), facts)


def _without_facts(pool: pools.Pool, uuid: Optional[str], problem: Optional[HostError]) -> Checkup:
    conditions = _health.unread(pool)
    if uuid is not None and conditions:
        return Checkup({uuid: conditions}, None)
    raise problem or HostError("internal", "the datasets were not read")


def _check_kernel(facts: Facts) -> None:
    """Raise `HostError` if nobody can say whether what is published is exported."""
    problem = facts.kernel_problem
    published = any(volume.records for volume in facts.volumes.values())
    # Where this user can export nothing, and has exported nothing, there is nothing to look at.
    if problem is not None and (published or problem.code != "unsupported"):
        raise problem
