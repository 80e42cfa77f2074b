# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A zvol that somebody else made becomes a volume of ours, as it is; unless it is somebody's."""

from __future__ import annotations

import subprocess  # noqa: TID251 - copies by a pipe, as people make them
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    Host,
    delete,
    errors,
    grow,
    nouns,
    publish,
    unpublish,
)
from ansible_collections.freebsd.storage.tests.simulated.test_clones import content, write

OLD = "tank/csi/old"
METADATA = 'user:csi:metadata={"schema_version":2}'


def adopt(dataset: str = "old", **options: Any) -> dict[str, Any]:
    return {"key": dataset, "kind": "volume", "adopt": dataset, **options}


def own_properties(host: Host, dataset: str = OLD) -> str:
    return host.run("zfs", "get", "-H", "-s", "local", "-o", "property,value", "all", dataset)


@pytest.fixture
def old(host: Host) -> Iterator[str]:
    """Return the name of a zvol with data that is nobody's."""
    host.run("zfs", "create", "-V", "64M", "-o", "compression=zstd", OLD)
    write(host, OLD, b"hello")
    yield OLD
    assert content(host, OLD) == b"hello"


def test_it_is_adopted_as_it_is_by_one_command_and_used_like_any_other(host: Host, old: str) -> None:
    before = own_properties(host)
    predicted = host.apply(adopt(), check_mode=True)
    errors(predicted, none=True)
    assert predicted.outcomes[0].changed
    assert own_properties(host) == before
    first, second = host.apply(adopt(attributes={"fsType": "xfs"})), host.apply(adopt(attributes={"fsType": "xfs"}))
    errors(first, none=True)
    errors(second, none=True)
    assert [reply.outcomes[0].changed for reply in (first, second)] == [True, False]
    assert nouns(first) == nouns(second)
    (noun,) = nouns(first)
    assert (noun["name"], noun["dataset"], noun["size_bytes"]) == ("old", old, 1 << 26)
    assert (noun["thin"], noun["properties"], noun["attributes"]) == (False, {"compression": "zstd"}, {"fsType": "xfs"})
    uuid = noun["uuid"]
    errors(host.apply(publish(uuid)), none=True)
    assert len(host.targets()) == 1
    errors(host.apply(grow(uuid, 1 << 27)), none=True)
    errors(host.apply(unpublish(uuid)), none=True)


def test_it_can_be_published_in_the_same_batch_and_destroyed_like_any_other(host: Host) -> None:
    host.run("zfs", "create", "-s", "-V", "64M", OLD)
    uuid = nouns(host.apply(adopt(name="Übung")))[0]["uuid"]
    assert nouns(host.apply(adopt(name="Übung")))[0]["thin"]
    errors(host.apply(delete(uuid)), none=True)
    host.empty()


def test_what_another_driver_made_is_taken_only_when_it_is_said_whose_it_was(host: Host, old: str) -> None:
    host.run("zfs", "set", METADATA, old)
    before = own_properties(host)
    refused = host.apply(adopt(), adopt(abandoned_by="democratic-csi"))
    assert errors(refused) == ["foreign_name", "foreign_name"]
    assert "freebsd-csi made it" in str(refused.outcomes[0].error)
    assert own_properties(host) == before
    errors(host.apply(adopt(abandoned_by="freebsd-csi")), none=True)
    assert METADATA.partition("=")[0] in own_properties(host)


def test_what_somebody_exports_is_left_alone(host: Host, old: str) -> None:
    host.run("ctladm", "create", "-b", "block", "-o", f"file=/dev/zvol/{old}")
    before = own_properties(host)
    assert errors(host.apply(adopt())) == ["in_use"]
    assert own_properties(host) == before
    host.run("ctladm", "remove", "-b", "block", "-l", "0")


def test_what_belongs_to_somebody_is_left_alone(host: Host, old: str) -> None:
    """Another cluster's, one that people named, a filesystem, a snapshot's clone in the trash, nothing."""
    host.run("zfs", "set", "org.freebsd.storage:owner=other:1", old)
    assert errors(host.apply(adopt())) == ["foreign_name"]
    host.run("zfs", "inherit", "org.freebsd.storage:owner", old)
    host.run("zfs", "create", "tank/csi/files")
    assert errors(host.apply(adopt("files"), adopt("nothing"), adopt("trash_/x"), adopt("../x"))) == [
        "foreign_name",
        "not_found",
        "invalid",
        "invalid",
    ]
    named = {"key": "n", "kind": "zvol", "name": "named", "size": "64M"}
    errors(host.apply(named), none=True)
    assert errors(host.apply(adopt("named"))) == ["foreign_name"]


def test_a_name_has_one_volume(host: Host, old: str) -> None:
    host.make("a")
    assert errors(host.apply(adopt(name="a"))) == ["exists_differently"]
    errors(host.apply(adopt()), none=True)
    assert errors(host.apply(adopt(name="b"), adopt(blocksize=4096))) == ["exists_differently", "exists_differently"]
    assert old


def test_a_copy_keeps_its_identity_unless_the_original_is_here(host: Host) -> None:
    """Nodes know the disk by it; where the original is, the copy is another volume."""
    original = host.make("a")
    errors(host.apply(publish(original)), none=True)
    host.run("zfs", "snapshot", "tank/csi/a@s")
    for copy in ("twin", "heir"):
        pipe(["zfs", "send", "-p", "tank/csi/a@s"], ["zfs", "receive", f"tank/csi/{copy}"])
    errors(host.apply(unpublish(original)), none=True)
    (twin,) = nouns(host.apply(adopt("twin")))
    assert twin["uuid"] != original
    assert twin["publications"] == []
    host.run("zfs", "destroy", "tank/csi/a@s")
    errors(host.apply(delete(original)), none=True)
    (heir,) = nouns(host.apply(adopt("heir")))
    assert heir["uuid"] == original
    errors(host.apply(publish(original)), none=True)
    errors(host.apply(unpublish(original)), none=True)


def pipe(sender: list[str], receiver: list[str]) -> None:
    with subprocess.Popen(sender, stdout=subprocess.PIPE) as sending:
        subprocess.run(receiver, stdin=sending.stdout, check=True, timeout=60)
    assert sending.returncode == 0
