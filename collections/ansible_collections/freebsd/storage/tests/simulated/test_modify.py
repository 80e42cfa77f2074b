# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Properties of volumes change while they are used; what cannot be changed leaves everything as it was."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    errors,
    forget,
    grow,
    modify,
    nouns,
    snapshot,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed

EVERY = {
    "checksum": "sha256",
    "compression": "gzip-6",
    "copies": "2",
    "dedup": "verify",
    "logbias": "throughput",
    "primarycache": "metadata",
    "redundant_metadata": "most",
    "secondarycache": "none",
    "sync": "always",
}


def local(host: Host, name: str, *names: str) -> dict[str, str]:
    """What is set on the volume itself."""
    text = host.run("zfs", "get", "-Hp", "-s", "local", "-o", "property,value", ",".join(names), f"tank/csi/{name}")
    return dict(line.split("\t") for line in text.splitlines())


def everything(host: Host) -> list[str]:
    """All that is set on the volume; a reservation of nothing is none."""
    text = host.run("zfs", "get", "-Hp", "-s", "local", "-o", "property,value", "all", "tank/csi/a")
    return [line for line in text.splitlines() if line != "refreservation\t0"]


def reservation(host: Host, name: str = "a") -> int:
    return int(host.run("zfs", "get", "-Hp", "-o", "value", "refreservation", f"tank/csi/{name}"))


def test_every_property_changes_at_once_and_stays_changed(host: Host) -> None:
    uuid = host.make("a")
    made = complete(host, modify(uuid, properties=EVERY))[0]
    shown = {**EVERY, "compression": "gzip"}
    assert made["properties"] == local(host, "a", *EVERY) == shown
    made = complete(host, modify(uuid, properties={"sync": "standard"}))[0]
    assert made["properties"] == {**shown, "sync": "standard"}
    assert nouns(host.apply(modify(uuid, properties={}))) == [made]
    host.clean(uuid)


def test_a_retried_creation_still_finds_its_volume_and_undoes_nothing(host: Host) -> None:
    wanted = volume("a", properties={"compression": "lz4"}, thin=False)
    uuid = nouns(host.apply(wanted))[0]["uuid"]
    changed = complete(host, modify(uuid, properties={"compression": "zstd"}, thin=True))[0]
    assert (changed["properties"], changed["thin"]) == ({"compression": "zstd"}, True)
    reply = host.apply(wanted)
    assert (nouns(reply), reply.outcomes[0].changed) == ([changed], False)
    now = volume("a", properties={"compression": "zstd"}, thin=True)
    assert errors(host.apply(now)) == ["exists_differently"]
    host.clean(uuid)


def test_thin_and_thick_change_the_reservation(host: Host) -> None:
    uuid = host.make("a")
    assert complete(host, modify(uuid, thin=False))[0]["thin"] is False
    assert reservation(host) > SIZE
    errors(host.apply(grow(uuid, 2 * SIZE)), none=True)
    assert reservation(host) > 2 * SIZE
    assert complete(host, modify(uuid, thin=True, properties={"sync": "always"}))[0]["thin"] is True
    assert reservation(host) == 0
    host.clean(uuid)


def test_a_clone_made_thin_is_finished_for_good(host: Host) -> None:
    uuid = host.make("a")
    source = nouns(host.apply(snapshot("s", uuid)))[0]["uuid"]
    clone = nouns(host.apply(volume("b", source={"snapshot": source}, thin=False)))[0]["uuid"]
    complete(host, modify(clone, thin=True))
    reply = host.apply(volume("b", source={"snapshot": source}, thin=False))
    assert (reply.outcomes[0].changed, reply.drift, reservation(host, "b")) == (False, (), 0)
    errors(host.apply(forget(source)), none=True)
    host.clean(uuid, clone)


def test_without_room_for_a_thick_one_nothing_changes(host: Host) -> None:
    uuid = nouns(host.apply(volume("a", required_bytes=1 << 40, properties={"sync": "always"})))[0]["uuid"]
    before = everything(host)
    reply = host.apply(modify(uuid, thin=False, properties={"sync": "standard", "copies": "2"}))
    assert errors(reply) == ["out_of_range"]
    assert reply.outcomes[0].error is not None
    assert reply.outcomes[0].error.option == "thin"
    assert everything(host) == before
    host.clean(uuid)


@pytest.mark.parametrize("thin", [None, False, True])
def test_what_the_pool_cannot_do_is_taken_back_with_all_that_could_be_set(host: Host, thin: Optional[bool]) -> None:
    uuid = host.make("a", properties={"sync": "always"}, thin=thin is not False)
    before = everything(host)
    said = "cannot set property for 'tank/csi/a': pool and or dataset must be upgraded to set this property or value\n"
    host.fault(command="zfs", match="checksum=blake3", action="fail", when="after", rc=1, err=said)
    thin_now = {} if thin is None else {"thin": not thin}
    reply = host.apply(modify(uuid, **thin_now, properties={"checksum": "blake3", "sync": "standard", "copies": "2"}))
    assert errors(reply) == ["invalid"]
    assert reply.drift == ()
    assert everything(host) == before
    host.clean(uuid)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"properties": {"sync": "always", "volmode": "full"}}, "volmode"),
        ({"properties": {"sync": "always", "copies": "many things"}}, "copies"),
        ({"properties": {"sync": "always", "copies": "7"}}, "copies"),
        ({"properties": {"sync": "always"}, "volblocksize": 4096}, "volblocksize"),
        ({"properties": {"sync": "always"}, "required_bytes": 1}, "required_bytes"),
    ],
)
def test_what_cannot_be_changed_is_invalid_and_the_rest_is_not_changed(
    host: Host, options: dict[str, Any], says: str
) -> None:
    uuid = host.make("a")
    reply = host.apply(modify(uuid, **options))
    assert errors(reply) == ["invalid"]
    assert reply.outcomes[0].error is not None
    assert says in reply.outcomes[0].error.msg
    assert local(host, "a", "sync", "copies") == {}
    host.clean(uuid)


def test_a_volume_that_is_not_there_is_not_found(host: Host) -> None:
    assert errors(host.apply(modify("0" * 32, properties={}), modify("0" * 32, thin=True))) == ["not_found"] * 2


def test_a_batch_takes_several_changes_of_one_volume_in_turn(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(
        modify(uuid, thin=False),
        grow(uuid, 2 * SIZE),
        modify(uuid, thin=True),
        snapshot("s", uuid),
        modify(uuid, thin=False),
    )
    errors(reply, none=True)
    assert [noun["thin"] for noun in nouns(reply) if "thin" in noun] == [False, False, True, False]
    assert reservation(host) > 2 * SIZE
    errors(host.apply(forget(nouns(reply)[3]["uuid"])), none=True)
    host.clean(uuid)


def test_check_mode_tells_and_changes_nothing(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(
        modify(uuid, thin=False, properties={"sync": "always"}), modify(uuid, thin=True), check_mode=True
    )
    assert [outcome.changed for outcome in reply.outcomes] == [True, True]
    assert (nouns(reply)[0]["thin"], nouns(reply)[0]["properties"]) == (False, {"sync": "always"})
    assert (reservation(host), local(host, "a", "sync")) == (0, {})
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_next_run_completes(host: Host, moment: str) -> None:
    uuids = [host.make("a"), host.make("b")]
    batches = [
        [modify(uuid, thin=thin, properties={"sync": sync}) for uuid in uuids]
        for thin, sync in ((False, "always"), (True, "standard"))
    ]
    number = 1
    while True:
        alive = [killed(host, number, moment, batch) or not complete(host, *batch) for batch in batches]
        for batch in batches:
            complete(host, *batch)
        if not any(alive):
            break
        number += 1
    assert number > 4
    host.clean(*uuids)
