# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Volumes, snapshots and clones go in any order, and the last one takes all that waited for it along."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    delete,
    errors,
    forget,
    nouns,
    publish,
    snapshot,
    unpublish,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_clones import (
    content,
    of_snapshot,
    of_volume,
    taken,
    write,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed


def property_of(host: Host, dataset: str, name: str) -> str:
    return host.run("zfs", "get", "-Hp", "-o", "value", name, dataset).strip()


def test_a_snapshot_outlives_its_volume_and_can_still_be_restored(host: Host) -> None:
    uuid = host.make("a")
    write(host, "tank/csi/a", b"hello")
    mark = taken(host, "s", uuid)
    reply = host.apply(delete(uuid))
    assert reply.outcomes[0].as_dict() == {"key": uuid, "changed": True, "volume": None}
    assert not host.apply(delete(uuid)).outcomes[0].changed
    assert host.datasets() == ["tank/csi/trash_", f"tank/csi/trash_/{uuid}"]
    assert not host.apply(snapshot("s", uuid)).outcomes[0].changed
    assert errors(host.apply(snapshot("t", uuid), publish(uuid), of_volume("c", uuid))) == [
        "source_not_found",
        "not_found",
        "source_not_found",
    ]
    reply = host.apply(volume("a"), of_snapshot("b", mark, required_bytes=2 * SIZE))
    errors(reply, none=True)
    assert content(host, "tank/csi/b") == b"hello"
    errors(host.apply(forget(mark)), none=True)
    host.clean(*(noun["uuid"] for noun in nouns(reply)))


def test_a_deleted_volume_reserves_nothing_and_keeps_nothing_but_its_snapshots(host: Host) -> None:
    uuid = nouns(host.apply(volume("a", thin=False)))[0]["uuid"]
    write(host, "tank/csi/a", b"hello")
    marks = [taken(host, "s", uuid), taken(host, "t", uuid)]
    write(host, "tank/csi/a", b"later" * 100000)
    errors(host.apply(delete(uuid)), none=True)
    assert property_of(host, f"tank/csi/trash_/{uuid}", "refreservation") in ("0", "none")
    assert property_of(host, f"tank/csi/trash_/{uuid}", "written") == "0"
    before = host.simulated.control("counters")["commands"]["zfs"]
    errors(host.apply(delete("0" * 32)), none=True)
    assert host.simulated.control("counters")["commands"]["zfs"] == before + 1
    errors(host.apply(*(forget(mark) for mark in marks)), none=True)
    host.empty()


def test_a_volume_with_snapshots_that_somebody_else_exports_is_in_use(host: Host) -> None:
    uuid, other = host.make("a"), host.make("other")
    mark = taken(host, "s", uuid)
    host.run("ctladm", "create", "-b", "block", "-o", "file=/dev/zvol/tank/csi/a")
    for check_mode in (True, False):
        assert errors(host.apply(delete(uuid), delete(other), check_mode=check_mode)) == ["in_use", None]
    assert host.datasets() == ["tank/csi/a"]
    host.run("ctladm", "remove", "-b", "block", "-l", "0")
    errors(host.apply(delete(uuid), forget(mark)), none=True)
    host.empty()


def test_a_volume_with_snapshots_that_the_kernel_holds_without_a_record_can_be_deleted(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    errors(host.apply(publish(uuid)), none=True)
    host.run("zfs", "inherit", "org.freebsd.storage:publication.676b8bb84ce7", "tank/csi/a")
    errors(host.apply(delete(uuid)), none=True)
    assert host.targets() == []
    errors(host.apply(forget(mark)), none=True)
    host.empty()


def test_snapshots_of_others_are_kept_and_told_of_with_their_bytes(host: Host) -> None:
    uuid = host.make("a")
    write(host, "tank/csi/a", b"hello" * 1000)
    host.run("zfs", "snapshot", "tank/csi/a@daily")
    reply = host.apply(delete(uuid), volume("a"))
    errors(reply, none=True)
    (drift,) = reply.drift
    assert (drift.kind, drift.object) == ("deleted_volume", f"tank/csi/trash_/{uuid}")
    assert f"tank/csi/trash_/{uuid}@daily" in drift.msg
    assert drift.bytes == int(property_of(host, drift.object, "used")) > 0
    assert host.apply(delete(nouns(reply)[1]["uuid"])).drift == (drift,)
    assert host.apply(delete(uuid), check_mode=True).drift == (drift,)
    assert host.snapshots() == [f"tank/csi/trash_/{uuid}@daily"]
    host.run("zfs", "destroy", f"tank/csi/trash_/{uuid}@daily")
    assert host.apply(delete(uuid)).drift == ()
    host.empty()


def test_clones_and_holds_of_others_are_kept_and_told_of(host: Host) -> None:
    uuid = host.make("a")
    mark, held = taken(host, "s", uuid), taken(host, "t", uuid)
    host.run("zfs", "clone", "tank/csi/a@s", "tank/theirs")
    host.run("zfs", "hold", "backup", "tank/csi/a@t")
    reply = host.apply(forget(mark), forget(held), delete(uuid))
    errors(reply, none=True)
    (drift,) = reply.drift
    assert "the clone tank/theirs" in drift.msg
    assert f"a hold on tank/csi/trash_/{uuid}@deleted-{held}" in drift.msg
    host.run("zfs", "destroy", "tank/theirs")
    host.run("zfs", "release", "backup", f"tank/csi/trash_/{uuid}@deleted-{held}")
    assert host.apply(delete(uuid)).drift == ()
    host.empty()


def test_a_whole_family_goes_in_one_batch_in_either_order(host: Host) -> None:
    for reverse in (False, True):
        uuid = host.make("a")
        mark = taken(host, "s", uuid)
        clones = nouns(host.apply(of_snapshot("b", mark), of_volume("c", uuid)))
        batch = [delete(uuid), forget(mark), *(delete(noun["uuid"]) for noun in clones)]
        errors(host.apply(*(reversed(batch) if reverse else batch)), none=True)
        host.empty()


def test_a_published_volume_with_snapshots_stays_until_it_is_unpublished(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    errors(host.apply(publish(uuid)), none=True)
    assert errors(host.apply(delete(uuid))) == ["in_use"]
    assert host.datasets() == ["tank/csi/a"]
    errors(host.apply(unpublish(uuid), delete(uuid), forget(mark)), none=True)
    host.empty()


def test_a_volume_that_somebody_else_holds_stays_where_it_is(host: Host) -> None:
    uuid = nouns(host.apply(volume("a", thin=False)))[0]["uuid"]
    mark = taken(host, "s", uuid)
    host.run("ctladm", "create", "-b", "block", "-o", "file=/dev/zvol/tank/csi/a")
    assert errors(host.apply(delete(uuid))) == ["in_use"]
    assert property_of(host, "tank/csi/a", "refreservation") != "0"
    host.run("ctladm", "remove", "-b", "block", "-l", "0")
    errors(host.apply(delete(uuid), forget(mark)), none=True)
    host.empty()


def test_check_mode_deletes_nothing(host: Host) -> None:
    uuid = host.make("a")
    mark = taken(host, "s", uuid)
    reply = host.apply(delete(uuid), volume("a"), forget(mark), check_mode=True)
    assert [outcome.changed for outcome in reply.outcomes] == [True, True, True]
    assert reply.outcomes[0].diff()["after"] == {}
    assert host.datasets() == ["tank/csi/a"]
    errors(host.apply(forget(mark)), none=True)
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_next_run_leaves_what_still_counts_and_nothing_else(host: Host, moment: str) -> None:
    number = 1
    while True:
        uuid = nouns(host.apply(volume("a", thin=False)))[0]["uuid"]
        mark, dead = taken(host, "s", uuid), taken(host, "t", uuid)
        write(host, "tank/csi/a", b"hello" * 1000)
        clone = nouns(host.apply(of_snapshot("b", mark)))[0]["uuid"]
        batch = [delete(uuid), forget(mark), forget(dead)]
        alive = killed(host, number, moment, batch)
        complete(host, *batch)
        place = f"tank/csi/trash_/{uuid}"
        assert host.snapshots() == [f"{place}@deleted-{mark}"]
        assert property_of(host, place, "refreservation") in ("0", "none")
        assert property_of(host, place, "written") == "0"
        last = killed(host, number, moment, [delete(clone)])
        complete(host, delete(clone))
        host.empty()
        if not alive and not last:
            break
        number += 1
    assert number > 9


class Family:
    """What a caller believes there is: identities by kind."""

    def __init__(self, host: Host, chance: random.Random) -> None:
        self.host = host
        self.chance = chance
        self.volumes: list[str] = []
        self.snapshots: list[str] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def begin(self) -> None:
        act = self.chance.choice(["volume", "snapshot", "of_snapshot", "of_volume"])
        if act == "snapshot" and self.volumes:
            self.snapshots.append(self._made(snapshot(self.name(), self.chance.choice(self.volumes))))
        elif act == "of_snapshot" and self.snapshots:
            self.volumes.append(self._made(of_snapshot(self.name(), self.chance.choice(self.snapshots))))
        elif act == "of_volume" and self.volumes:
            self.volumes.append(self._made(of_volume(self.name(), self.chance.choice(self.volumes))))
        else:
            self.volumes.append(self._made(volume(self.name(), thin=self.chance.random() < 0.5)))

    def end(self) -> None:
        batch: list[dict[str, Any]] = []
        for known, wish in ((self.volumes, delete), (self.snapshots, forget)):
            gone = [uuid for uuid in known if self.chance.random() < 0.4]
            batch += [wish(uuid) for uuid in gone]
            known[:] = [uuid for uuid in known if uuid not in gone]
        self.chance.shuffle(batch)
        errors(self.host.apply(*batch), none=True)

    def _made(self, wish: dict[str, Any]) -> str:
        reply = self.host.apply(wish)
        errors(reply, none=True)
        return str(nouns(reply)[0]["uuid"])

    def live(self) -> list[str]:
        return [name for name in self.host.datasets() if not name.startswith("tank/csi/trash_")]


@pytest.mark.parametrize("seed", range(8))
def test_in_whatever_order_they_go_nothing_is_left(host: Host, seed: int) -> None:
    family = Family(host, random.Random(seed))
    for _step in range(12):
        for _made in range(family.chance.randrange(3)):
            family.begin()
        family.end()
        assert len(family.live()) == len(family.volumes)
    while family.volumes or family.snapshots:
        family.end()
    host.empty()
