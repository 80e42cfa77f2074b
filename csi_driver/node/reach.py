"""What ails this node's way to each of its storage hosts, as far as the sessions it has tell. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.node.model import BackendCondition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from csi_driver.node.attach.attacher import Link


def storage_conditions(links: Iterable[Link], portals: Mapping[str, Sequence[str]]) -> tuple[BackendCondition, ...]:
    """
    Return what ails, each thing once for all hosts it concerns; `portals` are those of each host by its name.

    A host without a session is not judged: there is nothing of it here.
    """
    alive: dict[str, set[bool]] = {}
    for link in links:
        alive.setdefault(link.portal, set()).add(link.alive)
    unreachable, impaired = [], []
    for host, its in sorted(portals.items()):
        seen = set().union(*(alive.get(portal, set()) for portal in its))
        if seen == {False}:
            unreachable.append(host)
        elif False in seen:
            impaired.append(host)
    found = []
    if unreachable:
        message = f"no session with {', '.join(unreachable)} answers: check the storage host and the network to it"
        found.append(BackendCondition(unreachable=True, reason="StorageHostUnreachable", message=message))
    if impaired:
        message = f"some sessions with {', '.join(impaired)} do not answer: check the network to each of its portals"
        found.append(BackendCondition(unreachable=False, reason="SessionsLost", message=message))
    return tuple(found)
