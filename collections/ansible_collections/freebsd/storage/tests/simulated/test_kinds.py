# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Objects that people name: each comes, stays, changes, is predicted, and goes, in every grammar."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    ON_EVERY_HOST,
    Host,
    errors,
    nouns,
    publish,
    unpublish,
)
from ansible_collections.freebsd.storage.tests.simulated.test_faults import session

pytestmark = ON_EVERY_HOST

INITIATOR = "iqn.2026-01.org.example:a"
STORE = "iqn.2026-01.org.example:store"
SECRETS = {"s": "twelve-bytes", "t": "other-twelve"}
IMPATIENT = Patience(limit=0.4, signal=0.1, grace=0.2, aftermath=0.2)


def item(kind: str, name: str, **options: Any) -> dict[str, Any]:
    return {"key": f"{kind} {name}", "kind": kind, "name": name, **options}


def gone(each: dict[str, Any]) -> dict[str, Any]:
    return {**{option: each[option] for option in ("key", "kind", "name")}, "state": "absent"}


# Those before the last are what the last relies on; then another form of the last, and what it says.
GROUP = item("ctl_auth_group", "clients", initiators=[INITIATOR])
ZVOL = item("zvol", "d", size="64M")
CASES: list[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ([item("zvol", "d", size="64M")], {"size": "128M", "thin": False}, {"size_bytes": 1 << 27, "thin": False}),
    (
        [item("zvol", "d", size=str(1 << 26), properties={"compression": "gzip-6", "readonly": False})],
        {"properties": {"compression": "off"}},
        {"properties": {"compression": "off", "readonly": "off", "volmode": "dev"}},
    ),
    (
        [item("zfs_dataset", "home", properties={"quota": "10G", "atime": "no"})],
        {"properties": {"quota": "none"}},
        {"properties": {"quota": "none", "atime": "off"}},
    ),
    ([ZVOL, item("zfs_snapshot", "d@monday")], {}, {}),
    (
        [ZVOL, item("zfs_snapshot", "d@monday"), item("zfs_clone", "copy", snapshot="d@monday")],
        {"properties": {"sync": "always"}},
        {"origin": "d@monday", "type": "volume", "size_bytes": 1 << 26},
    ),
    (
        [item("iscsi_portal_group", "lan", listen=["127.0.0.1:33260"])],
        {"listen": ["127.0.0.1:33261", "[::1]:33261"]},
        {"listen": ["127.0.0.1:33261", "[::1]:33261"]},
    ),
    ([GROUP], {"networks": ["192.0.2.0/24"]}, {"networks": ["192.0.2.0/24"]}),
    (
        [item("ctl_auth_group", "chap", chap=[{"user": "u", "secret": "s"}])],
        {"chap": [{"user": "u", "secret": "t"}]},
        {"chap": [{"user": "u", "secret": "********"}]},
    ),
    (
        [
            ZVOL,
            item("zvol", "e", size="64M"),
            GROUP,
            item(
                "iscsi_target",
                STORE,
                auth_group="clients",
                portal_groups=["csi"],
                luns=[{"number": 0, "zvol": "d"}, {"number": 5, "zvol": "e", "blocksize": 4096, "readonly": True}],
            ),
        ],
        {"luns": [{"number": 1, "zvol": "d"}], "alias": "a store"},
        {"alias": "a store"},
    ),
]


def changes(host: Host, *items: dict[str, Any], check_mode: bool = False) -> list[bool]:
    reply = host.apply(*items, secrets=SECRETS, check_mode=check_mode)
    errors(reply, none=True)
    return [outcome.changed for outcome in reply.outcomes]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0][-1]["kind"])
def test_an_object_comes_stays_changes_and_goes_and_check_mode_knows_beforehand(
    host: Host, case: tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]
) -> None:
    items, change, said = case
    before = host.simulated.control("state")
    assert changes(host, *items, check_mode=True) == [True] * len(items)
    assert host.simulated.control("state") == before
    assert changes(host, *items) == [True] * len(items)
    assert changes(host, *items) == [False] * len(items)
    assert changes(host, *items, check_mode=True) == [False] * len(items)
    changed = {**items[-1], **change}
    due = [bool(change)]
    assert changes(host, changed, check_mode=True) == due
    assert changes(host, changed) == due
    noun = nouns(host.apply(changed, secrets=SECRETS))[0]
    assert {key: noun[key] for key in said} == said
    endings = [gone(each) for each in reversed(items)]
    assert changes(host, *endings, check_mode=True) == [True] * len(items)
    assert changes(host, *endings) == [True] * len(items)
    assert changes(host, *endings) == [False] * len(items)
    host.empty()


TARGET = item("iscsi_target", STORE, auth_group="clients", portal_groups=["csi"], luns=[{"number": 0, "zvol": "d"}])
ALL = [ZVOL, GROUP, TARGET]


def test_who_is_named_reaches_the_disk_and_sees_it_grow(host: Host) -> None:
    changes(host, *ALL)
    with session(host, STORE, "iqn.2026-01.org.example:stranger") as (answer, _lines):
        assert not answer["ok"]
    with session(host, STORE, INITIATOR) as (answer, _lines):
        assert [lun["size_bytes"] for lun in answer["luns"]] == [1 << 26]
        reply = host.apply({**ZVOL, "size": "128M"})
        errors(reply, none=True)
        assert reply.reloads == 1
    with session(host, STORE, INITIATOR) as (answer, _lines):
        assert [lun["size_bytes"] for lun in answer["luns"]] == [1 << 27]
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_a_size_the_kernel_did_not_show_in_time_is_shown_by_the_next_run(host: Host) -> None:
    changes(host, *ALL)
    host.fault(point="ctld.reload", action="late", ms=1200)
    bigger = {**ZVOL, "size": "128M"}
    assert errors(host.apply(bigger, patience=IMPATIENT)) == ["degraded"]
    assert changes(host, bigger) in ([True], [False])
    assert changes(host, bigger) == [False]
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_what_is_in_use_stays_and_is_told_by_whom(host: Host) -> None:
    changes(host, *ALL)
    state = host.simulated.control("state")
    for check_mode in (True, False):
        reply = host.apply(gone(ZVOL), gone(GROUP), check_mode=check_mode)
        assert errors(reply) == ["in_use", "in_use"]
        assert all(STORE in str(outcome.error) for outcome in reply.outcomes)
    assert host.simulated.control("state") == state
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_what_others_made_is_left_alone_until_it_is_adopted(host: Host) -> None:
    host.run("zfs", "create", "-s", "-V", "64M", "tank/csi/d")
    reply = host.apply(ZVOL, gone(ZVOL), TARGET)
    assert errors(reply) == ["foreign_name"] * 3
    assert "adopt" in str(reply.outcomes[0].error)
    assert changes(host, {**ZVOL, "adopt": True}) == [True]
    assert changes(host, ZVOL) == [False]
    assert changes(host, gone(ZVOL)) == [True]
    host.empty()


def test_check_mode_takes_what_is_missing_for_made_before_and_says_so(host: Host) -> None:
    clone = item("zfs_clone", "vm/copy", snapshot="d@monday")
    snapshot = item("zfs_snapshot", "d@monday")
    for each, missing in ((TARGET, ["d"]), (snapshot, ["d"]), (clone, ["vm", "d@monday"])):
        reply = host.apply(each, check_mode=True)
        errors(reply, none=True)
        assert reply.outcomes[0].as_dict()["assumed"] == [f"tank/csi/{name}" for name in missing]
        assert set(errors(host.apply(each))) <= {"source_not_found", "not_found"}
    host.empty()


def test_a_volume_of_apply_is_no_zvol_that_could_be_adopted_or_destroyed(host: Host) -> None:
    uuid = host.make("d")
    reply = host.apply({**ZVOL, "adopt": True}, gone(ZVOL))
    assert errors(reply) == ["foreign_name", "foreign_name"]
    host.clean(uuid)


def test_what_was_changed_by_hand_is_made_right_again(host: Host) -> None:
    changes(host, *ALL)
    right = host.own.read_text()
    host.own.write_text(right.replace(f'"{INITIATOR}"', '"iqn.2026-01.org.example:z"', 2).replace("#: ", "#: ", 1))
    text = host.own.read_text()
    marks = [line for line in right.splitlines() if line.startswith("#: ")]
    lines = [line for line in text.splitlines() if not line.startswith("#: ")]
    at = next(number for number, line in enumerate(lines) if "It is kept." in line)
    host.own.write_text("\n".join([*lines[: at + 1], *marks, *lines[at + 1 :], ""]))
    assert host.own.read_text() != right
    assert changes(host, GROUP, check_mode=True) == [True]
    assert changes(host, GROUP) == [True]
    assert host.own.read_text() == right
    assert changes(host, *ALL) == [False] * 3
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_publications_and_what_people_name_share_a_part_and_a_batch(host: Host) -> None:
    changes(host, ZVOL, GROUP)
    uuid = host.make("v")
    reply = host.apply(TARGET, publish(uuid))
    errors(reply, none=True)
    assert reply.reloads == 1
    assert len(host.targets()) == len(set(host.targets()) | {STORE}) == 2
    assert changes(host, *ALL) == [False] * 3
    errors(host.apply(unpublish(uuid)), none=True)
    assert host.targets() == [STORE]
    errors(host.apply(publish(uuid)), none=True)
    changes(host, *map(gone, reversed(ALL)))
    assert len(host.targets()) == 1
    host.clean(uuid)


def test_a_target_of_the_administrator_is_not_taken_over(host: Host) -> None:
    if host.ucl:
        text = f'target "{STORE}" {{ auth-group = "no-access" }}\n'
    else:
        text = f'target "{STORE}" {{\n\tauth-group "no-access"\n}}\n'
    host.conf.write_text(text + host.conf.read_text())
    reply = host.apply(ZVOL, GROUP, TARGET, gone(TARGET))
    assert errors(reply) == [None, None, "foreign_name", "foreign_name"]
    assert host.conf.read_text().startswith(text)


def refused(host: Host) -> bool:
    time.sleep(0.02)
    with session(host, STORE, INITIATOR) as (answer, _lines):
        return not answer["ok"]


def test_what_ctld_refuses_stays_as_it_was_and_the_rest_is_done(host: Host) -> None:
    changes(host, *ALL)
    reply = host.apply({**TARGET, "portal_groups": ["nowhere"]}, {**GROUP, "networks": ["192.0.2.0/24"]})
    assert errors(reply) == ["unsupported", None]
    # The kernel shows no auth-group, so nobody can tell when ctld has read it.
    assert any(refused(host) for _try in range(50))  # not from that network
    assert host.targets() == [STORE]
    assert changes(host, *ALL) == [False, True, False]
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_a_target_the_kernel_does_not_show_is_taken_back(host: Host) -> None:
    changes(host, ZVOL, GROUP)
    host.fault(point="ctld.reload", action="lost", times=0)
    reply = host.apply(TARGET, patience=IMPATIENT)
    assert errors(reply) == ["degraded"]
    host.simulated.control("clear-faults")
    assert STORE not in host.own.read_text()
    assert changes(host, *ALL) == [False, False, True]
    changes(host, *map(gone, reversed(ALL)))
    host.empty()


def test_a_secret_is_in_the_configuration_alone_and_nobody_else_may_read_that(host: Host) -> None:
    host.conf.chmod(0o644)
    since = len(host.simulated.control("log", since=0)["entries"])
    chap = item("ctl_auth_group", "clients", chap=[{"user": "u", "secret": "s"}])
    reply = host.apply(chap, secrets=SECRETS)
    assert host.own.stat().st_mode & 0o077 == 0
    other = {**chap, "chap": [{"user": "u", "secret": "t"}]}
    assert host.apply(other, secrets=SECRETS).outcomes[0].diff()["after"]["other_secrets_of"] == ["u"]  # type: ignore[index]
    told = repr([outcome.as_dict() for outcome in reply.outcomes] + [outcome.diff() for outcome in reply.outcomes])
    said = repr(host.simulated.control("log", since=since))
    assert SECRETS["s"] not in told + said
    assert SECRETS["t"] not in told + said
    changes(host, gone(chap))
    host.empty()
