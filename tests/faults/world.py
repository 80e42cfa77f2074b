"""A running system that can be hurt, looked at, and emptied again."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import grpc

from csi_driver.proto import csi_pb2 as pb
from tests.harness.client import Cluster
from tests.harness.leaks import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.stack import Stack

ATTEMPTS = 40
PAUSE_SECONDS = 0.25
# After these a sidecar asks again and forgets nothing; any other error would mean that nothing had happened.
UNFINISHED = frozenset({"UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "CANCELLED"})
_RANDOM = re.compile(r"[0-9a-f]{12,}")


class NotHealedError(AssertionError):
    """Retries did not lead to the right end."""


class World:
    """One simulated host and the driver before it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @contextlib.contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """A client with connections of its own, which know nothing of earlier failures."""
        with self._stack.controller.channel() as controller, self._stack.node.channel() as node:
            yield Cluster(controller, node, self._stack.directory / "kubelet")

    def until_done(self, call: Callable[[Cluster], object]) -> object:
        """Repeat a call as a sidecar does, and return what it is answered in the end."""
        for _ in range(ATTEMPTS):
            with self.cluster() as cluster:
                try:
                    return call(cluster)
                except grpc.RpcError as error:
                    last = f"{error.code().name}: {error.details()}"
                    if error.code().name not in UNFINISHED:
                        break
            time.sleep(PAUSE_SECONDS)
        raise NotHealedError(f"retries end with {last}")

    def commands(self, since: int = 0) -> list[dict[str, Any]]:
        """The commands that the host has run."""
        entries: list[dict[str, Any]] = self._stack.host.control("log", since=since)["entries"]
        return entries

    def arm(self, number: int, when: str, action: str, **more: object) -> None:
        """Let something happen before or after the host's next command but `number - 1`."""
        self._stack.host.control("fault", when=when, nth=number, action=action, **more)

    def fired(self) -> bool:
        """Whether what was armed has happened, or has been forgotten in a reboot."""
        return all(fault["fired"] for fault in self._stack.host_state()["faults"])

    def disarm(self) -> None:
        """Let go on what hangs, and let nothing more happen."""
        self._stack.host.control("clear-faults")

    def kill_driver(self) -> None:
        """As the kernel does when memory is short."""
        self._stack.controller.kill()

    def start_driver(self) -> None:
        """As the kubelet does."""
        self._stack.controller.start()

    def shape(self) -> tuple[str, ...]:
        """What there is on the host, a line for each thing, less what is random in it."""
        state = self._stack.host_state()
        things = [
            *sorted(_dataset(name, dataset) for name, dataset in state["datasets"].items()),
            f"{len(state['luns'])} LUNs, {len(state['ports'])} ports",
            *(state["ctl_conf"] or "").splitlines(),
        ]
        return tuple(_masked(thing) for thing in things)

    def empty(self) -> None:
        """Take everything away, as a cluster would, and see that nothing is left."""
        self.until_done(_delete_all)
        problems = leftovers(self._stack)
        if problems:
            raise NotHealedError("; ".join(problems))


def masked(answer: object) -> str:
    """An answer, less what is random in it."""
    return _masked(repr(answer))


def _masked(text: str) -> str:
    return _RANDOM.sub("*", text)


def _dataset(name: str, dataset: dict[str, Any]) -> str:
    properties = sorted(f"{key}={value}" for key, value in dataset["properties"].items() if not key.endswith(":hash"))
    snapshots = sorted(dataset["snapshots"])
    return f"{name} {properties} {snapshots} of {dataset['origin']}"


def _delete_all(cluster: Cluster) -> None:
    for entry in cluster.controller.ListVolumes(pb.ListVolumesRequest()).entries:
        cluster.detach(entry.volume.volume_id, "")
        cluster.delete(entry.volume.volume_id)
    snapshots = cluster.snapshots()
    for group in {snapshot.group_snapshot_id for snapshot in snapshots if snapshot.group_snapshot_id}:
        cluster.delete_group_snapshot(group)
    for snapshot in snapshots:
        if not snapshot.group_snapshot_id:
            cluster.delete_snapshot(snapshot.snapshot_id)
