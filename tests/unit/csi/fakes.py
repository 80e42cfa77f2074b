"""Services with canned answers, and the driver's real server around them."""

from __future__ import annotations

import io
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from csi_driver.csi.server import Server
from csi_driver.csi.services import Storage
from csi_driver.node.model import BackendCondition, NodeInfo, PublishRequest, StageRequest, VolumeStats
from csi_driver.proto import csi_pb2 as pb
from csi_driver.proto import csi_pb2_grpc as rpc
from csi_driver.storage.ids import GroupId, NodeId, SnapshotId, VolumeId
from csi_driver.storage.model import (
    AccessMode,
    Capacity,
    Chap,
    Condition,
    EncryptionKey,
    GroupSnapshot,
    Listing,
    NewVolume,
    Protocol,
    Publication,
    Snapshot,
    Topology,
    Volume,
    VolumeHealth,
)
from csi_driver.storage.placement import ANYWHERE
from csi_driver.telemetry import Metrics, configure_logging

UUID = "0123456789abcdef" * 2
VOLUME_ID = f"nas1:{UUID}"
SNAPSHOT_ID = f"nas1:{UUID[::-1]}"
GROUP_ID = f"nas1:{UUID[16:][::-1] * 2}"
NODE_ID = NodeId("node-1", ("192.0.2.1",))
TOKEN = "fedcba9876543210" * 2
TARGET = f"iqn.1994-09.org.freebsd.csi:demo.{TOKEN}"
PUBLISH_CONTEXT = {
    "protocol": "iscsi",
    "portals": "192.0.2.10:3260,[2001:db8::10]:3260",
    "target": TARGET,
    "lun": "0",
    "serial": UUID[:16],
}
TIMEOUT = 20.0


def volume(*, nodes: tuple[str, ...] = (), source: SnapshotId | VolumeId | None = None) -> Volume:
    return Volume(
        id=VolumeId("nas1", UUID),
        name="pvc-1",
        size_bytes=1 << 30,
        attributes={"protocol": "iscsi", "fsType": "xfs"},
        publications=tuple(
            Publication(
                node=node,
                mode=AccessMode.SINGLE_NODE_WRITER,
                readonly=False,
                protocol=Protocol.ISCSI,
                target=TARGET,
                lun=0,
            )
            for node in nodes
        ),
        source=source,
    )


def snapshot(*, ready: bool = True, group: GroupId | None = None) -> Snapshot:
    return Snapshot(
        id=SnapshotId("nas1", UUID[::-1]),
        source=VolumeId("nas1", UUID),
        size_bytes=1 << 30,
        created=1_700_000_000,
        ready=ready,
        group=group,
    )


def group_snapshot(*, ready: bool = True) -> GroupSnapshot:
    group = GroupId.parse(GROUP_ID)
    return GroupSnapshot(id=group, snapshots=(snapshot(group=group),), created=1_700_000_000, ready=ready)


@dataclass
class Canned:
    """Answers by method: a value, an exception to raise, or something to call. Others fail loudly."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def answer(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((method, args, kwargs))
        if method not in self.answers:
            raise AssertionError(f"nothing was prepared for {method}")
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(*args, **kwargs) if isinstance(answer, Callable) else answer


class CannedVolumes(Canned):
    def create(self, wanted: NewVolume, *, deadline: float) -> Volume:
        return self.answer("create", wanted, deadline=deadline)

    def expand(
        self, volume_id: str, required_bytes: int, limit_bytes: int, *, key: EncryptionKey | None, deadline: float
    ) -> Volume:
        return self.answer("expand", volume_id, required_bytes, limit_bytes, key=key, deadline=deadline)

    def modify(self, volume_id: str, mutable_parameters: Mapping[str, str], *, deadline: float) -> Volume:
        return self.answer("modify", volume_id, mutable_parameters, deadline=deadline)

    def delete(self, volume_id: str, *, deadline: float) -> None:
        self.answer("delete", volume_id, deadline=deadline)

    def publish(  # noqa: PLR0913
        self,
        volume_id: str,
        node_id: str,
        mode: AccessMode,
        readonly: bool,  # noqa: FBT001
        *,
        key: EncryptionKey | None,
        chap: Chap | None,
        deadline: float,
    ) -> Mapping[str, str]:
        return self.answer("publish", volume_id, node_id, mode, readonly, key=key, chap=chap, deadline=deadline)

    def unpublish(self, volume_id: str, node_id: str | None, *, deadline: float) -> None:
        self.answer("unpublish", volume_id, node_id, deadline=deadline)

    def get(self, volume_id: str, *, deadline: float) -> Volume:
        return self.answer("get", volume_id, deadline=deadline)

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[Volume]:
        return self.answer("list", starting_token, max_entries, deadline=deadline)

    def capacity(
        self, parameters: Mapping[str, str], place: Mapping[str, str] | None = None, *, deadline: float
    ) -> Capacity:
        return self.answer("capacity", parameters, place, deadline=deadline)


class CannedGroups(Canned):
    def create(self, source_volume_ids: Sequence[str], name: str, *, deadline: float) -> GroupSnapshot:
        return self.answer("create", source_volume_ids, name, deadline=deadline)

    def delete(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> None:
        self.answer("delete", group_snapshot_id, snapshot_ids, deadline=deadline)

    def get(self, group_snapshot_id: str, snapshot_ids: Sequence[str], *, deadline: float) -> GroupSnapshot:
        return self.answer("get", group_snapshot_id, snapshot_ids, deadline=deadline)


class CannedSnapshots(Canned):
    def create(
        self,
        source_volume_id: str,
        name: str,
        parameters: Mapping[str, str],
        *,
        topology: Topology = ANYWHERE,
        deadline: float,
    ) -> Snapshot:
        return self.answer("create", source_volume_id, name, parameters, topology=topology, deadline=deadline)

    def delete(self, snapshot_id: str, *, deadline: float) -> None:
        self.answer("delete", snapshot_id, deadline=deadline)

    def get(self, snapshot_id: str, *, deadline: float) -> Snapshot:
        return self.answer("get", snapshot_id, deadline=deadline)

    def list(
        self, starting_token: str, max_entries: int, *, snapshot_id: str, source_volume_id: str, deadline: float
    ) -> Listing[Snapshot]:
        filters = {"snapshot_id": snapshot_id, "source_volume_id": source_volume_id}
        return self.answer("list", starting_token, max_entries, **filters, deadline=deadline)


class CannedHealth(Canned):
    def get(self, volume_id: str, *, deadline: float) -> VolumeHealth:
        return self.answer("get", volume_id, deadline=deadline)

    def list(self, starting_token: str, max_entries: int, *, deadline: float) -> Listing[VolumeHealth]:
        return self.answer("list", starting_token, max_entries, deadline=deadline)


class CannedNode(Canned):
    def stage(self, request: StageRequest) -> None:
        self.answer("stage", request)

    def unstage(self, volume_id: str, staging_path: str) -> None:
        self.answer("unstage", volume_id, staging_path)

    def publish(self, request: PublishRequest) -> None:
        self.answer("publish", request)

    def unpublish(self, volume_id: str, target_path: str) -> None:
        self.answer("unpublish", volume_id, target_path)

    def stats(self, volume_id: str, volume_path: str) -> VolumeStats:
        return self.answer("stats", volume_id, volume_path)

    def expand(self, volume_id: str, volume_path: str, staging_path: str) -> int:
        return self.answer("expand", volume_id, volume_path, staging_path)

    def volume_health(self, volume_id: str, publish_path: str, staging_path: str) -> tuple[Condition, ...]:
        return self.answer("volume_health", volume_id, publish_path, staging_path)

    def storage_health(self) -> tuple[BackendCondition, ...]:
        return self.answer("storage_health")

    def info(self) -> NodeInfo:
        return self.answer("info")


class Driver:
    """The real server on a real socket, with canned services behind it."""

    def __init__(self, **options: Any) -> None:
        self._logging = (logging.root.handlers[:], logging.root.level)
        self._log = io.StringIO()
        configure_logging("debug", stream=self._log)
        self.directory = Path(tempfile.mkdtemp(prefix="csi-", dir="/tmp"))
        self.socket = self.directory / "csi.sock"
        self.metrics = Metrics()
        self.volumes = CannedVolumes()
        self.snapshots = CannedSnapshots()
        self.groups = CannedGroups()
        self.health = CannedHealth()
        self.on_node = CannedNode()
        storage = Storage(volumes=self.volumes, snapshots=self.snapshots, groups=self.groups, health=self.health)
        options = {"storage": storage, "node": self.on_node, "metrics": self.metrics, **options}
        self.server = Server(f"unix://{self.socket}", **options)
        self.server.start()
        self.channel = grpc.insecure_channel(f"unix:{self.socket}")
        self.identity = rpc.IdentityStub(self.channel)
        self.controller = rpc.ControllerStub(self.channel)
        self.group_controller = rpc.GroupControllerStub(self.channel)
        self.node = rpc.NodeStub(self.channel)

    def close(self) -> None:
        self.channel.close()
        self.server.stop(0)
        shutil.rmtree(self.directory)
        logging.root.handlers[:], logging.root.level = self._logging

    @property
    def log_text(self) -> str:
        return self._log.getvalue()

    def log(self, **wanted: Any) -> list[dict[str, Any]]:
        """The log's records that hold what is wanted."""
        records = [json.loads(line) for line in self.log_text.splitlines()]
        return [record for record in records if wanted.items() <= record.items()]


def mount(fs_type: str = "", *, mode: int = 1, flags: tuple[str, ...] = ()) -> pb.VolumeCapability:
    access = pb.VolumeCapability.MountVolume(fs_type=fs_type, mount_flags=flags)
    return pb.VolumeCapability(mount=access, access_mode=pb.VolumeCapability.AccessMode(mode=mode))


def block(*, mode: int = 1) -> pb.VolumeCapability:
    access = pb.VolumeCapability.BlockVolume()
    return pb.VolumeCapability(block=access, access_mode=pb.VolumeCapability.AccessMode(mode=mode))


def create_request(**fields: Any) -> pb.CreateVolumeRequest:
    return pb.CreateVolumeRequest(**{"name": "pvc-1", "volume_capabilities": [mount()], **fields})


def sized(required_bytes: int = 0, limit_bytes: int = 0) -> pb.CreateVolumeRequest:
    wanted = pb.CapacityRange(required_bytes=required_bytes, limit_bytes=limit_bytes)
    return create_request(capacity_range=wanted)


def publish_request(**fields: Any) -> pb.ControllerPublishVolumeRequest:
    defaults = {"volume_id": VOLUME_ID, "node_id": str(NODE_ID), "volume_capability": mount()}
    return pb.ControllerPublishVolumeRequest(**{**defaults, **fields})


def stage_request(**fields: Any) -> pb.NodeStageVolumeRequest:
    defaults = {
        "volume_id": VOLUME_ID,
        "staging_target_path": "/staging",
        "volume_capability": mount(),
        "publish_context": PUBLISH_CONTEXT,
    }
    return pb.NodeStageVolumeRequest(**{**defaults, **fields})


def node_publish_request(**fields: Any) -> pb.NodePublishVolumeRequest:
    defaults = {
        "volume_id": VOLUME_ID,
        "staging_target_path": "/staging",
        "target_path": "/target",
        "volume_capability": mount(),
        "publish_context": PUBLISH_CONTEXT,
    }
    return pb.NodePublishVolumeRequest(**{**defaults, **fields})


def refused(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
    """Make a call that has to fail; return its code and message."""
    try:
        response = call(request, timeout=TIMEOUT)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"succeeded with {response}")
