# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Decides whether a volume may be made here that may be on another host as well. Pure.

Two things are kept on the parent dataset. A refusal after which another host was asked: it stands for as
long as the volume may be there, whatever room there is here. And the hosts that were once seen
together with this one: of a host never seen nobody knows what it was asked for before this one was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import HostError

# Longer than any run that was begun before the others were asked can take to end.
STANDS_SECONDS = 600
# A volume that nobody has asked for in so long is not waited for any more.
KEPT_SECONDS = 7 * 24 * 3600
# Of a refusal that is asked for again the time is written again, but not each time.
RENEWED_SECONDS = 24 * 3600

# After these another host may be asked: no volume was made, and none will be.
PASSED_ON = frozenset({"out_of_space", "limit_reached"})


class Placement(NamedTuple):
    """
    How this host stands among the others that may be asked for a volume.

    `seen` are those that have none of that name now, `unseen` those that cannot be asked. If this host
    refuses for good and `passes_on`, another is asked. A `closed` host makes no new volume.
    """

    seen: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()
    passes_on: bool = False
    closed: bool = False


class Kept(NamedTuple):
    """What is kept on the parent: the hosts seen together with this one, and refusals by property, with their time."""

    peers: frozenset[str] = frozenset()
    refusals: Mapping[str, int] = {}

    def outdated(self, now: int) -> list[str]:
        """Return the refusals that need not be kept any more."""
        return sorted(name for name, since in self.refusals.items() if now - since > KEPT_SECONDS)


def check_known(known: Kept, placement: Placement) -> None:
    """Raise `HostError` if a host that cannot be asked may have been asked before this one was there."""
    strangers = sorted(placement.unseen - known.peers)
    if strangers:
        raise HostError(
            "degraded",
            f"the volume may be on {', '.join(strangers)}, which cannot be asked and has not yet been seen together "
            "with this host; bring it back, or mark it as retired in the driver's configuration",
        )


def stands(known: Kept, placement: Placement, refusal: str, now: int) -> bool:
    """Return whether a kept refusal holds: the volume may be on a host that was asked after this one."""
    since = known.refusals.get(refusal)
    if since is None or not (placement.seen or placement.unseen):
        return False
    return bool(placement.unseen) or now - since < STANDS_SECONDS


def is_due(known: Kept, refusal: str, now: int) -> bool:
    """Return whether the time of a kept refusal is to be written again, because it is still asked for."""
    return now - known.refusals[refusal] > RENEWED_SECONDS


def standing_refusal(name: str) -> HostError:
    """Return the error for a volume that was refused here before."""
    return HostError(
        "out_of_space",
        f"volume {name!a} was refused here before, and another host may have it since; there it has to be asked for",
    )


def closed(name: str) -> HostError:
    """Return the error for a host that makes no new volumes."""
    return HostError("out_of_space", f"volume {name!a} is not made here: the host is drained, it gets no new volumes")
