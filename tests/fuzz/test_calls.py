"""No request, whatever is in it, breaks the driver, changes anything it may not, or is taken for code by any layer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csi_driver.proto import csi_pb2 as pb
from tests.faults.world import World
from tests.fuzz.hostile import CANARY, TEXTS, fields, spoilt
from tests.harness.client import Cluster, capability
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
TIMEOUT = 60.0
MIB = 1 << 20
MARK = "s3cr3t-that-must-not-show"
# What a caller can be blamed for; INTERNAL, UNKNOWN and the like would blame the driver.
EXPECTED = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "OUT_OF_RANGE",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
}


class Target:
    """The running system, with one volume, snapshot and group that hostile requests may name."""

    def __init__(self, stack: Stack, cluster: Cluster) -> None:
        self.stack = stack
        self.cluster = cluster
        self.volume = cluster.create("victim", MIB).volume_id
        self.other = cluster.create("other", MIB).volume_id
        self.snapshot = cluster.snapshot("kept", self.volume).snapshot_id
        self.group = cluster.create_group_snapshot("kept", [self.volume, self.other])
        self.node = cluster.node_id()

    def requests(self) -> dict[str, tuple[Callable[..., Any], Message]]:
        """Every call that may change something or is given an id, with a request that would be right."""
        controller, group = self.cluster.controller, self.cluster.group_controller
        size = pb.CapacityRange(required_bytes=MIB)
        secret = {"encryptionKey": MARK}
        can = capability()
        ids = [one.snapshot_id for one in self.group.snapshots]
        right: list[tuple[Callable[..., Any], Message]] = [
            (
                controller.CreateVolume,
                pb.CreateVolumeRequest(
                    name="new",
                    capacity_range=size,
                    volume_capabilities=[can],
                    secrets=secret,
                    parameters={"thin": "true"},
                ),
            ),
            (controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id="nas1:" + "0" * 32, secrets=secret)),
            (
                controller.ControllerPublishVolume,
                pb.ControllerPublishVolumeRequest(
                    volume_id=self.volume, node_id=self.node, volume_capability=can, secrets=secret
                ),
            ),
            (
                controller.ControllerUnpublishVolume,
                pb.ControllerUnpublishVolumeRequest(volume_id=self.volume, node_id=self.node, secrets=secret),
            ),
            (
                controller.ValidateVolumeCapabilities,
                pb.ValidateVolumeCapabilitiesRequest(volume_id=self.volume, volume_capabilities=[can], secrets=secret),
            ),
            (controller.ListVolumes, pb.ListVolumesRequest(max_entries=1)),
            (controller.GetCapacity, pb.GetCapacityRequest(volume_capabilities=[can])),
            (
                controller.CreateSnapshot,
                pb.CreateSnapshotRequest(name="snap", source_volume_id=self.volume, secrets=secret),
            ),
            (controller.DeleteSnapshot, pb.DeleteSnapshotRequest(snapshot_id="nas1:" + "0" * 32, secrets=secret)),
            (controller.ListSnapshots, pb.ListSnapshotsRequest(max_entries=1, secrets=secret)),
            (controller.GetSnapshot, pb.GetSnapshotRequest(snapshot_id=self.snapshot)),
            (
                controller.ControllerExpandVolume,
                pb.ControllerExpandVolumeRequest(volume_id=self.volume, capacity_range=size, secrets=secret),
            ),
            (controller.ControllerGetVolume, pb.ControllerGetVolumeRequest(volume_id=self.volume)),
            (
                controller.ControllerModifyVolume,
                pb.ControllerModifyVolumeRequest(
                    volume_id=self.volume, mutable_parameters={"sync": "always"}, secrets=secret
                ),
            ),
            (
                group.CreateVolumeGroupSnapshot,
                pb.CreateVolumeGroupSnapshotRequest(name="grp", source_volume_ids=[self.volume], secrets=secret),
            ),
            (
                group.DeleteVolumeGroupSnapshot,
                pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id="nas1:" + "0" * 32, secrets=secret),
            ),
            (
                group.GetVolumeGroupSnapshot,
                pb.GetVolumeGroupSnapshotRequest(
                    group_snapshot_id=self.group.group_snapshot_id, snapshot_ids=ids, secrets=secret
                ),
            ),
        ]
        return {type(request).__name__.removesuffix("Request"): (call, request) for call, request in right}

    def texts(self) -> st.SearchStrategy[str]:
        """Hostile texts, and now and then an id that means something."""
        return st.one_of(TEXTS, st.sampled_from([self.volume, self.snapshot, self.group.group_snapshot_id, self.node]))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """One system for all; in the end nothing of what hostile requests made is left."""
    Path(CANARY).unlink(missing_ok=True)
    with Stack() as stack:
        world = World(stack)
        with world.cluster() as cluster:
            yield Target(stack, cluster)
        world.empty()
        log = stack.controller.log.read_text(errors="replace")
        assert "Traceback" not in log
        assert MARK not in log


# Those that are not here change nothing and are given nothing that could mean anything.
HARMLESS = ("GetCapabilities", "GetInfo", "Health", "Metadata", "Probe", "Node", "GetPlugin")
CALLS = sorted(
    name.removesuffix("Request")
    for name in vars(pb)
    if name.endswith("Request") and not any(part in name for part in HARMLESS)
)


@pytest.mark.parametrize("name", CALLS)
def test_no_request_does_harm(target: Target, name: str) -> None:
    """Refused with a code that blames the caller and nothing changed, or done; no injection is ever run."""
    call, valid = target.requests()[name]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(
        request=st.one_of(
            spoilt(valid, target.texts()), fields(valid.DESCRIPTOR, target.texts()).map(lambda g: type(valid)(**g))
        )
    )
    def attack(request: Message) -> None:
        before = target.stack.host_state()
        refusal = _refusal(call, request)
        if refusal is not None:
            code, told = refusal
            assert code in EXPECTED, f"{code}: {told}"
            assert told
            assert MARK not in told
            assert target.stack.host_state() == before
        assert not Path(CANARY).exists()

    attack()


def _refusal(call: Callable[..., Any], request: Message) -> tuple[str, str] | None:
    """The code and the text that a call ends with, or None if it succeeds."""
    try:
        call(request, timeout=TIMEOUT)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return None
