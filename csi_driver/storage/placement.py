"""
Which storage host a new volume goes to.

Eligible hosts are ranked by rendezvous hashing of (cluster, volume name): every replica and every
retry ranks them alike, and adding a host moves few names.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode

if TYPE_CHECKING:
    from csi_driver.config import Config
    from csi_driver.storage.parameters import Parameters


def eligible(config: Config, parameters: Parameters) -> tuple[str, ...]:
    """Return the configured hosts that the parameters allow; raise `INVALID` if there is none."""
    if parameters.host is not None and parameters.host not in config.hosts:
        raise _nowhere("host", parameters.host, sorted(config.hosts))
    pools = sorted({host.pool for host in config.hosts.values()})
    if parameters.pool is not None and parameters.pool not in pools:
        raise _nowhere("pool", parameters.pool, pools)
    names = tuple(
        sorted(
            name
            for name, host in config.hosts.items()
            if parameters.host in (None, name) and parameters.pool in (None, host.pool)
        )
    )
    if not names:
        raise _nowhere("host", f"{parameters.host} with pool {parameters.pool}", sorted(config.hosts))
    return names


def ranked(hosts: tuple[str, ...], *, cluster: str, name: str) -> tuple[str, ...]:
    """Return the hosts, the best for this volume name first."""

    def weight(host: str) -> bytes:
        return hashlib.sha256(f"{cluster}\0{name}\0{host}".encode()).digest()

    return tuple(sorted(hosts, key=weight, reverse=True))


def _nowhere(key: str, value: str, known: list[str]) -> DriverError:
    message = f"StorageClass parameter {key} is {value!a}; configured are {', '.join(known) or 'none'}"
    return DriverError(ErrorCode.INVALID, message, option=f"parameters.{key}")
