# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Snapshots: taken once, found by what they are, and gone when nobody wants them."""

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    delete,
    errors,
    forget,
    grow,
    nouns,
    snapshot,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed


def test_a_snapshot_is_taken_once_and_remembers_size_and_source(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(snapshot("s", uuid))
    made = nouns(reply)[0]
    assert reply.outcomes[0].changed
    assert made["created"] > 0
    assert {**made, "uuid": 0, "created": 0} == {
        "uuid": 0,
        "name": "s",
        "volume": uuid,
        "size_bytes": SIZE,
        "created": 0,
        "ready": True,
        "group_snapshot": None,
        "detached": False,
    }
    errors(host.apply(grow(uuid, 2 * SIZE)), none=True)
    again = host.apply(snapshot("s", uuid))
    assert not again.outcomes[0].changed
    assert nouns(again) == [made]
    reply = host.apply(forget(made["uuid"]), forget(made["uuid"]), forget("0" * 32))
    assert [outcome.changed for outcome in reply.outcomes] == [True, False, False]
    assert nouns(reply) == [None, None, None]
    host.clean(uuid)


def test_the_same_name_on_another_volume_is_an_error_and_no_volume_no_snapshot(host: Host) -> None:
    uuid, other = host.make("a"), host.make("b")
    made = nouns(host.apply(snapshot("s", uuid)))[0]
    assert errors(host.apply(snapshot("s", other), snapshot("t", "0" * 32))) == [
        "exists_differently",
        "source_not_found",
    ]
    errors(host.apply(forget(made["uuid"])), none=True)
    host.clean(uuid, other)


def test_a_batch_takes_many_at_once_and_waits_for_what_it_makes_first(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(snapshot("s", uuid), snapshot("t", uuid), snapshot("s", uuid, key="again"), grow(uuid, 2 * SIZE))
    errors(reply, none=True)
    assert nouns(reply)[0] == nouns(reply)[2]
    assert [noun["size_bytes"] for noun in nouns(reply)] == [SIZE, SIZE, SIZE, 2 * SIZE]
    made = nouns(reply)
    reply = host.apply(forget(made[0]["uuid"]), snapshot("s", uuid), forget(made[1]["uuid"]))
    errors(reply, none=True)
    assert nouns(reply)[1]["uuid"] != made[0]["uuid"]
    assert nouns(reply)[1]["size_bytes"] == 2 * SIZE
    errors(host.apply(forget(nouns(reply)[1]["uuid"])), none=True)
    host.clean(uuid)


def test_a_snapshot_of_someone_else_keeps_its_name_and_is_never_ours(host: Host) -> None:
    uuid = host.make("a")
    host.run("zfs", "snapshot", "tank/csi/a@daily")
    reply = host.apply(snapshot("daily", uuid), snapshot("mine", uuid))
    assert errors(reply) == ["foreign_name", None]
    errors(host.apply(forget(nouns(reply)[1]["uuid"])), none=True)
    assert host.snapshots() == ["tank/csi/a@daily"]
    host.run("zfs", "destroy", "tank/csi/a@daily")
    host.clean(uuid)


def test_a_held_snapshot_is_gone_for_those_who_ask_and_its_name_is_free(host: Host) -> None:
    uuid = host.make("a")
    made = nouns(host.apply(snapshot("s", uuid)))[0]
    host.run("zfs", "hold", "backup", "tank/csi/a@s")
    errors(host.apply(forget(made["uuid"])), none=True)
    second = nouns(host.apply(snapshot("s", uuid)))[0]
    assert second["uuid"] != made["uuid"]
    host.run("zfs", "release", "backup", f"tank/csi/a@deleted-{made['uuid']}")
    errors(host.apply(forget(second["uuid"])), none=True)
    host.clean(uuid)


def test_names_of_strangers_are_only_names(host: Host) -> None:
    uuid = host.make("a")
    names = ["a@b", " ", "%", "-r", "💾", "x" * 128, f"deleted-{'0' * 32}", f"clone-{'0' * 32}", "{{ 1 }}"]
    made = nouns(host.apply(*(snapshot(name, uuid) for name in names)))
    assert [noun["name"] for noun in made] == names
    assert nouns(host.apply(*(snapshot(name, uuid) for name in names))) == made
    errors(host.apply(*(forget(noun["uuid"]) for noun in made)), none=True)
    host.clean(uuid)


def test_one_that_cannot_be_read_is_neither_gone_nor_touched(host: Host) -> None:
    uuid = host.make("a")
    made = nouns(host.apply(snapshot("s", uuid)))[0]
    host.run("zfs", "set", "org.freebsd.storage:schema=2", "tank/csi/a@s")
    reply = host.apply(forget(made["uuid"]))
    assert errors(reply) == ["degraded"]
    assert [each.kind for each in reply.drift] == ["unreadable_snapshot"]
    host.run("zfs", "set", "org.freebsd.storage:schema=1", "tank/csi/a@s")
    errors(host.apply(forget(made["uuid"])), none=True)
    host.clean(uuid)


def test_check_mode_takes_and_destroys_nothing(host: Host) -> None:
    uuid = host.make("a")
    made = nouns(host.apply(snapshot("s", uuid)))[0]
    reply = host.apply(
        snapshot("s", uuid), snapshot("t", uuid), forget(made["uuid"]), snapshot("s", uuid, key="new"), check_mode=True
    )
    assert [outcome.changed for outcome in reply.outcomes] == [False, True, True, True]
    assert reply.outcomes[2].diff()["before"] == made
    assert nouns(reply)[1]["uuid"] == "(chosen by the host)"
    assert nouns(host.apply(snapshot("s", uuid))) == [made]
    errors(host.apply(forget(made["uuid"])), none=True)
    host.clean(uuid)


def test_a_volume_made_in_the_same_batch_can_be_looked_at_in_check_mode(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(grow(uuid, 2 * SIZE), snapshot("s", uuid), volume("b"), check_mode=True)
    assert nouns(reply)[1]["size_bytes"] == 2 * SIZE
    errors(host.apply(delete(uuid)), none=True)
    host.empty()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_next_run_has_the_snapshots(host: Host, moment: str) -> None:
    uuids = [host.make("a"), host.make("b")]
    batch = [snapshot("s", uuids[0]), snapshot("t", uuids[1])]
    number = 1
    while True:
        alive = killed(host, number, moment, batch)
        made = [forget(noun["uuid"]) for noun in complete(host, *batch)]
        dead = killed(host, number, moment, made)
        complete(host, *made)
        if not alive and not dead:
            break
        number += 1
    assert number > 4
    host.clean(*uuids)
