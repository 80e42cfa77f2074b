"""Everything that was promised is there, and only that: as the driver lists it, as the host has it, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from csi_driver.proto import csi_pb2 as pb
from tests.harness.client import Cluster
from tests.harness.leaks import BUILT_IN_PORTS
from tests.harness.stack import Stack
from tests.properties import disks
from tests.properties.model import Model
from tests.soak.ledger import host_of

SHOWN = 5


def broken_promises(stack: Stack, cluster: Cluster, model: Model) -> list[str]:
    """One line for each thing that is not as the users were told; nobody may be at work."""
    volumes = cluster.controller.ListVolumes(pb.ListVolumesRequest(), timeout=60).entries
    listed = {
        entry.volume.volume_id: (entry.volume.capacity_bytes, bool(entry.status.published_node_ids))
        for entry in volumes
    }
    snapshots = {one.snapshot_id: (one.source_volume_id, one.size_bytes) for one in cluster.snapshots()}
    return [
        *_differences("volume", listed, {one.id: (one.size_bytes, one.published) for one in model.volumes.values()}),
        *_differences(
            "snapshot", snapshots, {one.id: (one.source, one.size_bytes) for one in model.snapshots.values()}
        ),
        *_differences("device", _contents(stack), _promised_contents(model)),
        *_exports(stack, model),
    ]


def _contents(stack: Stack) -> dict[str, Any]:
    found = {}
    for name, host in stack.hosts.items():
        for uuid, device in disks.Disks(stack, host).devices().items():
            found[f"{name}:{uuid}"] = disks.read(device)
    return found


def _promised_contents(model: Model) -> dict[str, Any]:
    return {one.id: (one.size_bytes, one.content) for one in model.volumes.values()}


def _differences(what: str, found: Mapping[str, Any], promised: Mapping[str, Any]) -> Iterator[str]:
    """The first few: one reason often has many effects."""
    different = [name for name in sorted(found.keys() | promised.keys()) if found.get(name) != promised.get(name)]
    for name in different[:SHOWN]:
        yield f"{what} {name} is {found.get(name)}, promised was {promised.get(name)}"
    if len(different) > SHOWN:
        yield f"{what}s: {len(different) - SHOWN} more differ"


def _exports(stack: Stack, model: Model) -> Iterator[str]:
    """A published volume has one LUN and one port, another one none."""
    for name, host in stack.hosts.items():
        state = host.control("state")
        promised = sum(one.published for one in model.volumes.values() if host_of(one.id) == name)
        found = (len(state["luns"]), len(state["ports"]) - BUILT_IN_PORTS)
        if found != (promised, promised):
            yield f"{name} exports {found[0]} LUNs at {found[1]} ports, promised were {promised}"


def zvols(stack: Stack, host: str) -> Path:
    """Where the devices of a host's volumes are."""
    info = stack.hosts[host].info
    return Path(info["control"]).parent / "dev" / "zvol" / str(info["parent"])
