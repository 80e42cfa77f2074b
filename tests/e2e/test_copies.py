"""Full copies through the whole system: whatever is killed, they go on, and come to be where they belong."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from csi_driver.proto import csi_pb2 as pb
from tests.e2e.test_snapshots import refused
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.client import Cluster

MIB = 1 << 20
CONTENT = os.urandom(MIB) * 4
COPY = {"cloneMode": "copy"}
DETACHED = {"detached": "true"}
PATIENCE = 60.0


def device(stack: Stack, name: str) -> str:
    """The file behind a volume of the simulated host."""
    return f"{stack.directory}/host/dev/zvol/tank/csi/{name}"


def holds_the_content(stack: Stack, name: str) -> bool:
    """Whether the volume begins with the content, and holds nothing else."""
    with open(device(stack, name), "rb") as file:  # noqa: PTH123 - a device
        return file.read(len(CONTENT)) == CONTENT and not file.read(MIB).strip(b"\0")


def slow(stack: Stack, rate: int = MIB) -> None:
    """Let the next copy take seconds."""
    stack.host.control("fault", point="stream.send", action="slow", rate=rate)


def until(ask: Callable[[], bool]) -> None:
    """Ask again until it is so."""
    end = time.monotonic() + PATIENCE
    while not ask():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def volume(stack: Stack, cluster: Cluster) -> Iterator[pb.Volume]:
    """A volume with content, deleted in the end."""
    made = cluster.create("source", 64 * MIB)
    with open(device(stack, "source"), "r+b") as file:  # noqa: PTH123 - a device
        file.write(CONTENT)
    yield made
    cluster.delete(made.volume_id)


def test_copies_of_a_volume_and_of_a_snapshot_have_their_own_blocks(
    stack: Stack, cluster: Cluster, volume: pb.Volume
) -> None:
    """In one call each; their source and its snapshot can go at once, and free what they held."""
    snapshot = cluster.snapshot("kept", volume.volume_id)
    copied = cluster.create("copied", 96 * MIB, source=volume, parameters=COPY)
    restored = cluster.create("restored", MIB, source=snapshot, parameters=COPY)
    assert (copied.capacity_bytes, restored.capacity_bytes) == (96 * MIB, 64 * MIB)
    assert restored.content_source.snapshot.snapshot_id == snapshot.snapshot_id
    assert cluster.create("copied", 96 * MIB, source=volume, parameters=COPY) == copied
    assert refused(lambda: cluster.create("copied", 96 * MIB, source=volume)) == "ALREADY_EXISTS"
    for name in ("copied", "restored"):
        assert holds_the_content(stack, name)
        assert stack.host.run("zfs", "get", "-H", "-o", "value", "origin", f"tank/csi/{name}")["out"] == "-\n"
    cluster.delete_snapshot(snapshot.snapshot_id)
    assert stack.host.run("zfs", "list", "-H", "-r", "-t", "snapshot", "-o", "name", "tank/csi")["out"] == ""
    cluster.delete(copied.volume_id)
    cluster.delete(restored.volume_id)


def test_a_copy_that_takes_longer_than_the_deadline_is_aborted_and_found_again(
    stack: Stack, cluster: Cluster, volume: pb.Volume
) -> None:
    """The message tells how far it is; meanwhile nobody sees it and nobody waits for it."""
    slow(stack)
    with pytest.raises(grpc.RpcError) as caught:
        cluster.create("copied", 64 * MIB, source=volume, parameters=COPY, timeout=4)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert "MiB" in caught.value.details()
    begun = time.monotonic()
    other = cluster.create("other", MIB)
    assert time.monotonic() - begun < 3
    listed = cluster.controller.ListVolumes(pb.ListVolumesRequest()).entries
    assert {entry.volume.volume_id for entry in listed} == {volume.volume_id, other.volume_id}
    made = cluster.create("copied", 64 * MIB, source=volume, parameters=COPY)
    assert holds_the_content(stack, "copied")
    cluster.delete(other.volume_id)
    cluster.delete(made.volume_id)


def test_a_copy_outlives_the_controller_and_the_host_and_its_source(
    stack: Stack, cluster: Cluster, volume: pb.Volume
) -> None:
    """It goes on where it was, and the deleted source goes when it is done."""
    slow(stack)
    assert refused(lambda: cluster.create("copied", 64 * MIB, source=volume, parameters=COPY, timeout=3)) == "ABORTED"
    stack.controller.kill()
    stack.host.control("reboot")
    stack.controller.start()
    cluster.delete(volume.volume_id)
    made = cluster.create("copied", 64 * MIB, source=volume, parameters=COPY)
    assert holds_the_content(stack, "copied")
    cluster.delete(made.volume_id)
    assert leftovers(stack) == []


def test_a_detached_snapshot_is_there_at_once_and_ready_later(
    stack: Stack, cluster: Cluster, volume: pb.Volume
) -> None:
    """Of the time it was asked for; its volume can be deleted."""
    slow(stack)
    first = cluster.snapshot("backup", volume.volume_id, parameters=DETACHED)
    assert not first.ready_to_use
    assert first.creation_time.seconds > 1_600_000_000
    assert cluster.snapshots() == [first]
    assert cluster.get_snapshot(first.snapshot_id) == first
    with pytest.raises(grpc.RpcError) as caught:
        cluster.create("early", MIB, source=first, timeout=3)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert refused(lambda: cluster.snapshot("backup", volume.volume_id)) == "ALREADY_EXISTS"
    cluster.delete(volume.volume_id)
    until(lambda: cluster.snapshot("backup", volume.volume_id, parameters=DETACHED).ready_to_use)
    ready = pb.Snapshot()
    ready.CopyFrom(first)
    ready.ready_to_use = True
    assert cluster.snapshots(volume_id=volume.volume_id) == [ready]
    restored = cluster.create("restored", MIB, source=ready)
    assert holds_the_content(stack, "restored")
    cluster.delete_snapshot(ready.snapshot_id)
    cluster.delete(restored.volume_id)


def test_a_detached_snapshot_that_is_not_ready_is_cancelled_by_its_deletion(
    stack: Stack, cluster: Cluster, volume: pb.Volume
) -> None:
    """Nothing of it is left."""
    slow(stack)
    first = cluster.snapshot("backup", volume.volume_id, parameters=DETACHED)
    cluster.delete_snapshot(first.snapshot_id)
    assert cluster.snapshots() == []
    assert refused(lambda: cluster.get_snapshot(first.snapshot_id)) == "NOT_FOUND"
    assert leftovers(stack) == ["dataset tank/csi/source"]
