"""Encrypted volumes: their life with the right key, what happens without it, and that the key is nowhere to be seen."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from csi_driver.proto import csi_pb2 as pb
from tests.e2e.traces import Watch
from tests.harness.client import Cluster
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
# Such as occur nowhere else.
KEY, OTHER = (f"correct horse {secrets.token_hex(8)}" for _ in range(2))
CLASS = {"encryption": "aes-256-gcm", "unloadKey": "true"}
PATIENCE = 60.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """The status that a call fails with, and what it says."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return error.code().name, error.details()


@contextlib.contextmanager
def key(cluster: Cluster, text: str | None) -> Iterator[None]:
    """The key that goes with the calls; None: none."""
    before = cluster.secrets
    cluster.secrets = {} if text is None else {"encryptionKey": text}
    yield
    cluster.secrets = before


@pytest.fixture
def locksmith(cluster: Cluster) -> Iterator[Cluster]:
    """A client that has the right key."""
    with key(cluster, KEY):
        yield cluster


def key_status(stack: Stack, volume: pb.Volume) -> str:
    """Whether the key of the volume is loaded."""
    uuid = volume.volume_id.partition(":")[2]
    argv = ("zfs", "get", "-Hp", "-r", "-o", "name,value", "org.freebsd.storage:uuid", stack.host.info["parent"])
    lines = stack.host.run(*argv)["out"].splitlines()
    name = next(line.split("\t")[0] for line in lines if line.endswith(uuid))
    return str(stack.host.run("zfs", "get", "-H", "-o", "value", "keystatus", name)["out"]).strip()


def reboot(stack: Stack, cluster: Cluster) -> None:
    """Cut the storage host's power, and wait until the driver reaches it again."""
    stack.host.control("reboot")
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            cluster.controller.ListVolumes(pb.ListVolumesRequest(), timeout=PATIENCE)
        except grpc.RpcError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@needs_root
def test_the_life_of_an_encrypted_volume_leaves_no_trace_of_its_key(stack: Stack, locksmith: Cluster) -> None:
    """Written, rebooted, cloned, restored, grown; the key in no argument, environment, file, log or answer."""
    cluster, said = locksmith, ""
    with Watch([KEY, OTHER], stack.directory) as watch:
        volume = cluster.create("secret", 320 * MIB, parameters=CLASS)
        assert key_status(stack, volume) == "unavailable"
        with cluster.in_use(volume) as path:
            (path / "file").write_text("kept")
            assert key_status(stack, volume) == "available"
        assert key_status(stack, volume) == "unavailable"
        snapshot = cluster.snapshot("of-the-secret", volume.volume_id)
        reboot(stack, cluster)
        with key(cluster, OTHER):
            said += str(refusal(lambda: cluster.attach(volume.volume_id, cluster.node_id())))
            said += str(refusal(lambda: cluster.create("wrong", MIB, parameters=CLASS, source=snapshot)))
        restored = cluster.create("restored", 320 * MIB, parameters=CLASS, source=snapshot)
        copied = cluster.create("copied", 640 * MIB, parameters=CLASS, source=volume)
        cluster.expand(volume.volume_id, 640 * MIB)
        cluster.delete(volume.volume_id)
        reboot(stack, cluster)
        with cluster.in_use(restored) as path:
            assert (path / "file").read_text() == "kept"
        with cluster.in_use(copied) as path:
            assert (path / "file").read_text() == "kept"
        said += str(cluster.controller.ListVolumes(pb.ListVolumesRequest()))
        for each in (copied, restored):
            cluster.delete(each.volume_id)
        cluster.delete_snapshot(snapshot.snapshot_id)
    assert watch.looks > 10
    assert watch.found == set()
    assert "Incorrect key provided" in said
    assert KEY not in said
    assert OTHER not in said


@pytest.mark.parametrize(("rung", "release"), [("forked", "15.0"), ("plain", "14.3")])
def test_however_playbooks_are_run_the_key_leaves_no_trace(rung: str, release: str) -> None:
    """Also where nothing is kept warm, and on either release."""
    with Stack(release=release, settings={"ansible": {"rung": rung}}) as stack, Watch([KEY], stack.directory) as watch:
        with stack.controller.channel() as controller, stack.node.channel() as node:
            cluster = Cluster(controller, node, stack.directory / "kubelet")
            cluster.secrets = {"encryptionKey": KEY}
            volume = cluster.create("secret", MIB, parameters=CLASS)
            cluster.attach(volume.volume_id, cluster.node_id())
            assert key_status(stack, volume) == "available"
            cluster.detach(volume.volume_id, cluster.node_id())
            assert key_status(stack, volume) == "unavailable"
            cluster.delete(volume.volume_id)
        assert leftovers(stack) == []
    assert watch.looks > 10
    assert watch.found == set()


@pytest.mark.parametrize("text", [None, "", "seven77"])
def test_without_a_key_nothing_is_made(cluster: Cluster, stack: Stack, text: str | None) -> None:
    """And the answer names the field; never is there a volume in the clear."""
    with key(cluster, text):
        status, message = refusal(lambda: cluster.create("secret", MIB, parameters=CLASS))
    assert status == "INVALID_ARGUMENT"
    assert "encryptionKey" in message
    assert stack.host_state()["datasets"].keys() == {"tank", stack.host.info["parent"]}


def test_a_key_without_encryption_is_taken_for_a_mistake(locksmith: Cluster) -> None:
    """Unless the class says that it is not."""
    assert refusal(lambda: locksmith.create("plain", MIB))[0] == "INVALID_ARGUMENT"
    plain = locksmith.create("plain", MIB, parameters={"encryption": "off"})
    locksmith.delete(plain.volume_id)


def test_a_wrong_or_missing_key_publishes_nothing(locksmith: Cluster, stack: Stack) -> None:
    """Whether the right one is loaded or not; with the right one the same volume is there."""
    cluster = locksmith
    volume = cluster.create("secret", MIB, parameters={"encryption": "on"})
    node = cluster.node_id()
    for _again in range(2):
        for text, expected in ((OTHER, "FAILED_PRECONDITION"), (None, "INVALID_ARGUMENT")):
            with key(cluster, text):
                status, message = refusal(lambda: cluster.attach(volume.volume_id, node))
            assert status == expected
            assert "key" in message
        reboot(stack, cluster)
    first = cluster.attach(volume.volume_id, node)
    assert cluster.attach(volume.volume_id, node) == first
    cluster.detach(volume.volume_id, node)
    assert key_status(stack, volume) == "available"
    cluster.delete(volume.volume_id)


def test_a_publication_lives_through_a_reboot_and_waits_for_its_key(locksmith: Cluster, stack: Stack) -> None:
    """Others are served meanwhile; the same target is back once the volume is published again."""
    cluster, node = locksmith, locksmith.node_id()
    volume = cluster.create("secret", MIB, parameters=CLASS)
    context = cluster.attach(volume.volume_id, node)
    reboot(stack, cluster)
    with key(cluster, None):
        plain = cluster.create("plain", MIB)
        cluster.attach(plain.volume_id, node)
    assert key_status(stack, volume) == "unavailable"
    assert cluster.attach(volume.volume_id, node) == context
    assert key_status(stack, volume) == "available"
    for each in (volume, plain):
        cluster.detach(each.volume_id, node)
        cluster.delete(each.volume_id)


def test_encrypted_and_plain_do_not_mix(locksmith: Cluster) -> None:
    """A clone is encrypted as its source is, with the same key, or it is refused."""
    cluster = locksmith
    secret = cluster.create("secret", MIB, parameters=CLASS)
    with key(cluster, None):
        plain = cluster.create("plain", MIB)
        assert refusal(lambda: cluster.create("clear", MIB, source=secret))[0] == "FAILED_PRECONDITION"
    assert refusal(lambda: cluster.create("dark", MIB, parameters=CLASS, source=plain))[0] == "FAILED_PRECONDITION"
    other = {**CLASS, "encryption": "aes-128-ccm"}
    assert refusal(lambda: cluster.create("other", MIB, parameters=other, source=secret))[0] == "FAILED_PRECONDITION"
    for each in (secret, plain):
        cluster.delete(each.volume_id)
