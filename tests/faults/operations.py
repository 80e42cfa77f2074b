"""
The operations that are interrupted.

`prepare` makes what the operation needs; `act` is the call, which a cluster repeats until it succeeds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from csi_driver.proto import csi_pb2 as pb
    from tests.harness.client import Cluster

MIB = 1 << 20
KEY = "correct horse battery"


@dataclass
class Subject:
    """What an operation works on."""

    volumes: dict[str, pb.Volume] = field(default_factory=dict)
    snapshots: dict[str, pb.Snapshot] = field(default_factory=dict)
    group: pb.VolumeGroupSnapshot | None = None

    @property
    def group_id(self) -> str:
        """The id of the group snapshot that was prepared."""
        assert self.group is not None
        return self.group.group_snapshot_id


@dataclass(frozen=True)
class Operation:
    """One call, or several at once; `act` returns what it was answered."""

    name: str
    prepare: Callable[[Cluster, Subject], None]
    act: Callable[[Cluster, Subject], object]


def _nothing(_cluster: Cluster, _subject: Subject) -> None:
    pass


def _volume(cluster: Cluster, subject: Subject, name: str = "one") -> pb.Volume:
    subject.volumes[name] = cluster.create(name, MIB)
    return subject.volumes[name]


def _published(cluster: Cluster, subject: Subject) -> None:
    cluster.attach(_volume(cluster, subject).volume_id, cluster.node_id())


def _snapshotted(cluster: Cluster, subject: Subject) -> None:
    subject.snapshots["s"] = cluster.snapshot("s", _volume(cluster, subject).volume_id)


def _cloned(cluster: Cluster, subject: Subject) -> None:
    _snapshotted(cluster, subject)
    subject.volumes["clone"] = cluster.create("clone", MIB, source=subject.snapshots["s"])


def _two(cluster: Cluster, subject: Subject) -> None:
    for name in ("one", "two"):
        _volume(cluster, subject, name)


def _group(cluster: Cluster, subject: Subject) -> object:
    group = cluster.create_group_snapshot("g", [volume.volume_id for volume in subject.volumes.values()])
    return sorted(one.size_bytes for one in group.snapshots)


def _grouped(cluster: Cluster, subject: Subject) -> None:
    _two(cluster, subject)
    subject.group = cluster.create_group_snapshot("g", [volume.volume_id for volume in subject.volumes.values()])


def _encrypted(cluster: Cluster, subject: Subject) -> None:
    cluster.secrets = {"encryptionKey": KEY}
    subject.volumes["one"] = cluster.create("one", MIB, parameters={"encryption": "on", "unloadKey": "true"})


def _with_key(cluster: Cluster, subject: Subject) -> object:
    cluster.secrets = {"encryptionKey": KEY}
    return sorted(cluster.attach(subject.volumes["one"].volume_id, cluster.node_id()))


def _mixture(cluster: Cluster, subject: Subject) -> None:
    for name in ("attached", "loose", "growing", "source"):
        _volume(cluster, subject, name)
    cluster.attach(subject.volumes["attached"].volume_id, cluster.node_id())


def _mixed(cluster: Cluster, subject: Subject) -> object:
    """What several users ask for at the same moment: one batch on the host, or two."""
    identities = {name: volume.volume_id for name, volume in subject.volumes.items()}
    calls: list[Callable[[], object]] = [
        lambda: cluster.create("new", MIB).capacity_bytes,
        lambda: cluster.detach(identities["attached"], cluster.node_id()),
        lambda: cluster.delete(identities["loose"]),
        lambda: cluster.expand(identities["growing"], 2 * MIB).capacity_bytes,
        lambda: cluster.snapshot("s", identities["source"]).size_bytes,
        lambda: sorted(cluster.attach(identities["source"], cluster.node_id())),
    ]
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]


OPERATIONS = (
    Operation("create", _nothing, lambda cluster, _: cluster.create("one", MIB).capacity_bytes),
    Operation(
        "publish",
        _volume,
        lambda cluster, subject: sorted(cluster.attach(subject.volumes["one"].volume_id, cluster.node_id())),
    ),
    Operation(
        "unpublish",
        _published,
        lambda cluster, subject: cluster.detach(subject.volumes["one"].volume_id, cluster.node_id()),
    ),
    Operation(
        "expand",
        _published,
        lambda cluster, subject: cluster.expand(subject.volumes["one"].volume_id, 2 * MIB).capacity_bytes,
    ),
    Operation(
        "snapshot",
        _volume,
        lambda cluster, subject: cluster.snapshot("s", subject.volumes["one"].volume_id).size_bytes,
    ),
    Operation(
        "restore",
        _snapshotted,
        lambda cluster, subject: cluster.create("two", 2 * MIB, source=subject.snapshots["s"]).capacity_bytes,
    ),
    Operation(
        "clone",
        _volume,
        lambda cluster, subject: cluster.create("two", 2 * MIB, source=subject.volumes["one"]).capacity_bytes,
    ),
    Operation("delete", _volume, lambda cluster, subject: cluster.delete(subject.volumes["one"].volume_id)),
    Operation(
        "delete, with a snapshot",
        _snapshotted,
        lambda cluster, subject: cluster.delete(subject.volumes["one"].volume_id),
    ),
    Operation(
        "delete snapshot",
        _snapshotted,
        lambda cluster, subject: cluster.delete_snapshot(subject.snapshots["s"].snapshot_id),
    ),
    Operation(
        "delete snapshot, with a clone",
        _cloned,
        lambda cluster, subject: cluster.delete_snapshot(subject.snapshots["s"].snapshot_id),
    ),
    Operation("group snapshot", _two, _group),
    Operation(
        "delete group snapshot", _grouped, lambda cluster, subject: cluster.delete_group_snapshot(subject.group_id)
    ),
    Operation(
        "modify",
        _volume,
        lambda cluster, subject: cluster.modify(subject.volumes["one"].volume_id, compression="zstd", thin="false"),
    ),
    Operation("publish, encrypted", _encrypted, _with_key),
    Operation("six at once", _mixture, _mixed),
)
