"""
The health of volumes as their storage hosts see it, by the rules of CSI.

A host that cannot be asked, or does not know, is an error: no volume is ever called well for want of knowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.storage import hosts
from csi_driver.storage.ids import VolumeId

if TYPE_CHECKING:
    from csi_driver.config import Config
    from csi_driver.storage.backend import StorageBackend
    from csi_driver.storage.model import Listing, Page, VolumeHealth


class HealthService:
    """What ails the volumes of one cluster. All methods raise `DriverError` only."""

    def __init__(self, config: Config, backend: StorageBackend) -> None:
        self._config = config
        self._backend = backend

    def get(self, volume_id: str, *, deadline: float) -> VolumeHealth:
        """Return what ails the volume, or raise `NOT_FOUND`."""
        volume = hosts.configured(self._config, VolumeId.parse(volume_id))
        return self._backend.volume_health(volume, deadline=deadline)

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[VolumeHealth]:
        """
        Return up to `max_entries` (0: all) volumes that are not well, over all hosts; never a part of them.

        Raises `STALE_TOKEN` for a token that this did not return.
        """

        def read(host: str, after: str | None, limit: int) -> Page[VolumeHealth]:
            return self._backend.list_volume_health(host, after=after, limit=limit, deadline=deadline)

        start = hosts.starting_after(self._config, VolumeId, starting_token)
        return hosts.listing(self._config.hosts_in_service, read, start=start, max_entries=max_entries)
