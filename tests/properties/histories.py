"""One random history, step by step; after each step the driver's listings and the real bytes are those of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from csi_driver.proto import csi_pb2 as pb
from tests.harness.leaks import leftovers
from tests.properties import disks
from tests.properties.model import BLANK, MIB, PLACES, TAG_BYTES, Content, Group, Model, Snapshot, Volume, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

NAMES = st.sampled_from(["a", "a/b", "ä 💾", "-rf", "{{ 1 }}"])
SIZES = st.sampled_from([MIB, 2 * MIB, 3 * MIB])
WHICH = st.integers(0, 1 << 10)
TAGS = st.binary(min_size=TAG_BYTES, max_size=TAG_BYTES)
MODES = st.sampled_from(["clone"])


def status(call: Callable[[], object]) -> str:
    """The name of the status that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


class Histories(RuleBasedStateMachine):
    """Rules that a person, a backup tool or a cluster may follow in any order."""

    stack: Stack
    cluster: Cluster

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.disks = disks.Disks(self.stack)

    # Volumes

    @rule(name=NAMES, size=SIZES)
    def create(self, name: str, size: int) -> None:
        """A blank volume, or the one there is, or a refusal because another has the name."""
        self._make(name, size, None, None, BLANK)

    @precondition(lambda self: self.model.snapshots)
    @rule(name=NAMES, which=WHICH, more=SIZES, mode=MODES)
    def restore(self, name: str, which: int, more: int, mode: str) -> None:
        """A volume from a snapshot, at least as large."""
        snapshot = self._snapshot(which)
        source = pb.Snapshot(snapshot_id=snapshot.id)
        self._make(name, max(snapshot.size_bytes, more), source, mode, snapshot.content)

    @precondition(lambda self: self.model.volumes)
    @rule(name=NAMES, which=WHICH, more=SIZES, mode=MODES)
    def duplicate(self, name: str, which: int, more: int, mode: str) -> None:
        """A volume from another one as it is now."""
        other = self._volume(which)
        self._make(name, max(other.size_bytes, more), pb.Volume(volume_id=other.id), mode, other.content)

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH, more=SIZES)
    def grow(self, which: int, more: int) -> None:
        """Never smaller; what it holds stays."""
        volume = self._volume(which)
        volume.size_bytes = max(volume.size_bytes, more)
        assert self.cluster.expand(volume.id, more).capacity_bytes == volume.size_bytes

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH, thin=st.sampled_from(["true", "false"]), compression=st.sampled_from(["lz4", "zstd"]))
    def modify(self, which: int, thin: str, compression: str) -> None:
        """It is still the volume that was asked for, and holds what it held."""
        self.cluster.modify(self._volume(which).id, thin=thin, compression=compression)

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH, place=st.integers(0, len(PLACES) - 1), tag=TAGS)
    def write(self, which: int, place: int, tag: bytes) -> None:
        """Change what a volume holds, and no other."""
        volume = self._volume(which)
        disks.write(self.disks.devices()[_uuid(volume.id)], place, tag)
        volume.content = written(volume.content, place, tag)

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH)
    def publish(self, which: int) -> None:
        """Published volumes cannot be deleted; all else goes on."""
        volume = self._volume(which)
        self.cluster.attach(volume.id, self.cluster.node_id())
        volume.published = True

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH)
    def unpublish(self, which: int) -> None:
        """Whether it was published or not."""
        volume = self._volume(which)
        self.cluster.detach(volume.id, self.cluster.node_id())
        volume.published = False

    @precondition(lambda self: self.model.volumes)
    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        """Refused while it is published; else it is gone, whatever was made of it, and may be deleted again."""
        volume = self._volume(which)
        if volume.published:
            assert status(lambda: self.cluster.delete(volume.id)) == "FAILED_PRECONDITION"
            return
        for _ in range(2):
            self.cluster.delete(volume.id)
        del self.model.volumes[volume.id]

    # Snapshots

    @precondition(lambda self: self.model.volumes)
    @rule(name=NAMES, which=WHICH)
    def snapshot(self, name: str, which: int) -> None:
        """A snapshot, or the one there is, or a refusal because one of another volume has the name."""
        volume = self._volume(which)
        there = self.model.snapshot_named(name)
        if there is not None and there.source != volume.id:
            assert status(lambda: self.cluster.snapshot(name, volume.id)) == "ALREADY_EXISTS"
            return
        taken = self.cluster.snapshot(name, volume.id)
        made = Snapshot(taken.snapshot_id, name, volume.id, volume.size_bytes, volume.content)
        expected = there or made
        assert (taken.snapshot_id, taken.size_bytes, taken.ready_to_use) == (expected.id, expected.size_bytes, True)
        self.model.snapshots[expected.id] = expected

    @precondition(lambda self: self.model.snapshots)
    @rule(which=WHICH)
    def delete_snapshot(self, which: int) -> None:
        """Gone, whatever was made of it, and may be deleted again; one of a group only goes with the group."""
        snapshot = self._snapshot(which)
        if snapshot.group:
            assert status(lambda: self.cluster.delete_snapshot(snapshot.id)) == "INVALID_ARGUMENT"
            return
        for _ in range(2):
            self.cluster.delete_snapshot(snapshot.id)
        del self.model.snapshots[snapshot.id]

    @precondition(lambda self: self.model.volumes)
    @rule(name=NAMES, chosen=st.sets(WHICH, min_size=1, max_size=3))
    def snapshot_group(self, name: str, chosen: set[int]) -> None:
        """Snapshots of several volumes, or those there are, or a refusal because the name is for others."""
        volumes = {volume.id: volume for volume in map(self._volume, chosen)}
        there = self.model.group_named(name)
        if there is not None and there.sources != volumes.keys():
            assert status(lambda: self.cluster.create_group_snapshot(name, sorted(volumes))) == "ALREADY_EXISTS"
            return
        taken = self.cluster.create_group_snapshot(name, sorted(volumes))
        members = frozenset(one.snapshot_id for one in taken.snapshots)
        if there is not None:
            assert (taken.group_snapshot_id, members) == (there.id, there.members)
            return
        assert sorted(one.source_volume_id for one in taken.snapshots) == sorted(volumes)
        for one in taken.snapshots:
            source = volumes[one.source_volume_id]
            member = Snapshot(
                one.snapshot_id, name, source.id, source.size_bytes, source.content, taken.group_snapshot_id
            )
            self.model.snapshots[member.id] = member
        group = Group(taken.group_snapshot_id, name, frozenset(volumes), members)
        self.model.groups[group.id] = group

    @precondition(lambda self: self.model.groups)
    @rule(which=WHICH)
    def delete_group(self, which: int) -> None:
        """All of it is gone, whatever was made of it, and it may be deleted again."""
        groups = list(self.model.groups.values())
        group = groups[which % len(groups)]
        for _ in range(2):
            self.cluster.delete_group_snapshot(group.id, sorted(group.members))
        for member in group.members:
            del self.model.snapshots[member]
        del self.model.groups[group.id]

    # What holds after every step

    @invariant()
    def volumes_are_those_of_the_model(self) -> None:
        """By id and size, and not one more."""
        entries = self.cluster.controller.ListVolumes(pb.ListVolumesRequest()).entries
        listed = {entry.volume.volume_id: entry.volume.capacity_bytes for entry in entries}
        assert listed == {volume.id: volume.size_bytes for volume in self.model.volumes.values()}

    @invariant()
    def snapshots_are_those_of_the_model(self) -> None:
        """By id, source and size, and not one more."""
        listed = {one.snapshot_id: (one.source_volume_id, one.size_bytes) for one in self.cluster.snapshots()}
        assert listed == {one.id: (one.source, one.size_bytes) for one in self.model.snapshots.values()}

    @invariant()
    def volumes_hold_what_was_written(self) -> None:
        """The bytes of every device are those of the model, and so is its size."""
        found = {uuid: disks.read(device) for uuid, device in self.disks.devices().items()}
        assert found == {_uuid(one.id): (one.size_bytes, one.content) for one in self.model.volumes.values()}

    def teardown(self) -> None:
        """Delete all that is there, and nothing is left on the host."""
        for volume in self.model.volumes.values():
            self.cluster.detach(volume.id, self.cluster.node_id())
            self.cluster.delete(volume.id)
        for group in self.model.groups.values():
            self.cluster.delete_group_snapshot(group.id, sorted(group.members))
        for snapshot in self.model.snapshots.values():
            if not snapshot.group:
                self.cluster.delete_snapshot(snapshot.id)
        assert leftovers(self.stack) == []

    def _make(
        self,
        name: str,
        size: int,
        source: pb.Snapshot | pb.Volume | None,
        mode: str | None,
        content: Content,
    ) -> None:
        asked = (None if source is None else source.SerializeToString(), mode)
        there = self.model.volume_named(name)

        def call() -> pb.Volume:
            parameters = {} if mode in (None, "clone") else {"cloneMode": mode}
            return self.cluster.create(name, size, parameters=parameters, source=source)

        if there is not None and (there.asked != asked or there.size_bytes < size):
            assert status(call) == "ALREADY_EXISTS"
            return
        made = call()
        if there is None:
            self.model.volumes[made.volume_id] = Volume(made.volume_id, name, asked, size, content)
        else:
            assert made.volume_id == there.id

    def _volume(self, which: int) -> Volume:
        volumes = list(self.model.volumes.values())
        return volumes[which % len(volumes)]

    def _snapshot(self, which: int) -> Snapshot:
        snapshots = list(self.model.snapshots.values())
        return snapshots[which % len(snapshots)]


def _uuid(identity: str) -> str:
    return identity.partition(":")[2]
