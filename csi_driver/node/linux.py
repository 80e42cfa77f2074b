"""
A Linux node, put together from its parts.

It needs the commands of open-iscsi (with iscsid running), util-linux, e2fsprogs, xfsprogs and
diffutils, the host's /dev and /sys, and mounts that propagate to the host.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.attach.iscsi_linux import IscsiLinux
from csi_driver.node.filesystems import Filesystems
from csi_driver.node.health import HealthProbe
from csi_driver.node.host import LocalHost
from csi_driver.node.model import NodeInfo
from csi_driver.node.mounts.linux import LinuxMounter
from csi_driver.node.service import NodeService
from csi_driver.storage.ids import NodeId, initiator_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def linux_node(  # noqa: PLR0913 - each is a setting of its own, given by name
    *,
    cluster: str,
    name: str,
    addresses: Iterable[str],
    max_volumes: int = 0,
    topology: Mapping[str, str] = MappingProxyType({}),
    portals: Mapping[str, Sequence[str]] = MappingProxyType({}),
    nearly_full_percent: int = 90,
    sysfs: Path = Path("/sys"),
    dev: Path = Path("/dev"),
    root: Path = Path("/"),
) -> NodeService:
    """
    Return the node service of this machine.

    `portals` are those of each storage host by its name. `sysfs`, `dev` and `root` are where this
    process sees /sys, /dev and / of the machine.
    """
    host = LocalHost()
    initiator = initiator_name(cluster, name)
    attacher = IscsiLinux(host, cluster=cluster, initiator=initiator, sysfs=sysfs, dev=dev, root=root)
    mounter = LinuxMounter(host)
    return NodeService(
        info=NodeInfo(node_id=NodeId(name, tuple(addresses)), max_volumes=max_volumes, topology=topology),
        host=host,
        attacher=attacher,
        mounter=mounter,
        filesystems=Filesystems(host),
        health=HealthProbe(attacher, mounter, portals=portals, sysfs=sysfs, nearly_full_percent=nearly_full_percent),
    )


def source_addresses(portals: Iterable[str]) -> tuple[str, ...]:
    """
    Return the addresses from which this machine would reach the portals, each once.

    Nothing is sent: connecting a datagram socket only asks the routing table. `DEGRADED` if there
    is no route to any of them.
    """
    found = [address for portal in portals if (address := _source_address(portal))]
    if not found:
        message = "no storage portal can be reached from here; set node.addresses or fix the routes"
        raise DriverError(ErrorCode.DEGRADED, message)
    return tuple(dict.fromkeys(found))


def _source_address(portal: str) -> str | None:
    host, _, port = portal.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), int(port)))
        except OSError:  # no route from here; another portal may have one
            return None
        return str(probe.getsockname()[0])
