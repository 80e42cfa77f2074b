# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides whether what is exported is what is recorded, all of it and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from .. import _names
from .._changes import Change
from .._state import Facts, NextRound, Plan, RestoreExports, known_kernel
from ..errors import HostError
from .plan import check_running, exports_of
from .seam import Wanted

NounDict = dict[str, object]

_CONFIGURATION = "the configuration of ctld"


class ExportsWanted(NamedTuple):
    """Everything that is recorded, exported as it is recorded; and what the owner named, as it was named."""

    def plan(self, facts: Facts) -> Plan:
        """Have it brought about; how it differs is told by a comparison that was made when the host was read."""
        known_kernel(facts)
        check_running(facts)
        if facts.makers or facts.unsettled or facts.entered:
            raise NextRound
        amiss = list(_amiss(facts))
        step = RestoreExports(everything(facts).gone, due=bool(amiss))
        change = Change(_noun(facts, amiss), _noun(facts, []), due=bool(amiss))
        return Plan(facts, (step,), None, change=change)


def everything(facts: Facts) -> Wanted:
    """Return what the target layer has to bring about when all that is recorded is to be exported."""
    exports = exports_of(facts)
    targets = frozenset(export.target for export in exports)
    none: frozenset[str] = frozenset()
    ours = (
        port.target for port in known_kernel(facts).ports if port.target.startswith(_names.target_prefix(facts.owner))
    )
    gone = frozenset(ours) - targets
    return Wanted(facts.owner, exports, none, targets, gone, none, confirm_named=True)


def object_of(facts: Facts, key: str) -> str:
    """Return what an entry is for people: a volume and a node, or its name without a token."""
    for volume in facts.volumes.values():
        for record in volume.records:
            if _names.target_of(facts.owner, record.token) == key:
                return f"{volume.dataset} to {_names.node_name(record.node).rstrip('@')}"
    return _names.masked_target(key)


def _amiss(facts: Facts) -> Iterator[NounDict]:
    """Yield what is not as it should be, in one order."""
    found = facts.comparison
    if found is None:
        raise HostError("internal", "the configuration of ctld was not compared")
    for key in sorted(found.unwritten, key=lambda key: object_of(facts, key)):
        yield _odd(object_of(facts, key), f"it does not stand in {_CONFIGURATION} as it should")
    if found.strange:
        yield _odd(
            _CONFIGURATION, f"the part of {facts.owner} holds something else, or lies where ctld does not see it"
        )
    for key, why in sorted(found.unmet.items()):
        yield _odd(object_of(facts, key), why)
    for key, why in sorted(found.lingering.items()):
        yield _odd(object_of(facts, key), f"nothing recorded asks for it: {why}")


def _odd(what: str, msg: str) -> NounDict:
    return {"object": what, "msg": msg}


def _noun(facts: Facts, amiss: list[NounDict]) -> NounDict:
    return {"publications": facts.exports, "volumes": facts.exported, "amiss": amiss}


def problem(facts: Facts, reasons: dict[str, str], *, refused: bool) -> Optional[HostError]:
    """Return the error for exports that could not be brought about, by key, if there are any."""
    if not reasons:
        return None
    told = [f"{object_of(facts, key)}: {why}" for key, why in sorted(reasons.items())]
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""  # noqa: PLR2004 - enough to see what is meant
    msg = f"{len(told)} exports are not as they should be: {'; '.join(told[:3])}{more}"
    return HostError("unsupported" if refused else "degraded", msg)
