"""CHAP from Secret to session: who gets in, what a change of secrets means, and that they are nowhere to be seen."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.e2e.test_encryption import reboot, refusal
from tests.e2e.traces import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csi_driver.proto import csi_pb2 as pb
    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

MIB = 1 << 20
SIZE = 32 * MIB
# Such as occur nowhere else.
SECRET, OTHER, ANSWER = (secrets.token_hex(8) for _ in range(3))
USER, PASSWORD = "node.session.auth.username", "node.session.auth.password"
ONE_WAY = {USER: "node", PASSWORD: SECRET}
MUTUAL = {**ONE_WAY, f"{USER}_in": "host", f"{PASSWORD}_in": ANSWER}
PATIENCE = 30.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@contextlib.contextmanager
def secret(cluster: Cluster, entries: dict[str, str]) -> Iterator[None]:
    """The Secret that goes with the calls."""
    before, cluster.secrets = cluster.secrets, entries
    yield
    cluster.secrets = before


@pytest.fixture
def guest(cluster: Cluster) -> Iterator[Cluster]:
    """A client that has the right secret."""
    with secret(cluster, ONE_WAY):
        yield cluster


def make(cluster: Cluster, chap: str | None = "one-way", name: str = "guarded") -> pb.Volume:
    return cluster.create(name, SIZE, parameters={"chap": chap} if chap else {})


def store(stack: Stack) -> Path:
    """Where the host keeps the secrets of this cluster."""
    return stack.directory / "host" / stack.host.info["settings_dir"].lstrip("/") / "chap" / "demo"


def kept(stack: Stack) -> list[str]:
    found = [*stack.directory.glob("host/**/chap/demo/*")]
    return [path.name for path in found]


def staged(cluster: Cluster, volume: pb.Volume, context: dict[str, str]) -> None:
    """Stage a volume; ctld may not have read a secret yet that was just changed."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            cluster.stage(volume, context)
        except grpc.RpcError:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


@needs_root
def test_the_life_of_a_guarded_volume_leaves_no_trace_of_its_secrets(stack: Stack, cluster: Cluster) -> None:
    """Published, staged, rebooted, changed: in no argument, environment or answer, and in the files they belong to."""
    said = ""
    with Watch([SECRET, OTHER, ANSWER], stack.directory) as watch, secret(cluster, MUTUAL):
        volume = make(cluster, "mutual")
        node = cluster.node_id()
        context = cluster.attach(volume.volume_id, node)
        assert context["chap"] == "mutual"
        cluster.stage(volume, context)
        write(cluster.mount(volume, context) / "file", "kept")
        reboot(stack, cluster)
        cluster.unmount(volume)
        cluster.unstage(volume)
        with secret(cluster, {**MUTUAL, PASSWORD: OTHER}):
            said += str(refusal(lambda: cluster.stage(volume, context)))
            assert cluster.attach(volume.volume_id, node) == context
            staged(cluster, volume, context)
            assert (cluster.mount(volume, context) / "file").read_text() == "kept"
            cluster.unmount(volume)
            cluster.unstage(volume)
        cluster.detach(volume.volume_id, node)
        said += str(cluster.volumes())
        cluster.delete(volume.volume_id)
        left = [path for path in stack.directory.rglob("*") if holds(path, SECRET, OTHER, ANSWER)]
    assert watch.looks > 10
    assert {where(stack, path) for path in watch.found} == {"ctl.conf", "chap", "nodes"}
    assert left == []
    assert kept(stack) == []
    assert not any(word in said for word in (SECRET, OTHER, ANSWER))


def write(path: Path, text: str) -> None:
    """Write a file that a failure of the session does not take away."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def holds(path: Path, *words: str) -> bool:
    small = path.is_file() and not path.is_symlink() and path.stat().st_size < MIB
    return small and any(word.encode() in path.read_bytes() for word in words)


def where(stack: Stack, path: str) -> str:
    """Which of the files that may hold a secret this is; any other is told as it is."""
    inside = path.removeprefix(f"{stack.directory}/")
    if inside.startswith("host/etc/ctl.conf"):
        return "ctl.conf"
    if "/chap/demo/" in inside and inside.startswith("host/"):
        return "chap"
    return "nodes" if inside.startswith("node/etc/iscsi/nodes/") else path


@needs_root
def test_a_wrong_secret_on_the_node_attaches_nothing(stack: Stack, guest: Cluster) -> None:
    """And leaves no record of it; with the right one the same volume is staged."""
    volume, node = make(guest), guest.node_id()
    context = guest.attach(volume.volume_id, node)
    with secret(guest, {**ONE_WAY, PASSWORD: OTHER}):
        status, message = refusal(lambda: guest.stage(volume, context))
    assert status == "FAILED_PRECONDITION"
    assert "CHAP" in message
    assert OTHER not in message
    assert list((stack.node_state / "etc/iscsi/nodes").iterdir()) == []
    guest.stage(volume, context)
    (record,) = [path for path in (stack.node_state / "etc/iscsi/nodes").rglob("*") if path.is_file()]
    assert record.stat().st_mode & 0o077 == 0
    guest.unstage(volume)
    guest.detach(volume.volume_id, node)
    guest.delete(volume.volume_id)


@needs_root
def test_a_host_that_does_not_know_its_own_secret_is_not_believed(guest: Cluster) -> None:
    """That is what mutual CHAP is for."""
    cluster = guest
    with secret(cluster, MUTUAL):
        volume, node = make(cluster, "mutual"), cluster.node_id()
        context = cluster.attach(volume.volume_id, node)
    with secret(cluster, {**MUTUAL, f"{PASSWORD}_in": OTHER}):
        assert refusal(lambda: cluster.stage(volume, context))[0] == "FAILED_PRECONDITION"
    with secret(cluster, MUTUAL):
        cluster.stage(volume, context)
        cluster.unstage(volume)
    cluster.detach(volume.volume_id, node)
    cluster.delete(volume.volume_id)


@needs_root
def test_a_session_lives_through_restarts_on_both_sides(stack: Stack, guest: Cluster) -> None:
    """The driver's, and that of the storage host: then the node logs in anew, with what it was given."""
    with guest_in_use(guest) as (volume, context, path):
        write(path / "file", "kept")
        stack.reconfigure()
        guest.stage(volume, context)
        reboot(stack, guest)
        end = time.monotonic() + PATIENCE
        while not stack.host_state()["sessions"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert (path / "file").read_text() == "kept"


@contextlib.contextmanager
def guest_in_use(cluster: Cluster) -> Iterator[tuple[pb.Volume, dict[str, str], Path]]:
    """A volume with CHAP, mounted for a pod."""
    volume, node = make(cluster), cluster.node_id()
    context = cluster.attach(volume.volume_id, node)
    cluster.stage(volume, context)
    yield volume, context, cluster.mount(volume, context)
    cluster.unmount(volume)
    cluster.unstage(volume)
    cluster.detach(volume.volume_id, node)
    cluster.delete(volume.volume_id)


BAD: list[tuple[str | None, dict[str, str], str]] = [
    ("one-way", {}, PASSWORD),
    ("mutual", ONE_WAY, PASSWORD),
    ("one-way", MUTUAL, PASSWORD),
    (None, ONE_WAY, "chap"),
    ("one-way", {USER: "node"}, PASSWORD),
    ("one-way", {USER: "node", PASSWORD: ""}, PASSWORD),
    ("one-way", {PASSWORD: SECRET}, USER),
    ("one-way", {USER: "a b", PASSWORD: SECRET}, USER),
    ("one-way", {USER: "node", PASSWORD: "elevenchars"}, PASSWORD),
    ("one-way", {USER: "node", PASSWORD: "seventeen-letters"}, PASSWORD),
    ("one-way", {USER: "node", PASSWORD: 'quoted"quoted"'}, PASSWORD),
    ("mutual", {**ONE_WAY, f"{USER}_in": "host"}, f"{PASSWORD}_in"),
    ("mutual", {**MUTUAL, f"{PASSWORD}_in": SECRET}, f"{PASSWORD}_in"),
]


@pytest.mark.parametrize(("chap", "entries", "named"), BAD)
def test_what_would_not_be_guarded_as_meant_is_not_published(
    stack: Stack, cluster: Cluster, chap: str | None, entries: dict[str, str], named: str
) -> None:
    """The answer names the entry and the remedy, not the value; nothing was changed."""
    volume = make(cluster, chap)
    before = stack.ctl_conf.read_text()
    with secret(cluster, entries):
        status, message = refusal(lambda: cluster.attach(volume.volume_id, cluster.node_id()))
    assert status == "INVALID_ARGUMENT"
    assert named in message
    assert not any(value in message for key, value in entries.items() if PASSWORD in key and value)
    assert stack.ctl_conf.read_text() == before
    assert kept(stack) == []
    cluster.delete(volume.volume_id)


def test_the_node_wants_what_the_volume_is_published_with(guest: Cluster) -> None:
    """Without it nothing is tried."""
    volume, node = make(guest), guest.node_id()
    context = guest.attach(volume.volume_id, node)
    for entries in ({}, MUTUAL):
        with secret(guest, entries):
            status, message = refusal(lambda: guest.stage(volume, context))
        assert status == "INVALID_ARGUMENT"
        assert "csi.storage.k8s.io/node-stage-secret-name" in message
    guest.detach(volume.volume_id, node)
    guest.delete(volume.volume_id)


def test_a_lost_secret_is_health_and_comes_back_with_the_next_publication(stack: Stack, guest: Cluster) -> None:
    """In the meantime nobody gets in without."""
    volume, other = make(guest), make(guest, "none", "plain")
    node = guest.node_id()
    context = guest.attach(volume.volume_id, node)
    for path in stack.directory.glob("host/**/chap/demo/*"):
        path.unlink()
    guest.attach(other.volume_id, node)
    assert context["target"] not in stack.ctl_conf.read_text()
    assert "ChapSecretLost" in str(health(guest, volume))
    assert guest.attach(volume.volume_id, node) == context
    assert "Chap" not in str(health(guest, volume))
    for each in (volume, other):
        guest.detach(each.volume_id, node)
        guest.delete(each.volume_id)


def health(cluster: Cluster, volume: pb.Volume) -> Any:
    from csi_driver.proto import csi_pb2 as pb

    request = pb.ControllerGetVolumeHealthRequest(volume_id=volume.volume_id)
    return cluster.controller.ControllerGetVolumeHealth(request)
