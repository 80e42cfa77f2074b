"""
Makes a volume on one of several storage hosts, and never a second one.

A volume of that name that some host has already wins. Else the hosts are asked in their order, each
only after the better one refused for good and has kept that refusal: a retry is refused there again,
whatever room there is then, while the volume may be on a host that cannot be asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError
from csi_driver.storage.model import Placement
from csi_driver.storage.placement import next_host

if TYPE_CHECKING:
    from csi_driver.storage.asking import Asker
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import Volume, VolumeRequest


@dataclass(frozen=True, slots=True)
class Placer:
    """Places volumes on the hosts behind `backend`; the `drained` ones get no new volumes."""

    backend: StorageBackend
    asker: Asker
    drained: frozenset[str]

    def create(self, ranking: tuple[str, ...], request: VolumeRequest, *, deadline: float) -> Volume:
        """Make the volume on the best of the hosts that can, or return the one of that name if it is compatible."""
        best, *others = ranking
        if not others:
            return self._ask(best, request, Placement(), deadline)
        found = self._found(others, request.name, deadline)
        for host, volume in found.items():
            if volume is not None:
                return self._ask(host, request, Placement(), deadline)
        return self._walk(ranking, request, frozenset(found), deadline)

    def _walk(self, ranking: tuple[str, ...], request: VolumeRequest, asked: frozenset[str], deadline: float) -> Volume:
        refusals: dict[str, DriverError] = {}
        while True:
            host = next_host(ranking, refusals)
            seen = (asked | refusals.keys()) - {host}
            unseen = frozenset(ranking) - seen - {host}
            placement = Placement(seen=seen, unseen=unseen, passes_on=host != ranking[-1])
            try:
                return self._ask(host, request, placement, deadline)
            except DriverError as error:
                refusals[host] = error

    def _ask(self, host: str, request: VolumeRequest, placement: Placement, deadline: float) -> Volume:
        placed = replace(request, placement=replace(placement, closed=host in self.drained))
        return self.backend.create_volume(host, placed, deadline=deadline)

    def _found(self, hosts: list[str], name: str, deadline: float) -> dict[str, Volume | None]:
        """Return what the hosts that can be asked have under the name."""
        answers = self.asker.ask(
            lambda host, until: self.backend.find_volume(host, name, deadline=until), hosts, deadline=deadline
        )
        return {host: answer for host, answer in answers.items() if not isinstance(answer, DriverError)}
