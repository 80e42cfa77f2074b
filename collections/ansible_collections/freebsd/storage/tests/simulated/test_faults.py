# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What can be wrong on a host: each gives a clear answer, harms nobody else, and heals when it is over."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    ON_EVERY_HOST,
    SIZE,
    Host,
    delete,
    errors,
    grow,
    nouns,
    publish,
    unpublish,
    volume,
)

pytestmark = ON_EVERY_HOST
IMPATIENT = Patience(limit=0.3, signal=0.1, grace=0.2, aftermath=0.1)
BROKEN = "target {\n"


@contextmanager
def session(host: Host, target: str, initiator: str = "iqn.1994-09.org.freebsd.csi:demo:n1") -> Iterator[Any]:
    """Log in as a node does; yields what ctld answers."""
    address, _, port = host.info["portals"][0].rpartition(":")
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        lines = connection.makefile("rw")
        lines.write(json.dumps({"op": "login", "initiator": initiator, "target": target, "chap": None}) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
        yield answer, lines


def test_only_the_named_initiator_reaches_the_volume(host: Host) -> None:
    uuid = host.make("a")
    target = nouns(host.apply(publish(uuid)))[0]["target"]
    with session(host, target, "iqn.1994-09.org.freebsd.csi:demo:n2") as (answer, _lines):
        assert (answer["class"], answer["detail"]) == (2, 2)  # authorization failure
    with session(host, target) as (answer, _lines):
        assert answer["ok"], answer
        assert [(lun["lun"], lun["serial"], lun["device_id"]) for lun in answer["luns"]] == [(0, uuid[:16], uuid)]
    host.clean(uuid)


def test_the_end_of_a_publication_ends_the_session_of_its_node(host: Host) -> None:
    uuid, other = host.make("a"), host.make("b")
    # ctld listens only while some target uses the portal-group.
    target = nouns(host.apply(publish(uuid), publish(other)))[0]["target"]
    with session(host, target) as (answer, lines):
        assert answer["ok"], answer
        errors(host.apply(unpublish(uuid, "n1")), none=True)
        assert lines.readline() == ""
    with session(host, target) as (answer, _lines):
        assert (answer["class"], answer["detail"]) == (2, 3)  # not found
    host.clean(uuid, other)


def test_other_sessions_live_on_when_the_configuration_changes(host: Host) -> None:
    first, second = host.make("a"), host.make("b")
    target = nouns(host.apply(publish(first)))[0]["target"]
    with session(host, target) as (_answer, lines):
        errors(host.apply(publish(second)), none=True)
        errors(host.apply(unpublish(second)), none=True)
        lines.write('{"op": "rescan"}\n')
        lines.flush()
        assert json.loads(lines.readline())["luns"]
    host.clean(first, second)


@pytest.mark.parametrize("fate", [{"action": "late", "ms": 300}, {"action": "lost"}])
def test_a_reload_that_is_late_or_lost_is_made_good(host: Host, fate: dict[str, Any]) -> None:
    uuid = host.make("a")
    host.fault(point="ctld.reload", **fate)
    errors(host.apply(publish(uuid)), none=True)
    assert len(host.targets()) == 1
    host.fault(point="ctld.reload", **fate)
    errors(host.apply(unpublish(uuid)), none=True)
    host.clean(uuid)


def test_a_deaf_ctld_gets_nothing_new_keeps_nothing_removed_and_heals(host: Host) -> None:
    old, new = host.make("old"), host.make("new")
    errors(host.apply(publish(old)), none=True)
    host.fault(point="ctld.reload", action="lost", times=0)
    assert errors(host.apply(publish(new), patience=IMPATIENT)) == ["degraded"]
    assert errors(host.apply(unpublish(old), patience=IMPATIENT)) == ["degraded"]
    assert errors(host.apply(delete(old))) == ["in_use"]
    assert host.conf.read_text() == host.pristine
    host.simulated.control("clear-faults")
    errors(host.apply(publish(new)), none=True)
    assert len(host.targets()) == 1
    host.clean(old, new)


def test_a_broken_part_of_the_administrator_is_named_and_heals(host: Host) -> None:
    old, new = host.make("old"), host.make("new")
    errors(host.apply(publish(old)), none=True)
    good = host.conf.read_text()
    host.conf.write_text(BROKEN + good)
    reply = host.apply(publish(new), unpublish(old), volume("other"), patience=IMPATIENT)
    assert errors(reply) == ["degraded", "degraded", None]
    assert "others have written" in str(reply.outcomes[0].error)
    assert host.conf.read_text() == BROKEN + good
    host.conf.write_text(good)
    errors(host.apply(publish(new), unpublish(old)), none=True)
    host.clean(old, new, nouns(reply)[2]["uuid"])


def test_what_is_exported_stays_when_others_take_its_portal_group_away(host: Host) -> None:
    old, new, ending = host.make("old"), host.make("new"), host.make("ending")
    target = nouns(host.apply(publish(old), publish(ending)))[0]["target"]
    portals = host.included / "portal-group_.conf" if host.ucl else host.conf
    good = portals.read_text()
    with session(host, target) as (_answer, lines):
        portals.write_text(good.replace('"csi"', '"gone"', 1))
        reply = host.apply(publish(new), unpublish(ending), patience=IMPATIENT)
        assert errors(reply) == ["degraded", "degraded"]
        assert "run the role storage_host" in str(reply.outcomes[0].error)
        assert len(host.targets()) == 2
        portals.write_text(good)
        errors(host.apply(publish(new), unpublish(ending)), none=True)
        lines.write('{"op": "rescan"}\n')
        lines.flush()
        assert json.loads(lines.readline())["luns"]
    host.clean(old, new, ending)


def test_one_that_only_ctld_refuses_fails_alone_among_many(host: Host) -> None:
    uuids = [host.make(f"v{number}") for number in range(12)]
    batch = [publish(uuid) for uuid in uuids]
    batch[7]["portal_group"] = "nosuch"
    reply = host.apply(*batch)
    assert errors(reply) == ["unsupported" if number == 7 else None for number in range(12)]
    assert reply.reloads == 1
    assert len(host.targets()) == 11
    host.clean(*uuids)


def test_one_that_the_kernel_refuses_is_taken_back_and_the_others_stay(host: Host) -> None:
    good, bad = host.make("good"), host.make("bad")
    host.run("zfs", "set", "volmode=none", "tank/csi/bad")
    patience = Patience(limit=3, signal=0.2, grace=0.3)
    reply = host.apply(publish(good), publish(bad), patience=patience)
    assert errors(reply) == [None, "degraded"]
    assert "no medium" in str(reply.outcomes[1].error)
    assert host.targets() == [nouns(reply)[0]["target"]]
    host.run("zfs", "set", "volmode=dev", "tank/csi/bad")
    errors(host.apply(publish(bad)), none=True)
    host.clean(good, bad)


def test_a_pool_that_is_not_imported_makes_nothing_look_deleted(host: Host) -> None:
    uuid = host.make("a")
    host.simulated.control("pool", name="tank", imported=False)
    try:
        reply = host.apply(volume("b"), delete(uuid), publish(uuid), unpublish(uuid))
        assert errors(reply) == ["degraded"] * 4
    finally:
        host.simulated.control("pool", name="tank", imported=True)
    errors(host.apply(publish(uuid)), none=True)
    host.clean(uuid)


def test_a_parent_that_was_replaced_is_not_worked_on(host: Host) -> None:
    host.run("zfs", "rename", "tank/csi", "tank/aside")
    host.run("zfs", "create", "tank/csi")
    try:
        assert errors(host.apply(volume("b"))) == ["degraded"]
        assert host.datasets() == []
    finally:
        host.run("zfs", "destroy", "tank/csi")
        host.run("zfs", "rename", "tank/aside", "tank/csi")
    host.clean(host.make("b"))


def test_after_a_reboot_what_is_published_is_there_again(host: Host) -> None:
    uuid = host.make("a")
    target = nouns(host.apply(publish(uuid)))[0]["target"]
    host.simulated.control("reboot")
    assert host.targets() == [target]
    again = host.apply(publish(uuid))
    assert not again.outcomes[0].changed
    host.clean(uuid)


def test_a_ctld_that_does_not_run_is_named_and_heals(host: Host) -> None:
    old, new = host.make("old"), host.make("new")
    errors(host.apply(publish(old)), none=True)
    host.run("service", "ctld", "stop")
    reply = host.apply(publish(new), unpublish(old))
    assert errors(reply) == ["degraded", None]
    assert "service ctld start" in str(reply.outcomes[0].error)
    host.run("service", "ctld", "start")
    errors(host.apply(publish(new)), none=True)
    host.clean(old, new)


def test_a_record_that_cannot_be_read_harms_no_other(host: Host) -> None:
    bad, good = host.make("bad"), host.make("good")
    key = "org.freebsd.storage:publication.676b8bb84ce7"
    host.run("zfs", "set", f"{key}=nonsense", "tank/csi/bad")
    reply = host.apply(publish(good))
    errors(reply, none=True)
    assert [each.kind for each in reply.drift] == ["unreadable_record"]
    host.run("zfs", "inherit", key, "tank/csi/bad")
    host.clean(bad, good)


@pytest.mark.parametrize("unreadable", ["a record", "the volume"])
def test_nothing_is_exported_or_ended_while_that_would_end_an_export_nobody_can_read(
    host: Host, unreadable: str
) -> None:
    newer, other, new = host.make("newer"), host.make("other"), host.make("new")
    errors(host.apply(publish(newer), publish(other)), none=True)
    before = host.targets()
    said = _own(host, "tank/csi/newer")
    (record,) = [name for name in said if ":publication." in name]
    key = record if unreadable == "a record" else "org.freebsd.storage:schema"
    text = f'{said[key][:-1]},"invented later":1}}' if key == record else "2"
    host.run("zfs", "set", f"{key}={text}", "tank/csi/newer")
    for check_mode in (True, False):
        wishes = (publish(new), unpublish(other), unpublish(newer), grow(other, SIZE * 2))
        assert errors(host.apply(*wishes, check_mode=check_mode)) == ["degraded"] * 4
    assert host.targets() == before
    assert "mend its org.freebsd.storage properties" in str(host.apply(publish(new)).outcomes[0].error)
    errors(host.apply(volume("made all the same")), none=True)
    host.run("zfs", "set", f"{key}={said[key]}", "tank/csi/newer")
    errors(host.apply(publish(new)), none=True)
    assert set(before) < set(host.targets())
    host.clean(newer, other, new, host.make("made all the same"))


def test_a_volume_that_does_not_fit_fails_alone(host: Host) -> None:
    reply = host.apply(volume("big", required_bytes=1 << 40, thin=False), volume("small"))
    assert errors(reply) == ["out_of_space", None]
    host.clean(nouns(reply)[1]["uuid"])


def test_a_copy_made_by_send_is_neither_a_volume_nor_in_the_way(host: Host) -> None:
    uuid = host.make("a")
    host.run("zfs", "clone", *_snapshot(host), "tank/csi/copy")
    for key, value in _own(host, "tank/csi/a").items():
        host.run("zfs", "set", f"{key}={value}", "tank/csi/copy")
    reply = host.apply(volume("a"))
    assert nouns(reply)[0]["uuid"] == uuid
    assert [(each.kind, each.object) for each in reply.drift] == [("foreign_dataset", "tank/csi/copy")]
    host.run("zfs", "destroy", "tank/csi/copy")
    host.run("zfs", "destroy", "tank/csi/a@now")
    host.clean(uuid)


def _snapshot(host: Host) -> list[str]:
    host.run("zfs", "snapshot", "tank/csi/a@now")
    return ["tank/csi/a@now"]


def _own(host: Host, dataset: str) -> dict[str, str]:
    lines = host.run("zfs", "get", "-Hp", "-s", "local", "-o", "property,value", "all", dataset).splitlines()
    pairs = [line.split("\t") for line in lines]
    return {key: value for key, value in pairs if key.startswith("org.freebsd.storage:")}


def test_two_owners_share_a_host_without_knowing_each_other(host: Host) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    mine = host.conf.read_text()
    theirs = _others(mine[len(host.pristine) :])
    host.run("zfs", "create", "-V", "64M", "tank/theirs")
    other = host.included / "other.conf"
    if host.ucl:
        other.write_text(_others(host.own.read_text()))
    host.conf.write_text(mine + theirs)
    host.run("service", "ctld", "reload")
    errors(host.apply(unpublish(uuid)), none=True)
    assert host.conf.read_text() == host.pristine + theirs
    assert len(host.targets()) == 1
    host.conf.write_text(host.pristine)
    other.unlink(missing_ok=True)
    host.run("service", "ctld", "restart")
    host.run("zfs", "destroy", "tank/theirs")
    host.clean(uuid)


def _others(text: str) -> str:
    """Return what another owner would have written, of a volume of its own."""
    return text.replace("demo", "other").replace("/dev/zvol/tank/csi/a", "/dev/zvol/tank/theirs")


def test_what_we_wrote_and_somebody_edited_is_made_right(host: Host) -> None:
    uuid, other = host.make("a"), host.make("b")
    errors(host.apply(publish(uuid)), none=True)
    whole = host.own.read_text()
    edited = whole.replace("iqn.1994-09.org.freebsd.csi:demo:n1", "iqn.2000-01.evil")
    assert edited != whole
    host.own.write_text(edited)
    errors(host.apply(publish(uuid)), none=True)
    assert host.own.read_text() == whole
    host.clean(uuid, other)


def test_names_of_strangers_are_only_names(host: Host) -> None:
    names = ["a/b", "a@b", " ", "'", '"; rm -rf /', "$(reboot)", "..", "a\nb", "💾", "x" * 128, "{{ 1 }}", "-rf", "%41"]
    reply = host.apply(*(volume(name) for name in names))
    made = nouns(reply)
    assert [noun["name"] for noun in made] == names
    again = host.apply(*(volume(name) for name in names))
    assert [noun["uuid"] for noun in nouns(again)] == [noun["uuid"] for noun in made]
    batch = host.apply(*(publish(noun["uuid"]) for noun in made))
    errors(batch, none=True)
    host.clean(*(noun["uuid"] for noun in made))


def test_a_volume_that_the_kernel_holds_without_a_record_can_still_be_destroyed(host: Host) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    host.run("zfs", "inherit", "org.freebsd.storage:publication.676b8bb84ce7", "tank/csi/a")
    reply = host.apply(delete(uuid))
    errors(reply, none=True)
    assert [each.kind for each in reply.drift] == ["stray_port"]
    host.empty()


def test_a_volume_that_somebody_else_holds_is_in_use(host: Host) -> None:
    uuid = host.make("a")
    host.run("ctladm", "create", "-b", "block", "-o", "file=/dev/zvol/tank/csi/a")
    assert errors(host.apply(delete(uuid))) == ["in_use"]
    host.run("ctladm", "remove", "-b", "block", "-l", "0")
    host.clean(uuid)


def test_check_mode_tells_what_would_be_mended(host: Host) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    assert not host.apply(publish(uuid), check_mode=True).outcomes[0].changed
    host.conf.write_text(host.pristine)
    host.run("service", "ctld", "restart")
    assert host.apply(publish(uuid), check_mode=True).outcomes[0].changed
    assert host.conf.read_text() == host.pristine
    assert host.apply(publish(uuid)).outcomes[0].changed
    host.clean(uuid)


@pytest.mark.parametrize("wanted", [delete, publish])
def test_what_a_pool_takes_with_it_is_neither_deleted_nor_unknown(host: Host, wanted: Any) -> None:
    """A pool that goes away after it was read takes its volumes out of sight, not out of the world."""
    uuid = host.make("a")
    gone = f"cannot open '{host.info['parent']}/a': dataset does not exist\n"
    for command in ("destroy", "set"):
        host.fault(command="zfs", match=f"zfs {command}", when="before", action="fail", rc=1, out="", err=gone)
    (outcome,) = host.apply(wanted(uuid)).outcomes
    assert outcome.error is not None
    assert outcome.error.code == "uncertain"
    assert host.datasets() == [f"{host.info['parent']}/a"]
    host.simulated.control("clear-faults")
    errors(host.apply(wanted(uuid)), none=True)
    host.clean(uuid)
