# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Volumes made of snapshots and of volumes: their content, their size, and what is left of the way there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    delete,
    errors,
    forget,
    grow,
    nouns,
    publish,
    snapshot,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed


def write(host: Host, dataset: str, text: bytes) -> None:
    with Path(host.simulated.root, "dev/zvol", dataset).open("r+b") as file:
        file.write(text)


def content(host: Host, dataset: str, size: int = 5) -> bytes:
    with Path(host.simulated.root, "dev/zvol", dataset).open("rb") as file:
        return file.read(size)


def of_snapshot(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return volume(name, **{"source": {"snapshot": uuid}, **options})


def of_volume(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return volume(name, **{"source": {"volume": uuid}, **options})


def taken(host: Host, name: str, uuid: str) -> str:
    reply = host.apply(snapshot(name, uuid))
    errors(reply, none=True)
    return str(nouns(reply)[0]["uuid"])


def test_a_volume_of_a_snapshot_has_its_content_and_an_identity_of_its_own(host: Host) -> None:
    uuid = nouns(host.apply(volume("a", volblocksize=8192)))[0]["uuid"]
    write(host, "tank/csi/a", b"hello")
    taken_uuid = taken(host, "s", uuid)
    write(host, "tank/csi/a", b"later")
    reply = host.apply(of_snapshot("b", taken_uuid, properties={"compression": "zstd"}))
    made = nouns(reply)[0]
    assert content(host, "tank/csi/b") == b"hello"
    assert made["uuid"] != uuid
    assert (made["size_bytes"], made["volblocksize"]) == (SIZE, 8192)
    assert made["source"] == {"snapshot": taken_uuid}
    again = host.apply(of_snapshot("b", taken_uuid, properties={"compression": "zstd"}))
    assert not again.outcomes[0].changed
    assert nouns(again) == [made]
    assert errors(host.apply(volume("b"))) == ["exists_differently"]
    errors(host.apply(delete(made["uuid"])), none=True)
    errors(host.apply(forget(taken_uuid)), none=True)
    host.clean(uuid)


def test_a_volume_of_a_volume_has_its_content_and_leaves_no_snapshot_that_counts(host: Host) -> None:
    uuid = host.make("a")
    write(host, "tank/csi/a", b"hello")
    reply = host.apply(of_volume("b", uuid), of_volume("c", uuid))
    errors(reply, none=True)
    assert (content(host, "tank/csi/b"), content(host, "tank/csi/c")) == (b"hello", b"hello")
    assert len(host.snapshots()) == 2
    assert not any(outcome.changed for outcome in host.apply(of_volume("b", uuid), of_volume("c", uuid)).outcomes)
    errors(host.apply(*(delete(noun["uuid"]) for noun in nouns(reply))), none=True)
    assert host.snapshots() == []
    host.clean(uuid)


@pytest.mark.parametrize("thin", [True, False])
def test_a_larger_clone_gets_its_size_and_a_thick_one_its_reservation(host: Host, *, thin: bool) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    reply = host.apply(of_snapshot("b", mark, required_bytes=2 * SIZE + 1, thin=thin))
    errors(reply, none=True)
    assert nouns(reply)[0]["size_bytes"] == 2 * SIZE + 16384
    reserved = host.run("zfs", "get", "-Hp", "-o", "value", "refreservation", "tank/csi/b").strip()
    assert (int(reserved) > 0) is not thin
    assert not host.apply(of_snapshot("b", mark, required_bytes=2 * SIZE + 1, thin=thin)).outcomes[0].changed
    grown = host.apply(grow(nouns(reply)[0]["uuid"], 3 * SIZE), of_snapshot("b", mark, thin=thin))
    errors(grown, none=True)
    assert [noun["size_bytes"] for noun in nouns(grown)] == [3 * SIZE, 3 * SIZE]
    errors(host.apply(delete(nouns(reply)[0]["uuid"])), none=True)
    errors(host.apply(forget(mark)), none=True)
    host.clean(uuid)


def test_a_clone_is_never_smaller_than_its_source(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    reply = host.apply(
        of_snapshot("b", mark, required_bytes=1),
        of_snapshot("c", mark, required_bytes=1, limit_bytes=SIZE - 1),
        of_volume("d", uuid, required_bytes=0, limit_bytes=SIZE // 2),
        of_snapshot("e", "0" * 32),
        of_volume("f", "0" * 32),
    )
    assert errors(reply) == [None, "out_of_range", "out_of_range", "source_not_found", "source_not_found"]
    assert nouns(reply)[0]["size_bytes"] == SIZE
    errors(host.apply(delete(nouns(reply)[0]["uuid"]), forget(mark)), none=True)
    host.clean(uuid)


def test_a_thick_clone_that_does_not_fit_leaves_nothing(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(of_volume("b", uuid, required_bytes=1 << 40, thin=False))
    assert errors(reply) == ["out_of_space"]
    assert host.datasets() == ["tank/csi/a"]
    assert host.snapshots() == []
    host.clean(uuid)


def test_a_batch_makes_snapshot_and_clone_in_turn_and_the_clone_outlives_the_snapshot(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    reply = host.apply(of_snapshot("b", mark), forget(mark), snapshot("s", uuid), publish(uuid))
    errors(reply, none=True)
    made = nouns(reply)
    assert made[2]["uuid"] != mark
    assert sorted(host.snapshots()) == [f"tank/csi/a@deleted-{mark}", "tank/csi/a@s"]
    assert errors(host.apply(of_snapshot("c", mark))) == ["source_not_found"]
    errors(host.apply(delete(made[0]["uuid"]), forget(made[2]["uuid"])), none=True)
    assert host.snapshots() == []
    host.clean(uuid)


def test_a_grown_volume_is_cloned_with_the_size_it_has_and_its_snapshot_with_the_size_it_had(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    reply = host.apply(grow(uuid, 2 * SIZE), of_volume("b", uuid), of_snapshot("c", mark))
    errors(reply, none=True)
    assert [noun["size_bytes"] for noun in nouns(reply)] == [2 * SIZE, 2 * SIZE, SIZE]
    errors(host.apply(delete(nouns(reply)[1]["uuid"]), delete(nouns(reply)[2]["uuid"])), none=True)
    errors(host.apply(forget(mark)), none=True)
    host.clean(uuid)


def test_check_mode_clones_nothing(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    batch = [of_snapshot("b", mark, required_bytes=2 * SIZE), of_volume("c", uuid), forget(mark)]
    reply = host.apply(*batch, check_mode=True)
    assert [outcome.changed for outcome in reply.outcomes] == [True, True, True]
    assert [noun["size_bytes"] for noun in nouns(reply)[:2]] == [2 * SIZE, SIZE]
    assert host.datasets() == ["tank/csi/a"]
    errors(host.apply(forget(mark)), none=True)
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_next_run_has_the_clones_and_nothing_else(host: Host, moment: str) -> None:
    uuid = host.make("a")
    write(host, "tank/csi/a", b"hello")
    mark = taken(host, "s", uuid)
    batch = [
        of_snapshot("b", mark, required_bytes=2 * SIZE, thin=False),
        of_volume("c", uuid, required_bytes=2 * SIZE),
        of_volume("d", uuid),
    ]
    number = 1
    while True:
        alive = killed(host, number, moment, batch)
        made = complete(host, *batch)
        assert [noun["size_bytes"] for noun in made] == [2 * SIZE, 2 * SIZE, SIZE]
        assert [content(host, f"tank/csi/{name}") for name in "bcd"] == [b"hello"] * 3
        errors(host.apply(*(delete(noun["uuid"]) for noun in made)), none=True)
        assert host.snapshots() == ["tank/csi/a@s"]
        if not alive:
            break
        number += 1
    assert number > 9
    errors(host.apply(forget(mark)), none=True)
    host.clean(uuid)


def test_a_clone_that_got_no_size_is_finished_by_any_later_batch(host: Host) -> None:
    uuid = host.make("a")
    batch = [of_volume("b", uuid, required_bytes=2 * SIZE, thin=False)]
    assert killed(host, 4, "before", batch)
    assert "tank/csi/b" in host.datasets()
    errors(host.apply(volume("c")), none=True)
    assert host.run("zfs", "get", "-Hp", "-o", "value", "volsize", "tank/csi/b").strip() == str(2 * SIZE)
    made = [*complete(host, *batch), *nouns(host.apply(volume("c")))]
    errors(host.apply(*(delete(noun["uuid"]) for noun in made)), none=True)
    host.clean(uuid)
