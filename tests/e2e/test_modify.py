"""Volumes change while they are used; a creation that is tried again finds them and changes nothing back."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.e2e.test_snapshots import NOBODY, refused

if TYPE_CHECKING:
    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

MIB = 1 << 20
TIB = 1 << 40
PROPERTIES = ("compression", "sync", "copies", "refreservation")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def properties(stack: Stack, name: str) -> dict[str, str]:
    """What the storage host has for the volume."""
    dataset = f"{stack.host.info['parent']}/{name}"
    told = stack.host.run("zfs", "get", "-Hp", "-o", "property,value", ",".join(PROPERTIES), dataset)
    return dict(line.split("\t") for line in told["out"].splitlines())


def test_what_is_named_changes_and_the_rest_stays(cluster: Cluster, stack: Stack) -> None:
    """Again and again with the same result; an empty class changes nothing."""
    volume = cluster.create("changes", MIB, parameters={"compression": "lz4", "copies": "2"})
    for _ in range(2):
        cluster.modify(volume.volume_id, compression="zstd-9", sync="always")
        cluster.modify(volume.volume_id)
        found = properties(stack, "changes")
        assert (found["compression"], found["sync"], found["copies"]) == ("zstd-9", "always", "2")
    cluster.modify(volume.volume_id, thin="false")
    assert int(properties(stack, "changes")["refreservation"]) > MIB
    cluster.modify(volume.volume_id, thin="true")
    assert properties(stack, "changes")["refreservation"] == "0"
    cluster.delete(volume.volume_id)


def test_a_creation_tried_again_finds_the_volume_and_changes_nothing_back(cluster: Cluster, stack: Stack) -> None:
    """By the parameters it was made with, mutable ones included and counting first."""
    parameters, mutable = {"compression": "lz4", "thin": "false"}, {"compression": "zle"}
    volume = cluster.create("found", MIB, parameters=parameters, mutable=mutable)
    assert properties(stack, "found")["compression"] == "zle"
    cluster.modify(volume.volume_id, compression="zstd", thin="true")
    changed = properties(stack, "found")
    assert cluster.create("found", MIB, parameters=parameters, mutable=mutable) == volume
    assert properties(stack, "found") == changed
    for other in ({}, {"compression": "zstd"}, {"compression": "zstd", "thin": "true"}):
        code = refused(lambda other=other: cluster.create("found", MIB, parameters=parameters, mutable=other))
        assert code == "ALREADY_EXISTS"
    assert properties(stack, "found") == changed
    cluster.delete(volume.volume_id)


def test_what_cannot_be_leaves_everything_as_it_was(cluster: Cluster, stack: Stack) -> None:
    """One bad key or value among good ones, no room for a reservation, or no such volume."""
    volume = cluster.create("stays", TIB)
    before = properties(stack, "stays")
    for bad in ({"XXX_FakeKey": "v"}, {"volblocksize": "8192"}, {"copies": "4"}, {"thin": "perhaps"}):
        assert refused(lambda bad=bad: cluster.modify(volume.volume_id, sync="always", **bad)) == "INVALID_ARGUMENT"
    assert refused(lambda: cluster.modify(volume.volume_id, sync="always", thin="false")) == "OUT_OF_RANGE"
    assert properties(stack, "stays") == before
    for identity in (NOBODY, "nonsense"):
        assert refused(lambda identity=identity: cluster.modify(identity, sync="always")) == "NOT_FOUND"
    cluster.delete(volume.volume_id)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_module_that_dies_is_made_up_for_by_a_retry(cluster: Cluster, stack: Stack, when: str) -> None:
    """Whether it died before the command or after it."""
    volume = cluster.create("survives", MIB)
    stack.host.control("fault", command="zfs", match="zfs set", when=when, action="kill-module")
    with contextlib.suppress(grpc.RpcError):
        cluster.modify(volume.volume_id, sync="always", thin="false")
    cluster.modify(volume.volume_id, sync="always", thin="false")
    found = properties(stack, "survives")
    assert found["sync"] == "always"
    assert int(found["refreservation"]) > MIB
    assert all(fault["fired"] for fault in stack.host.control("state")["faults"])
    stack.host.control("clear-faults")
    cluster.delete(volume.volume_id)


@needs_root
def test_a_volume_in_use_changes_and_holds_what_it_held(cluster: Cluster, stack: Stack) -> None:
    """Nobody has to be told."""
    volume = cluster.create("in-use", 32 * MIB)
    with cluster.in_use(volume) as path:
        (path / "file").write_text("kept")
        cluster.modify(volume.volume_id, compression="gzip-6", sync="disabled", thin="false")
        assert (path / "file").read_text() == "kept"
    assert properties(stack, "in-use")["compression"] == "gzip"
    cluster.delete(volume.volume_id)
