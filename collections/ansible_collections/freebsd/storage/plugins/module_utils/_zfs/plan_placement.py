# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is kept here about other hosts when a volume is made or refused. Pure."""

from __future__ import annotations

from typing import Optional

from .. import _names
from .._state import Facts, Meet, Note, Plan, Refuse
from .placement import Placement, check_known, closed, is_due, standing_refusal, stands


def plan_refusal(facts: Facts, name: str, placement: Placement) -> Optional[Plan]:
    """Return the plan to refuse the volume where that is to be kept, or raise the refusal; None if it can be made."""
    refusal = refusal_of(facts, name)
    check_known(facts.known, placement)
    if stands(facts.known, placement, refusal.name, facts.now):
        error, keep = standing_refusal(name), is_due(facts.known, refusal.name, facts.now)
    elif placement.closed:
        error, keep = closed(name), placement.passes_on
    else:
        return None
    if not keep:
        raise error
    return Plan(facts, (Refuse(refusal, error),), None)


def refusal_of(facts: Facts, name: str) -> Note:
    """Return what is kept of the refusal of a volume."""
    return Note(_names.refusal_property(facts.owner, name), f"{facts.owner}:{facts.now}")


def plan_meeting(facts: Facts, placement: Placement) -> tuple[Facts, tuple[Meet, ...]]:
    """Return the facts and the step that keep which hosts were seen, if some are new."""
    peers = facts.known.peers | placement.seen
    if peers == facts.known.peers:
        return facts, ()
    step = Meet(Note(_names.peers_property(facts.owner), ",".join(sorted(peers))))
    return facts._replace(known=facts.known._replace(peers=peers)), (step,)
