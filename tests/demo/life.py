"""The chapters of the demo: what happens to the volumes, in the order in which it is shown."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

from tests.demo.pods import ROOT, Pods
from tests.harness.client import Cluster, capability
from tests.harness.stack import HOST, NODE_NAME

if TYPE_CHECKING:
    from csi_driver.proto import csi_pb2 as pb
    from tests.demo.show import Show
    from tests.harness.stack import Stack

GIB = 1 << 30
NAME = "pvc-6f1c2a9e-0b7d-4a53-9d60-2f1f2c1a7be1"
RESTORED = "pvc-b1d0c7f4-52a6-4c0e-8f7b-0d1f6a3e9c22"
DATABASE = ("pvc-2a7c9d10-3c1e-4b66-8f0d-5b7e9a1c4d01", "pvc-9e4f1b7a-61d2-4c58-a0b3-7c2d8e5f6a02")
GROUP = "groupsnapshot-4d2b9c7e-8a10-4f3c-9b5d-1e6f7a8b9c03"
SNAPSHOT = "snapshot-0e5b8c1d-7a44-4f0b-9b0e-3a9d2c6f1e10"
MORNING = os.urandom(8 << 20)
EVENING = os.urandom(8 << 20)
# XFS grows while it is mounted on every kernel; ext4 needs a right that containers often lack.
XFS = shutil.which("mkfs.xfs") is not None
PARAMETERS = {"compression": "lz4"}
ENCRYPTED = {"encryption": "aes-256-gcm", "unloadKey": "true"}
KEY = secrets.token_urlsafe(24)


def live(show: Show, stack: Stack) -> None:
    """Walk through all chapters; afterwards nothing is left."""
    with stack.controller.channel() as controller, stack.node.channel() as node:
        cluster = Cluster(controller, node, stack.directory / "kubelet")
        cluster.capability = capability(block=not ROOT, fs_type="xfs" if XFS else "ext4")
        pods = Pods(show, stack, cluster)
        show.chapter("a volume: made, attached to one node, formatted, mounted")
        volume = _create(show, cluster)
        snapshot = _snapshot_and_grow(show, cluster, pods, volume)
        show.chapter("the volume is deleted first; its snapshot lives on and becomes a larger volume")
        _restore(show, cluster, pods, volume, snapshot)
        show.chapter("two encrypted volumes of one database: changed in use, and kept as of one instant")
        _database(show, cluster, pods)


def _create(show: Show, cluster: Cluster) -> pb.Volume:
    with show.step("CreateVolume: 1 GiB, thin, lz4", HOST) as step:
        volume = cluster.create(NAME, GIB, parameters=PARAMETERS)
        step.note = f"volume id {volume.volume_id}"
    return volume


def _snapshot_and_grow(show: Show, cluster: Cluster, pods: Pods, volume: pb.Volume) -> pb.Snapshot:
    place = pods.start(volume, "format, mount")
    pods.write(place, MORNING, "this morning's data")
    show.chapter("while the pod runs: a snapshot, and twice the room")
    with show.step("CreateSnapshot", HOST) as step:
        snapshot = cluster.snapshot(SNAPSHOT, volume.volume_id)
        step.note = f"snapshot id {snapshot.snapshot_id}"
    pods.write(place, EVENING, "this evening's data over it")
    with show.step("ControllerExpandVolume: to 2 GiB, online", HOST):
        cluster.expand(volume.volume_id, 2 * GIB)
    if ROOT and XFS:
        with show.step("NodeExpandVolume: rescan, grow the filesystem", NODE_NAME):
            cluster.expand_on_node(volume)
    pods.read(place, EVENING, "this evening's data")
    pods.stop(volume)
    return snapshot


def _restore(show: Show, cluster: Cluster, pods: Pods, volume: pb.Volume, snapshot: pb.Snapshot) -> None:
    with show.step("DeleteVolume: out of sight at once, kept for its snapshot", HOST):
        cluster.delete(volume.volume_id)
    with show.step("CreateVolume: 3 GiB from the snapshot", HOST):
        restored = cluster.create(RESTORED, 3 * GIB, parameters=PARAMETERS, source=snapshot)
    with show.step("DeleteSnapshot: the volume made from it lives on", HOST):
        cluster.delete_snapshot(snapshot.snapshot_id)
    place = pods.start(restored, "mount, grow the filesystem")
    pods.read(place, MORNING, "this morning's data")
    pods.stop(restored)
    with show.step("DeleteVolume: the last of them, and all is gone", HOST):
        cluster.delete(restored.volume_id)


def _database(show: Show, cluster: Cluster, pods: Pods) -> None:
    cluster.secrets = {"encryptionKey": KEY}
    with show.step("CreateVolume, twice: encrypted, the key comes from a Secret", HOST):
        data, log = (cluster.create(name, GIB, parameters=ENCRYPTED) for name in DATABASE)
    place = pods.start(data, "format, mount")
    pods.write(place, MORNING, "the database")
    with show.step("ControllerModifyVolume: zstd and synchronous writes, while it is in use", HOST):
        cluster.modify(data.volume_id, compression="zstd", sync="always")
    with show.step("CreateVolumeGroupSnapshot: both volumes at one instant", HOST) as step:
        group = cluster.create_group_snapshot(GROUP, [data.volume_id, log.volume_id])
        step.note = f"{len(group.snapshots)} snapshots, group id {group.group_snapshot_id}"
    pods.read(place, MORNING, "the database")
    pods.stop(data)
    with show.step("DeleteVolumeGroupSnapshot, DeleteVolume", HOST):
        cluster.delete_group_snapshot(group.group_snapshot_id)
        for volume in (data, log):
            cluster.delete(volume.volume_id)
