"""What users do, at random, one thing after the other; each notes in the ledger what it was promised."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from csi_driver.proto import csi_pb2 as pb
from tests.demo.pods import ROOT
from tests.harness.client import Cluster
from tests.properties import disks
from tests.properties.model import BLANK, MIB, PLACES, TAG_BYTES, Content, Group, Snapshot, Volume, written
from tests.soak.ledger import Ledger, host_of
from tests.soak.sidecar import BrokenPromiseError, Record, Sidecar
from tests.warm.storage import until

# More than this and users rather delete: a host with a few hundred volumes is no other than one with a hundred.
MANY_VOLUMES, MANY_SNAPSHOTS = 100, 80
FILESYSTEM_BYTES = 16 * MIB
# Formatting takes loop devices and a core.
PODS = threading.Semaphore(2)

Zvols = Callable[[str], Path]


class User:
    """One user and the sidecar that asks for him. `zvols` tells where a host's devices are."""

    def __init__(self, number: int, ledger: Ledger, sidecar: Sidecar, random: Random, zvols: Zvols) -> None:
        self._prefix = f"user{number}"
        self._ledger = ledger
        self._sidecar = sidecar
        self._random = random
        self._zvols = zvols
        self._actions: dict[str, tuple[int, Callable[[], bool]]] = {
            "create": (14, self._create),
            "clone": (5, self._clone),
            "full copy": (2, lambda: self._clone(mode="copy")),
            "restore": (6, self._restore),
            "snapshot": (8, self._snapshot),
            "group snapshot": (3, self._snapshot_group),
            "expand": (6, self._expand),
            "modify": (5, self._modify),
            "write": (6, self._write),
            "publish": (10, self._publish),
            "unpublish": (9, self._unpublish),
            "delete": (14, self._delete),
            "delete snapshot": (8, self._delete_snapshot),
            "delete group": (3, self._delete_group),
            "list": (4, self._list),
            "capacity": (2, self._capacity),
            "pod": (2 if ROOT else 0, self._pod),
        }

    def act(self, record: Record) -> None:
        """Do one thing; where what it takes is not there, create a volume."""
        what = self._choice()
        began = time.monotonic()
        try:
            if not self._actions[what][1]():
                what = "create"
                self._create()
        except BrokenPromiseError as error:
            record.problem(f"{self._prefix}: {error}")
        except Exception:  # noqa: BLE001 - whatever goes wrong is what is looked for, and the others go on
            record.problem(f"{self._prefix}: {what}: {traceback.format_exc(limit=-3)}")
        record.finished(what, time.monotonic() - began)

    def _choice(self) -> str:
        volumes, snapshots, _ = self._ledger.ids()
        if len(volumes) > MANY_VOLUMES:
            return self._random.choice(["delete", "delete", "unpublish"])
        if len(snapshots) > MANY_SNAPSHOTS:
            return self._random.choice(["delete snapshot", "delete group"])
        weights = [weight for weight, _ in self._actions.values()]
        return self._random.choices(list(self._actions), weights)[0]

    def _size(self) -> int:
        return self._random.randint(1, 8) * MIB

    # Volumes

    def _create(self) -> bool:
        """A blank volume, thin or not, to which something is written."""
        name, size = self._ledger.take_name(f"{self._prefix}-v"), self._size()
        parameters = self._random.choice([{}, {"thin": "false"}])
        made = self._sidecar.insist("create", lambda cluster: cluster.create(name, size, parameters=parameters))
        self._made(made, name, size, self._scribbled(made.volume_id, name, BLANK))
        return True

    def _clone(self, mode: str = "clone") -> bool:
        """A volume from another one."""
        with self._ledger.volume(self._random) as found:
            for other in found:
                size = max(other.size_bytes, self._size())
                source = pb.Volume(volume_id=other.id)
                self._copy("full copy" if mode == "copy" else "clone", source, size, other.content, mode)
        return bool(found)

    def _restore(self) -> bool:
        """A volume from a snapshot."""
        with self._ledger.snapshot(self._random) as found:
            for snapshot in found:
                size = max(snapshot.size_bytes, self._size())
                mode = "copy" if self._random.random() < 0.2 else "clone"
                self._copy("restore", pb.Snapshot(snapshot_id=snapshot.id), size, snapshot.content, mode)
        return bool(found)

    def _copy(self, what: str, source: pb.Snapshot | pb.Volume, size: int, content: Content, mode: str) -> None:
        name = self._ledger.take_name(f"{self._prefix}-v")
        parameters = {"cloneMode": mode}
        made = self._sidecar.insist(
            what, lambda cluster: cluster.create(name, size, source=source, parameters=parameters)
        )
        self._made(made, name, size, content)

    def _made(self, made: pb.Volume, name: str, size: int, content: Content) -> None:
        with self._ledger.changed() as model:
            if made.capacity_bytes != size or made.volume_id in model.volumes or made.volume_id in self._ledger.gone:
                raise BrokenPromiseError(f"{name}: asked for {size} bytes of its own, got {made}")
            model.volumes[made.volume_id] = Volume(made.volume_id, name, (), size, content)

    def _expand(self) -> bool:
        with self._ledger.volume(self._random) as found:
            for volume in found:
                size = volume.size_bytes + self._random.choice([0, MIB, 2 * MIB])
                answer = self._sidecar.insist(
                    "expand", lambda cluster, volume=volume, size=size: cluster.expand(volume.id, size)
                )
                volume.size_bytes = answer.capacity_bytes
                if answer.capacity_bytes != size:
                    raise BrokenPromiseError(f"{volume.name}: asked for {size} bytes, got {answer}")
        return bool(found)

    def _modify(self) -> bool:
        wanted = {
            "thin": self._random.choice(["true", "false"]),
            "compression": self._random.choice(["lz4", "zstd", "off"]),
        }
        with self._ledger.volume(self._random) as found:
            for volume in found:
                self._sidecar.insist("modify", lambda cluster, volume=volume: cluster.modify(volume.id, **wanted))
        return bool(found)

    def _write(self) -> bool:
        """Change what a volume holds, behind everybody's back."""
        with self._ledger.volume(self._random) as found:
            for volume in found:
                volume.content = self._scribbled(volume.id, volume.name, volume.content)
        return bool(found)

    def _scribbled(self, identity: str, name: str, content: Content) -> Content:
        place, tag = self._random.randrange(len(PLACES)), self._random.randbytes(TAG_BYTES)
        device = self._zvols(host_of(identity)) / name
        until(device.exists, f"there is no {device}")  # not while the pool is away
        disks.write(device, place, tag)
        return written(content, place, tag)

    def _delete(self) -> bool:
        """With all its snapshots and clones left behind; a second time, too."""
        with self._ledger.volume(self._random, lambda volume: not volume.published) as found:
            for volume in found:
                with self._ledger.changed() as model:
                    del model.volumes[volume.id]
                self._gone("delete", volume.name, volume.id, lambda cluster, volume=volume: cluster.delete(volume.id))
        return bool(found)

    def _gone(self, what: str, name: str, identity: str, call: Callable[[Cluster], None]) -> None:
        self._sidecar.insist(what, call)
        if self._random.random() < 0.1:
            self._sidecar.insist(what, call)
        with self._ledger.changed():
            self._ledger.gone.add(identity)
        self._ledger.free_name(name)

    # Attachments

    def _publish(self) -> bool:
        with self._ledger.volume(self._random) as found:
            for volume in found:
                node = self._sidecar.insist("node", lambda cluster: cluster.node_id(), twins=False)
                call = lambda cluster, volume=volume, node=node: cluster.attach(volume.id, node)  # noqa: E731
                context = self._sidecar.insist("publish", call)
                volume.published = True
                if self._random.random() < 0.2 and self._sidecar.insist("publish", call) != context:
                    raise BrokenPromiseError(f"{volume.name}: published again it has another context")
        return bool(found)

    def _unpublish(self) -> bool:
        with self._ledger.volume(self._random, lambda volume: volume.published) as found:
            for volume in found:
                node = self._sidecar.insist("node", lambda cluster: cluster.node_id(), twins=False)
                self._sidecar.insist(
                    "unpublish", lambda cluster, volume=volume, node=node: cluster.detach(volume.id, node)
                )
                volume.published = False
        return bool(found)

    def _pod(self) -> bool:
        """The life of a pod with a volume of its own, unless there are enough of them."""
        if not PODS.acquire(blocking=False):
            return False
        try:
            self._live()
        finally:
            PODS.release()
        return True

    def _live(self) -> None:
        """What the pod wrote is there when it starts again."""
        name = self._ledger.take_name(f"{self._prefix}-pod")
        insist, content = self._sidecar.insist, self._random.randbytes(64)
        made = insist("create", lambda cluster: cluster.create(name, FILESYSTEM_BYTES))
        node = insist("node", lambda cluster: cluster.node_id(), twins=False)
        for start in range(2):
            context = insist("publish", lambda cluster: cluster.attach(made.volume_id, node))
            insist("stage", lambda cluster, context=context: cluster.stage(made, context), twins=False)
            file = insist("mount", lambda cluster, context=context: cluster.mount(made, context), twins=False) / "data"
            if start == 0:
                file.write_bytes(content)
            elif file.read_bytes() != content:
                raise BrokenPromiseError(f"{name}: a pod's file does not hold what it wrote")
            insist("unmount", lambda cluster: cluster.unmount(made), twins=False)
            insist("unstage", lambda cluster: cluster.unstage(made), twins=False)
            insist("unpublish", lambda cluster: cluster.detach(made.volume_id, node))
        self._gone("delete", name, made.volume_id, lambda cluster: cluster.delete(made.volume_id))

    # Snapshots

    def _snapshot(self) -> bool:
        with self._ledger.volume(self._random) as found:
            for volume in found:
                name = self._ledger.take_name(f"{self._prefix}-s")
                taken = self._sidecar.insist(
                    "snapshot", lambda cluster, volume=volume, name=name: cluster.snapshot(name, volume.id)
                )
                with self._ledger.changed() as model:
                    model.snapshots[taken.snapshot_id] = Snapshot(
                        taken.snapshot_id, name, volume.id, volume.size_bytes, volume.content
                    )
        return bool(found)

    def _delete_snapshot(self) -> bool:
        with self._ledger.snapshot(self._random) as found:
            for one in found:
                with self._ledger.changed() as model:
                    del model.snapshots[one.id]
                self._gone(
                    "delete snapshot", one.name, one.id, lambda cluster, one=one: cluster.delete_snapshot(one.id)
                )
        return bool(found)

    def _snapshot_group(self) -> bool:
        """Snapshots of several volumes of one host at one moment."""
        with self._ledger.some_volumes(self._random, self._random.randint(1, 4)) as found:
            if not found:
                return False
            name = self._ledger.take_name(f"{self._prefix}-g")
            sources = {volume.id: volume for volume in found}
            taken = self._sidecar.insist(
                "group snapshot", lambda cluster: _sorted(cluster.create_group_snapshot(name, sorted(sources)))
            )
            if sorted(one.source_volume_id for one in taken.snapshots) != sorted(sources):
                raise BrokenPromiseError(f"{name}: a group of {sorted(sources)} is {taken}")
            with self._ledger.changed() as model:
                for one in taken.snapshots:
                    source = sources[one.source_volume_id]
                    model.snapshots[one.snapshot_id] = Snapshot(
                        one.snapshot_id, name, source.id, source.size_bytes, source.content, taken.group_snapshot_id
                    )
                members = frozenset(one.snapshot_id for one in taken.snapshots)
                model.groups[taken.group_snapshot_id] = Group(
                    taken.group_snapshot_id, name, frozenset(sources), members
                )
        return True

    def _delete_group(self) -> bool:
        with self._ledger.group(self._random) as found:
            for group in found:
                with self._ledger.changed() as model:
                    del model.groups[group.id]
                    for member in group.members:
                        del model.snapshots[member]
                members = sorted(group.members)
                self._gone(
                    "delete group",
                    group.name,
                    group.id,
                    lambda cluster, group=group, members=members: cluster.delete_group_snapshot(group.id, members),
                )
        return bool(found)

    # Questions

    def _list(self) -> bool:
        """Whatever others do: what was there all the time is listed, what was gone before is not."""
        volumes, snapshots, gone = self._ledger.ids()
        found = self._sidecar.insist(
            "list", lambda cluster: {one.volume_id for one in cluster.volumes()}, twins=False
        ) | self._sidecar.insist("list", lambda cluster: {one.snapshot_id for one in cluster.snapshots()}, twins=False)
        volumes_still, snapshots_still, _ = self._ledger.ids()
        missing = ((volumes & volumes_still) | (snapshots & snapshots_still)) - found
        if missing or found & gone:
            raise BrokenPromiseError(
                f"a listing lacks {sorted(missing)}, and has {sorted(found & gone)}, which are gone"
            )
        return True

    def _capacity(self) -> bool:
        self._sidecar.insist("capacity", lambda cluster: cluster.capacity(), twins=False)
        return True


def _sorted(group: pb.VolumeGroupSnapshot) -> pb.VolumeGroupSnapshot:
    """The same group with its members in one order, so that answers can be compared."""
    ordered = pb.VolumeGroupSnapshot()
    ordered.CopyFrom(group)
    del ordered.snapshots[:]
    ordered.snapshots.extend(sorted(group.snapshots, key=lambda one: one.snapshot_id))
    return ordered
