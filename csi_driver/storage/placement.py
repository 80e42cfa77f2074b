"""
Which storage host a new volume goes to.

Eligible hosts are ranked by rendezvous hashing of (cluster, volume name), after what the request
prefers: every replica and every retry ranks them alike, and adding a host moves few names. All here
is a pure function of configuration, request and answers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.config import Config
    from csi_driver.storage.parameters import Parameters

ANYWHERE = Topology()

# What a host answers that makes no volume of that name, now or later: it keeps such a refusal. Any
# other error leaves open whether the volume exists there, or may be made there by a retry.
PASSED_ON = frozenset({ErrorCode.OUT_OF_SPACE, ErrorCode.LIMIT_REACHED})


def eligible(config: Config, parameters: Parameters, topology: Topology = ANYWHERE) -> tuple[str, ...]:
    """
    Return the hosts in service that the parameters and the topology allow, also those that are drained.

    Raises `INVALID` if the parameters allow none, `OUT_OF_SPACE` if none of those is where it has to be.
    """
    allowed = _allowed(config, parameters)
    names = tuple(name for name in allowed if reachable(config.hosts[name].topology, topology.requisite))
    if not names:
        message = (
            f"the StorageClass allows the storage hosts {', '.join(allowed)}, and none of them can be reached from "
            f"where the volume is needed ({_told(topology.requisite)}); use another class, or other nodes"
        )
        raise DriverError(ErrorCode.OUT_OF_SPACE, message, option="accessibility_requirements")
    return names


def reachable(segments: Mapping[str, str], terms: tuple[Mapping[str, str], ...]) -> bool:
    """
    Return whether all of at least one term can reach what lies in these segments; no terms: who would not.

    A term is a set of nodes, those with its segments; nodes reach what has no segment that they have not.
    """
    return not terms or any(segments.items() <= term.items() for term in terms)


def ranked(
    config: Config, hosts: tuple[str, ...], *, name: str, preferred: tuple[Mapping[str, str], ...] = ()
) -> tuple[str, ...]:
    """Return the hosts, the best for this volume name first; those of an earlier preferred term before others."""

    def weight(host: str) -> tuple[int, bytes]:
        terms = [number for number, term in enumerate(preferred) if reachable(config.hosts[host].topology, (term,))]
        digest = hashlib.sha256(f"{config.cluster}\0{name}\0{host}".encode()).digest()
        return -min(terms, default=len(preferred)), digest

    return tuple(sorted(hosts, key=weight, reverse=True))


def next_host(ranking: tuple[str, ...], refusals: Mapping[str, DriverError]) -> str:
    """
    Return the host to ask for the volume next, given how those before it refused.

    Raises the first refusal after which no other may be asked; `OUT_OF_SPACE` that holds them all
    when every host has passed it on.
    """
    for host in ranking:
        refusal = refusals.get(host)
        if refusal is None:
            return host
        if refusal.code not in PASSED_ON or len(ranking) == 1:
            raise refusal
    told = "; ".join(f"{host}: {refusals[host].message}" for host in ranking)
    raise DriverError(ErrorCode.OUT_OF_SPACE, f"no storage host has room: {told}")


def _allowed(config: Config, parameters: Parameters) -> tuple[str, ...]:
    """Return the hosts that the parameters allow."""
    known = config.hosts_in_service
    if parameters.host in config.hosts and parameters.host not in known:
        message = f"StorageClass parameter host is {parameters.host!a}, which is retired; name another host"
        raise DriverError(ErrorCode.HOST_RETIRED, message, option="parameters.host")
    if parameters.host is not None and parameters.host not in known:
        raise _nowhere("host", parameters.host, sorted(known))
    pools = sorted({host.pool for host in known.values()})
    if parameters.pool is not None and parameters.pool not in pools:
        raise _nowhere("pool", parameters.pool, pools)
    names = tuple(
        sorted(
            name
            for name, host in known.items()
            if parameters.host in (None, name) and parameters.pool in (None, host.pool)
        )
    )
    if not names:
        raise _nowhere("host", f"{parameters.host} with pool {parameters.pool}", sorted(known))
    return names


def _nowhere(key: str, value: str, known: list[str]) -> DriverError:
    message = f"StorageClass parameter {key} is {value!a}; configured are {', '.join(known) or 'none'}"
    return DriverError(ErrorCode.INVALID, message, option=f"parameters.{key}")


def _told(terms: tuple[Mapping[str, str], ...]) -> str:
    return " or ".join(" and ".join(f"{key}={value}" for key, value in sorted(term.items())) for term in terms)
