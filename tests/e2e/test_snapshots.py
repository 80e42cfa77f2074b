"""Snapshots and copies have lives of their own: whatever is deleted first, the others keep what they hold."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import grpc
import pytest

from csi_driver.proto import csi_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.client import Cluster

MIB = 1 << 20
NOBODY = f"nas1:{'0' * 32}"
ORDERS = list(itertools.permutations(("volume", "snapshot", "restored", "copied")))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def refused(call: Callable[[], object]) -> str:
    """The name of the status that a call fails with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return str(caught.value.code().name)


@pytest.fixture
def volume(cluster: Cluster) -> Iterator[pb.Volume]:
    """A volume that is deleted in the end, unless the test has done so."""
    made = cluster.create("the-source", 64 * MIB)
    yield made
    cluster.delete(made.volume_id)


def test_a_snapshot_is_told_of_in_full_and_the_same_each_time(cluster: Cluster, volume: pb.Volume) -> None:
    """By create, by create again, by get and by list; after its deletion by none."""
    taken = cluster.snapshot("first", volume.volume_id)
    assert taken.source_volume_id == volume.volume_id
    assert taken.size_bytes == 64 * MIB
    assert taken.creation_time.seconds > 1_600_000_000
    assert taken.ready_to_use
    assert cluster.snapshot("first", volume.volume_id) == taken
    assert cluster.get_snapshot(taken.snapshot_id) == taken
    assert cluster.snapshots() == [taken]
    cluster.delete_snapshot(taken.snapshot_id)
    cluster.delete_snapshot(taken.snapshot_id)
    assert cluster.snapshots() == []
    assert refused(lambda: cluster.get_snapshot(taken.snapshot_id)) == "NOT_FOUND"


def test_a_snapshots_name_means_one_snapshot_of_one_volume(cluster: Cluster, volume: pb.Volume) -> None:
    """The same name for another volume is refused; once deleted, the name is free at once."""
    other = cluster.create("another-source", MIB)
    taken = cluster.snapshot("a/b @ 💾", volume.volume_id)
    assert refused(lambda: cluster.snapshot("a/b @ 💾", other.volume_id)) == "ALREADY_EXISTS"
    cluster.delete_snapshot(taken.snapshot_id)
    moved = cluster.snapshot("a/b @ 💾", other.volume_id)
    assert moved.snapshot_id != taken.snapshot_id
    assert moved.source_volume_id == other.volume_id
    cluster.delete_snapshot(moved.snapshot_id)
    cluster.delete(other.volume_id)


@pytest.mark.parametrize("page", [0, 1, 2, 5])
def test_snapshots_are_listed_page_by_page_and_by_id_and_source(cluster: Cluster, volume: pb.Volume, page: int) -> None:
    """What is unknown is an empty list; a bad token is ABORTED."""
    other = cluster.create("another-source", MIB)
    mine = [cluster.snapshot(f"mine-{number}", volume.volume_id) for number in range(3)]
    theirs = [cluster.snapshot(f"theirs-{number}", other.volume_id) for number in range(2)]

    def ids(snapshots: list[pb.Snapshot]) -> list[str]:
        return sorted(one.snapshot_id for one in snapshots)

    assert ids(cluster.snapshots(page=page)) == ids(mine + theirs)
    assert ids(cluster.snapshots(page=page, volume_id=other.volume_id)) == ids(theirs)
    assert cluster.snapshots(page=page, snapshot_id=mine[1].snapshot_id) == [mine[1]]
    for unknown in (NOBODY, "non-existing-id"):
        assert cluster.snapshots(page=page, volume_id=unknown) == []
        assert cluster.snapshots(page=page, snapshot_id=unknown) == []
    request = pb.ListSnapshotsRequest(starting_token="invalid-token")
    assert refused(lambda: cluster.controller.ListSnapshots(request)) == "ABORTED"
    for one in mine + theirs:
        cluster.delete_snapshot(one.snapshot_id)
    cluster.delete(other.volume_id)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_volume_snapshot_and_copies_may_be_deleted_in_any_order(cluster: Cluster, order: tuple[str, ...]) -> None:
    """What is deleted is gone from the lists and its name is free at once; the rest is as it was."""
    volume = cluster.create("source", MIB)
    snapshot = cluster.snapshot("kept", volume.volume_id)
    volumes = {
        "volume": volume,
        "restored": cluster.create("restored", MIB, source=snapshot),
        "copied": cluster.create("copied", MIB, source=volume),
    }
    for name in order:
        if name == "snapshot":
            cluster.delete_snapshot(snapshot.snapshot_id)
            assert cluster.snapshots() == []
            continue
        cluster.delete(volumes[name].volume_id)
        del volumes[name]
        listed = cluster.controller.ListVolumes(pb.ListVolumesRequest()).entries
        assert {entry.volume.volume_id for entry in listed} == {one.volume_id for one in volumes.values()}
        if "snapshot" in order[order.index(name) :]:
            assert cluster.snapshots() == [snapshot]


def test_a_name_is_free_as_soon_as_its_volume_is_deleted(cluster: Cluster) -> None:
    """Even while a snapshot keeps the volume's data."""
    first = cluster.create("reused", MIB)
    snapshot = cluster.snapshot("of-the-first", first.volume_id)
    cluster.delete(first.volume_id)
    second = cluster.create("reused", 2 * MIB)
    assert second.volume_id != first.volume_id
    assert second.capacity_bytes == 2 * MIB
    assert cluster.get_snapshot(snapshot.snapshot_id) == snapshot
    cluster.delete(second.volume_id)
    cluster.delete_snapshot(snapshot.snapshot_id)


def test_a_copy_names_its_source_and_is_found_again(cluster: Cluster, volume: pb.Volume) -> None:
    """By the same name and source; another source, or none, is another volume."""
    snapshot = cluster.snapshot("kept", volume.volume_id)
    restored = cluster.create("restored", 64 * MIB, source=snapshot)
    copied = cluster.create("copied", 64 * MIB, source=volume)
    assert restored.content_source.snapshot.snapshot_id == snapshot.snapshot_id
    assert copied.content_source.volume.volume_id == volume.volume_id
    assert cluster.create("restored", 64 * MIB, source=snapshot) == restored
    assert cluster.create("copied", 64 * MIB, source=volume) == copied
    for other in (None, volume, cluster.snapshot("other", volume.volume_id)):
        assert refused(lambda other=other: cluster.create("restored", 64 * MIB, source=other)) == "ALREADY_EXISTS"
    cluster.delete(restored.volume_id)
    cluster.delete(copied.volume_id)
    for one in cluster.snapshots():
        cluster.delete_snapshot(one.snapshot_id)


def test_a_copy_is_as_large_as_its_source_or_larger(cluster: Cluster, volume: pb.Volume) -> None:
    """Less than the source asks for the source's size; a limit below that cannot be kept."""
    snapshot = cluster.snapshot("kept", volume.volume_id)
    for number, source in enumerate((snapshot, volume)):
        for size, real in ((MIB, 64 * MIB), (96 * MIB, 96 * MIB)):
            made = cluster.create(f"copy-{number}-{size}", size, source=source)
            assert made.capacity_bytes == real
            cluster.delete(made.volume_id)
        too_small = refused(lambda source=source: cluster.create("small", MIB, limit_bytes=32 * MIB, source=source))
        assert too_small == "OUT_OF_RANGE"
    cluster.delete_snapshot(snapshot.snapshot_id)


@pytest.mark.parametrize("identity", [NOBODY, "non-existing-id", f"nas1:{'g' * 32}"])
def test_a_source_that_is_not_there_is_not_found(cluster: Cluster, identity: str) -> None:
    """Of a snapshot as of a volume; nothing is made."""
    for source in (pb.Snapshot(snapshot_id=identity), pb.Volume(volume_id=identity)):
        assert refused(lambda source=source: cluster.create("orphan", MIB, source=source)) == "NOT_FOUND"
    assert refused(lambda: cluster.snapshot("orphan", identity)) == "NOT_FOUND"
    cluster.delete_snapshot(identity)


@needs_root
def test_a_restored_volume_holds_what_the_snapshot_saw(cluster: Cluster) -> None:
    """Although the source went on, and is gone by then; in a larger volume the filesystem is larger."""
    volume = cluster.create("written-to", 64 * MIB)
    with cluster.in_use(volume) as path:
        (path / "file").write_text("before")
        before = os.statvfs(path).f_blocks * os.statvfs(path).f_frsize
    snapshot = cluster.snapshot("kept", volume.volume_id)
    with cluster.in_use(volume) as path:
        (path / "file").write_text("after")
    copied = cluster.create("copied", 64 * MIB, source=volume)
    cluster.delete(volume.volume_id)
    restored = cluster.create("restored", 128 * MIB, source=snapshot)
    with cluster.in_use(restored) as first, cluster.in_use(copied) as second:
        assert (first / "file").read_text() == "before"
        assert (second / "file").read_text() == "after"
        assert os.statvfs(first).f_blocks * os.statvfs(first).f_frsize > before + 48 * MIB
        (first / "file").write_text("its own")
    cluster.delete(copied.volume_id)
    cluster.delete_snapshot(snapshot.snapshot_id)
    with cluster.in_use(restored) as path:
        assert (path / "file").read_text() == "its own"
    cluster.delete(restored.volume_id)
