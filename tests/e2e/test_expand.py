"""Volumes grow, in use or not, and all who look see the real size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.harness.client import capability

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.client import Cluster

MIB = 1 << 20
TIB = 1 << 40
SMALL, LARGE = 320 * MIB, 640 * MIB
MOST = (LARGE - SMALL) * 9 // 10

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def refused(call: Callable[[], object]) -> str:
    """The name of the status that a call fails with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return str(caught.value.code().name)


def room(path: Path) -> int:
    """The size of the filesystem at the path."""
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize


def test_a_volume_grows_and_never_shrinks(cluster: Cluster) -> None:
    """The answer is the real size, in whole blocks; asking for less changes nothing."""
    volume = cluster.create("grows", MIB)
    for wanted, real in ((2 * MIB, 2 * MIB), (2 * MIB, 2 * MIB), (MIB, 2 * MIB), (2 * MIB + 1, 2 * MIB + 16384)):
        response = cluster.expand(volume.volume_id, wanted)
        assert response.capacity_bytes == real
        assert response.node_expansion_required
    cluster.delete(volume.volume_id)


def test_growth_that_cannot_be_is_out_of_range(cluster: Cluster) -> None:
    """More than the pool has, or more than the limit allows; the volume stays as it is."""
    volume = cluster.create("stays", MIB, parameters={"thin": "false"})
    assert refused(lambda: cluster.expand(volume.volume_id, TIB)) == "OUT_OF_RANGE"
    assert refused(lambda: cluster.expand(volume.volume_id, MIB + 1, limit_bytes=MIB + 2)) == "OUT_OF_RANGE"
    assert refused(lambda: cluster.expand(volume.volume_id, (1 << 63) - 1)) == "OUT_OF_RANGE"
    assert cluster.create("stays", MIB, parameters={"thin": "false"}).capacity_bytes == MIB
    cluster.delete(volume.volume_id)


@pytest.mark.parametrize("identity", ["nonsense", f"nas1:{'0' * 32}"])
def test_what_is_not_there_does_not_grow(cluster: Cluster, identity: str) -> None:
    """NOT_FOUND."""
    assert refused(lambda: cluster.expand(identity, MIB)) == "NOT_FOUND"


@needs_root
def test_a_filesystem_grows_while_a_pod_uses_it(cluster: Cluster) -> None:
    """XFS does so on every kernel; what was written stays."""
    cluster.capability = capability(fs_type="xfs")
    volume = cluster.create("online", SMALL)
    with cluster.in_use(volume) as path:
        (path / "file").write_text("kept")
        before = room(path)
        assert cluster.expand(volume.volume_id, LARGE).capacity_bytes == LARGE
        assert cluster.expand_on_node(volume) == LARGE
        assert cluster.expand_on_node(volume) == LARGE
        assert room(path) > before + MOST
        assert (path / "file").read_text() == "kept"
    cluster.delete(volume.volume_id)


@needs_root
def test_a_block_volume_grows_while_a_pod_uses_it(cluster: Cluster) -> None:
    """The device at the pod's path shows the new size, and holds what it held."""
    cluster.capability = capability(block=True)
    volume = cluster.create("raw", SMALL)
    with cluster.in_use(volume) as path:
        with path.open("r+b") as device:
            device.write(b"kept")
        cluster.expand(volume.volume_id, LARGE)
        assert cluster.expand_on_node(volume) == LARGE
        with path.open("rb") as device:
            assert device.read(4) == b"kept"
            assert device.seek(0, os.SEEK_END) == LARGE
    cluster.delete(volume.volume_id)


@needs_root
@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
def test_a_volume_that_grew_unused_has_a_larger_filesystem_at_its_next_use(cluster: Cluster, fs_type: str) -> None:
    """Without being asked: staging sees to it."""
    cluster.capability = capability(fs_type=fs_type)
    volume = cluster.create("offline", SMALL)
    with cluster.in_use(volume) as path:
        (path / "file").write_text("kept")
        before = room(path)
    cluster.expand(volume.volume_id, LARGE)
    with cluster.in_use(volume) as path:
        assert room(path) > before + MOST
        assert (path / "file").read_text() == "kept"
        assert cluster.expand_on_node(volume) == LARGE
    cluster.delete(volume.volume_id)
