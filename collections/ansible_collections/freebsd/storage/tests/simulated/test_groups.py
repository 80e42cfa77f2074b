# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Group snapshots: all of one moment or none, found by what they are, and gone together."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._info import info
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    OWNER,
    SIZE,
    Host,
    delete,
    errors,
    forget,
    forget_together,
    grow,
    nouns,
    snapshot,
    together,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed

NOBODY = "0" * 32


def asked(host: Host, kind: str, **options: Any) -> Any:
    """What the module info says of groups or snapshots."""
    common = {"owner": OWNER, "parent": host.info["parent"], "settings_dir": host.info["settings_dir"]}
    return info(
        {
            **common,
            "kinds": [kind],
            "uuid": None,
            "volume": None,
            "after": None,
            "limit": 0,
            "time_limit": 30,
            **options,
        }
    )[kind]


def taken(host: Host, name: str, *uuids: str) -> Any:
    """Take a group of snapshots and return it."""
    reply = host.apply(together(name, *uuids))
    errors(reply, none=True)
    return nouns(reply)[0]


def members(group: Any) -> list[str]:
    return [each["uuid"] for each in group["snapshots"]]


def test_one_command_takes_them_all_with_everything_there_is_to_know(host: Host) -> None:
    uuids = sorted([host.make("a"), host.make("b")])
    reply = host.apply(together("g", *uuids))
    made = nouns(reply)[0]
    assert reply.outcomes[0].changed
    assert (made["name"], made["ready"]) == ("g", True)
    assert [each["volume"] for each in made["snapshots"]] == uuids
    assert {each["created"] for each in made["snapshots"]} == {made["created"]}
    assert {each["group_snapshot"] for each in made["snapshots"]} == {made["uuid"]}
    assert {each["size_bytes"] for each in made["snapshots"]} == {SIZE}
    assert sorted(host.snapshots()) == [f"tank/csi/{name}@group-{made['uuid']}" for name in ("a", "b")]
    txgs = host.run("zfs", "get", "-Hp", "-o", "value", "createtxg", *host.snapshots()).split()
    assert len(set(txgs)) == 1
    assert asked(host, "group_snapshots") == [made]
    assert sorted(each["uuid"] for each in asked(host, "snapshots")) == sorted(members(made))
    assert complete(host, together("g", *reversed(uuids)))[0] == made
    complete(host, forget_together(made["uuid"], *members(made)))
    assert host.snapshots() == []
    errors(host.apply(forget_together(made["uuid"], *members(made)), forget_together(NOBODY)), none=True)
    host.clean(*uuids)


def test_a_name_means_one_group_and_is_none_of_a_single_snapshot(host: Host) -> None:
    uuids = [host.make(name) for name in ("a", "b", "c")]
    made = taken(host, "g", *uuids[:2])
    reply = host.apply(together("g", *uuids), together("g", uuids[0]), snapshot("g", uuids[0]), together("h", NOBODY))
    assert errors(reply) == ["exists_differently", "exists_differently", None, "source_not_found"]
    errors(host.apply(forget(nouns(reply)[2]["uuid"]), forget_together(made["uuid"])), none=True)
    assert host.snapshots() == []
    host.clean(*uuids)


def test_if_one_cannot_be_taken_none_is(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    assert errors(host.apply(together("g", *uuids, NOBODY))) == ["source_not_found"]
    said = "cannot create snapshot 'tank/csi/b@s': out of space\nno snapshots were created\n"
    host.fault(command="zfs", match="zfs snapshot", action="fail", rc=1, err=said)
    assert errors(host.apply(together("g", *uuids))) == ["out_of_space"]
    assert host.snapshots() == []
    host.simulated.control("clear-faults")
    complete(host, forget_together(taken(host, "g", *uuids)["uuid"]))
    host.clean(*uuids)


def test_a_member_is_a_source_like_any_snapshot_but_goes_with_the_others(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    made = taken(host, "g", *uuids)
    first, second = members(made)
    clone = nouns(host.apply(volume("clone", source={"snapshot": first})))[0]
    assert errors(host.apply(forget(first), forget(second))) == ["invalid", "invalid"]
    errors(host.apply(*(delete(uuid) for uuid in uuids)), none=True)
    assert asked(host, "group_snapshots") == [made]
    complete(host, forget_together(made["uuid"], second, first))
    assert (asked(host, "group_snapshots"), asked(host, "snapshots")) == ([], [])
    host.clean(clone["uuid"])


def test_a_group_is_deleted_only_under_its_own_snapshots(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    made = taken(host, "g", *uuids)
    first, second = members(made)
    wrong = [(first,), (first, NOBODY), (first, second, NOBODY), (NOBODY,), (first, first)]
    assert errors(host.apply(*(forget_together(made["uuid"], *given) for given in wrong))) == ["invalid"] * len(wrong)
    assert asked(host, "group_snapshots") == [made]
    complete(host, forget_together(made["uuid"], second, first))
    host.clean(*uuids)


def test_a_group_that_lost_a_member_is_not_ready_and_can_only_be_deleted(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    made = taken(host, "g", *uuids)
    host.run("zfs", "destroy", f"tank/csi/a@group-{made['uuid']}")
    assert [group["ready"] for group in asked(host, "group_snapshots")] == [False]
    assert errors(host.apply(together("g", *uuids))) == ["exists_differently"]
    complete(host, forget_together(made["uuid"], *members(made)))
    host.clean(*uuids)


def test_one_that_cannot_be_read_is_neither_gone_nor_touched(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    made = taken(host, "g", *uuids)
    host.run("zfs", "set", "org.freebsd.storage:group-size=many", f"tank/csi/a@group-{made['uuid']}")
    assert errors(host.apply(forget_together(made["uuid"]))) == ["degraded"]
    host.run("zfs", "set", "org.freebsd.storage:group-size=2", f"tank/csi/a@group-{made['uuid']}")
    complete(host, forget_together(made["uuid"]))
    host.clean(*uuids)


def test_a_batch_waits_for_what_it_changes_and_shares_what_it_takes(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    batch = [grow(uuids[0], 2 * SIZE), together("g", *uuids), together("g", *uuids, key="again"), together("h", *uuids)]
    reply = host.apply(*batch)
    errors(reply, none=True)
    assert nouns(reply)[1] == nouns(reply)[2] != nouns(reply)[3]
    assert sorted(each["size_bytes"] for each in nouns(reply)[1]["snapshots"]) == [SIZE, 2 * SIZE]
    first, second = nouns(reply)[1], nouns(reply)[3]
    reply = host.apply(forget_together(first["uuid"]), together("g", *uuids), forget_together(second["uuid"]))
    errors(reply, none=True)
    assert nouns(reply)[1]["uuid"] != first["uuid"]
    complete(host, forget_together(nouns(reply)[1]["uuid"]))
    host.clean(*uuids)


def test_check_mode_takes_and_destroys_nothing(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    made = taken(host, "g", *uuids)
    reply = host.apply(together("g", *uuids), together("h", *uuids), forget_together(made["uuid"]), check_mode=True)
    assert [outcome.changed for outcome in reply.outcomes] == [False, True, True]
    assert reply.outcomes[2].diff()["before"] == made
    assert nouns(reply)[1]["uuid"] == "(chosen by the host)"
    assert asked(host, "group_snapshots") == [made]
    complete(host, forget_together(made["uuid"]))
    host.clean(*uuids)


@pytest.mark.parametrize("options", [{"volumes": []}, {"volumes": [NOBODY, NOBODY]}, {"volumes": [NOBODY] * 257}])
def test_what_cannot_be_a_group_is_invalid(host: Host, options: dict[str, Any]) -> None:
    assert errors(host.apply(together("g", **options))) == ["invalid"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_there_are_all_or_none_and_the_next_run_completes(host: Host, moment: str) -> None:
    uuids = [host.make(name) for name in ("a", "b", "c")]
    number = 1
    while True:
        alive = killed(host, number, moment, [together("g", *uuids)])
        host.run("zfs", "list")
        assert len(host.snapshots()) in (0, 3)
        made = complete(host, together("g", *uuids))[0]
        assert len(host.snapshots()) == 3
        end = forget_together(made["uuid"], *members(made))
        dead = killed(host, number, moment, [end])
        complete(host, end)
        assert host.snapshots() == []
        if not alive and not dead:
            break
        number += 1
    assert number > 4
    host.clean(*uuids)
