"""Snapshots of several volumes are of one moment, all or none, and go together."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.e2e.test_concurrency import at_once, created
from tests.e2e.test_snapshots import NOBODY, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_driver.proto import csi_pb2 as pb
    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

MIB = 1 << 20
MANY = 20
AT_ONCE = 50

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def volumes(cluster: Cluster) -> Iterator[list[str]]:
    """The ids of three volumes that are deleted in the end."""
    made = [cluster.create(f"grouped-{number}", MIB).volume_id for number in range(3)]
    yield made
    for volume_id in made:
        cluster.delete(volume_id)


def ids(group: pb.VolumeGroupSnapshot) -> list[str]:
    return [one.snapshot_id for one in group.snapshots]


def test_a_group_is_told_of_in_full_and_the_same_each_time(cluster: Cluster, volumes: list[str]) -> None:
    """By create, by create in another order, and by get; its snapshots by the list of snapshots."""
    taken = cluster.create_group_snapshot("a/b @ 💾", volumes)
    assert taken.ready_to_use
    assert taken.creation_time.seconds > 1_600_000_000
    assert sorted(one.source_volume_id for one in taken.snapshots) == sorted(volumes)
    assert {one.group_snapshot_id for one in taken.snapshots} == {taken.group_snapshot_id}
    assert {one.creation_time.seconds for one in taken.snapshots} == {taken.creation_time.seconds}
    assert cluster.create_group_snapshot("a/b @ 💾", volumes[::-1]) == taken
    assert cluster.get_group_snapshot(taken.group_snapshot_id) == taken
    assert cluster.get_group_snapshot(taken.group_snapshot_id, ids(taken)[::-1]) == taken
    assert sorted(ids(taken)) == sorted(one.snapshot_id for one in cluster.snapshots())
    assert cluster.snapshots(volume_id=volumes[0])[0] in taken.snapshots
    assert cluster.get_snapshot(ids(taken)[1]) == taken.snapshots[1]
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    assert cluster.snapshots() == []
    assert refused(lambda: cluster.get_group_snapshot(taken.group_snapshot_id)) == "NOT_FOUND"


def test_a_groups_name_means_one_group_of_these_volumes(cluster: Cluster, volumes: list[str]) -> None:
    """Fewer, more or other volumes are refused; a snapshot may have the name as well."""
    taken = cluster.create_group_snapshot("same", volumes[:2])
    for others in (volumes, volumes[:1], volumes[1:]):
        assert refused(lambda others=others: cluster.create_group_snapshot("same", others)) == "ALREADY_EXISTS"
    single = cluster.snapshot("same", volumes[0])
    assert single.group_snapshot_id == ""
    cluster.delete_group_snapshot(taken.group_snapshot_id)
    cluster.delete_snapshot(single.snapshot_id)


def test_other_snapshots_than_the_groups_are_refused(cluster: Cluster, volumes: list[str]) -> None:
    """On get and on delete, which then deletes nothing; a member is not deleted alone."""
    taken = cluster.create_group_snapshot("whole", volumes)
    first, *rest = ids(taken)
    for wrong in ([first], rest, [*ids(taken), NOBODY], [NOBODY], ["nonsense"], ["nas9:1", *rest]):
        assert (
            refused(lambda wrong=wrong: cluster.get_group_snapshot(taken.group_snapshot_id, wrong))
            == "INVALID_ARGUMENT"
        )
        assert refused(lambda wrong=wrong: cluster.delete_group_snapshot(taken.group_snapshot_id, wrong)) == (
            "INVALID_ARGUMENT"
        )
    assert refused(lambda: cluster.delete_snapshot(first)) == "INVALID_ARGUMENT"
    assert cluster.get_group_snapshot(taken.group_snapshot_id) == taken
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))


def test_one_volume_that_is_not_there_and_none_is_snapshotted(cluster: Cluster, volumes: list[str]) -> None:
    """NOT_FOUND, and the name is free."""
    assert refused(lambda: cluster.create_group_snapshot("torn", [*volumes, NOBODY])) == "NOT_FOUND"
    assert cluster.snapshots() == []
    cluster.delete_group_snapshot(cluster.create_group_snapshot("torn", volumes).group_snapshot_id)


@pytest.mark.parametrize("order", list(itertools.permutations(("volumes", "group", "restored"))), ids="-".join)
def test_volumes_group_and_copies_may_be_deleted_in_any_order(cluster: Cluster, order: tuple[str, ...]) -> None:
    """A member is a source like any snapshot; what is deleted is listed no more."""
    volumes = [cluster.create(f"source-{number}", MIB).volume_id for number in range(2)]
    taken = cluster.create_group_snapshot("kept", volumes)
    restored = cluster.create("restored", MIB, source=taken.snapshots[0])
    assert restored.content_source.snapshot.snapshot_id == taken.snapshots[0].snapshot_id
    for what in order:
        if what == "group":
            cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
            assert cluster.snapshots() == []
        for volume_id in {"volumes": volumes, "restored": [restored.volume_id]}.get(what, []):
            cluster.delete(volume_id)
        if what != "group" and "group" in order[order.index(what) :]:
            assert cluster.get_group_snapshot(taken.group_snapshot_id) == taken


def test_twenty_volumes_are_of_one_moment(cluster: Cluster, stack: Stack) -> None:
    """All in the same transaction group of the pool, by one command."""
    volumes = [volume.volume_id for volume in created(cluster, [f"of-twenty-{number}" for number in range(MANY)])]
    before = stack.host.control("counters")["commands"]["zfs"]
    taken = cluster.create_group_snapshot("twenty", volumes)
    assert len(taken.snapshots) == MANY
    assert stack.host.control("counters")["commands"]["zfs"] - before == 3  # read, take, read back
    listed = stack.host.run("zfs", "list", "-Hp", "-t", "snapshot", "-o", "createtxg", "-r", stack.host.info["parent"])
    assert len(listed["out"].split()) == MANY
    assert len(set(listed["out"].split())) == 1
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    at_once(cluster.delete, volumes)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_module_that_dies_leaves_all_or_none_and_a_retry_finds_them(
    cluster: Cluster, stack: Stack, volumes: list[str], when: str
) -> None:
    """Whether it died before the command or after it."""
    stack.host.control("fault", command="zfs", match="zfs snapshot", when=when, action="kill-module")
    with contextlib.suppress(grpc.RpcError):
        cluster.create_group_snapshot("survivor", volumes)
    assert len(cluster.snapshots()) in (0, len(volumes))
    taken = cluster.create_group_snapshot("survivor", volumes)
    assert (len(taken.snapshots), len(cluster.snapshots())) == (3, 3)
    stack.host.control("fault", command="zfs", match="zfs destroy", when=when, action="kill-module")
    with contextlib.suppress(grpc.RpcError):
        cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    assert cluster.snapshots() == []
    assert all(fault["fired"] for fault in stack.host.control("state")["faults"])
    stack.host.control("clear-faults")


def test_fifty_groups_and_fifty_modifications_at_once_all_end_well(cluster: Cluster) -> None:
    """Groups that share volumes, and volumes that change meanwhile; each gets what it asked for."""
    volumes = [volume.volume_id for volume in created(cluster, [f"busy-{number}" for number in range(AT_ONCE)])]

    def taken(number: int) -> pb.VolumeGroupSnapshot:
        return cluster.create_group_snapshot(
            f"busy-{number}", [volumes[(number + step) % AT_ONCE] for step in range(3)]
        )

    def modified(number: int) -> None:
        cluster.modify(volumes[number], compression="zstd", thin="true" if number % 2 else "false")

    calls = [lambda n=n: taken(n) for n in range(AT_ONCE)] + [lambda n=n: modified(n) for n in range(AT_ONCE)]
    answers = at_once(lambda call: call(), calls)
    assert [answer for answer in answers if isinstance(answer, grpc.RpcError)] == []
    groups = answers[:AT_ONCE]
    assert len({group.group_snapshot_id for group in groups}) == AT_ONCE
    assert len(cluster.snapshots()) == 3 * AT_ONCE
    assert at_once(lambda group: cluster.delete_group_snapshot(group.group_snapshot_id, ids(group)), groups) == (
        [None] * AT_ONCE
    )
    at_once(cluster.delete, volumes)


@needs_root
def test_the_copies_of_a_group_hold_what_its_moment_saw(cluster: Cluster) -> None:
    """Although the volumes went on."""
    sources = [cluster.create(f"written-{number}", 32 * MIB) for number in range(2)]
    for source in sources:
        with cluster.in_use(source) as path:
            (path / "file").write_text("before")
    taken = cluster.create_group_snapshot("moment", [source.volume_id for source in sources])
    for source in sources:
        with cluster.in_use(source) as path:
            (path / "file").write_text("after")
    for number, snapshot in enumerate(taken.snapshots):
        restored = cluster.create(f"restored-{number}", 32 * MIB, source=snapshot)
        with cluster.in_use(restored) as path:
            assert (path / "file").read_text() == "before"
        cluster.delete(restored.volume_id)
    cluster.delete_group_snapshot(taken.group_snapshot_id, ids(taken))
    for source in sources:
        cluster.delete(source.volume_id)
