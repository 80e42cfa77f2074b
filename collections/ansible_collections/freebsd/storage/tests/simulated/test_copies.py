# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Full copies go on whatever happens, have their own blocks, and leave nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Reply
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    delete,
    errors,
    forget,
    nouns,
    snapshot,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_clones import of_snapshot, of_volume, taken
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import killed

DATA = os.urandom(1 << 20) * 4


def filled(host: Host, name: str = "a", **options: Any) -> str:
    uuid = str(nouns(host.apply(volume(name, **options)))[0]["uuid"])
    with Path(host.simulated.root, "dev/zvol/tank/csi", name).open("r+b") as file:
        file.write(DATA)
    return uuid


def holds_the_data(host: Host, name: str) -> bool:
    with Path(host.simulated.root, "dev/zvol/tank/csi", name).open("rb") as file:
        return file.read(len(DATA)) == DATA and not file.read(1 << 20).strip(b"\0")


def copied(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return of_volume(name, uuid, clone_mode="copy", **options)


def restored(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return of_snapshot(name, uuid, clone_mode="copy", **options)


def detached(name: str, uuid: str, **options: Any) -> dict[str, Any]:
    return snapshot(name, uuid, detached=True, **options)


def until(ask: Callable[[], Reply], enough: Callable[[Reply], bool]) -> Reply:
    end = time.monotonic() + 20
    while True:
        reply = ask()
        if enough(reply):
            return reply
        assert time.monotonic() < end, reply
        time.sleep(0.02)


def done(host: Host, *batch: dict[str, Any]) -> Reply:
    """Ask until nothing is under way any more; nothing may have failed."""

    def settled(reply: Reply) -> bool:
        assert set(errors(reply)) <= {None, "copying"}, reply
        return not any(errors(reply)) and all(noun.get("ready", True) for noun in nouns(reply))

    return until(lambda: host.apply(*batch), settled)


def slow(host: Host, rate: int = 1 << 20) -> None:
    """Let the next copy take seconds."""
    host.fault(point="stream.send", action="slow", rate=rate)


def under_way(host: Host, uuid: Optional[str] = None) -> str:
    """Wait until the only copy has received something, and return its uuid."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = [name for name in host.datasets() if name.endswith("/data")]
        used = found and host.run("zfs", "get", "-Hp", "-o", "value", "used", found[0]).strip()
        if used and int(used) > 1 << 18:
            return uuid or found[0].split("/")[-2]
        time.sleep(0.02)
    raise AssertionError(host.datasets())


def job_file(host: Host, uuid: str) -> Path:
    return Path(host.info["settings_dir"], "jobs", f"copy-{uuid}")


def job_of(host: Host, uuid: str) -> int:
    """Return the process group of the copy's job, or the last one; 0 if there is none."""
    return int([*job_file(host, uuid).read_text().split(), "0"][0])


def kill_job(host: Host, uuid: str) -> None:
    os.killpg(job_of(host, uuid), 9)


def sends(host: Host) -> list[list[str]]:
    """Every `zfs send` since the last copy was begun."""
    said = [entry["argv"] for entry in host.simulated.control("log")["entries"]]
    begun = max(number for number, argv in enumerate(said) if "org.freebsd.storage:copy=volume" in argv)
    return [argv for argv in said[begun:] if argv[:2] == ["zfs", "send"]]


def nothing_left(host: Host, *uuids: str) -> None:
    errors(host.apply(*(delete(uuid) for uuid in uuids)), none=True)
    host.empty()
    assert [path.name for path in Path(host.info["settings_dir"]).iterdir() if path.name.startswith("copy")] == []


@pytest.mark.parametrize("thin", [True, False])
def test_a_copied_volume_shares_nothing_with_its_source(host: Host, *, thin: bool) -> None:
    uuid = filled(host)
    wish = copied("b", uuid, required_bytes=2 * SIZE, thin=thin, properties={"compression": "zstd"})
    first = host.apply(wish)
    assert errors(first) == ["copying"]
    assert first.outcomes[0].changed
    made = nouns(done(host, wish))[0]
    assert made["size_bytes"] == 2 * SIZE
    assert holds_the_data(host, "b")
    assert host.snapshots() == []
    assert host.datasets() == ["tank/csi/a", "tank/csi/b"]
    shown = host.run(
        "zfs", "get", "-Hp", "-o", "value", "origin,compression,volmode,refreservation", "tank/csi/b"
    ).split()
    assert shown[:3] == ["-", "zstd", "dev"]
    assert (shown[3] not in ("0", "none")) is not thin
    assert errors(host.apply(of_volume("b", uuid, properties={"compression": "zstd"}))) == ["exists_differently"]
    nothing_left(host, uuid, made["uuid"])


def test_a_copy_of_a_snapshot_holds_what_that_saw_and_lets_it_go(host: Host) -> None:
    uuid = filled(host)
    mark = taken(host, "s", uuid)
    with Path(host.simulated.root, "dev/zvol/tank/csi/a").open("r+b") as file:
        file.write(b"later")
    made = nouns(done(host, restored("b", mark)))[0]
    assert holds_the_data(host, "b")
    assert made["source"] == {"snapshot": mark}
    assert not host.apply(restored("b", mark)).outcomes[0].changed
    errors(host.apply(forget(mark)), none=True)
    assert host.snapshots() == []
    nothing_left(host, uuid, made["uuid"])


def test_nothing_half_made_is_seen_and_its_name_is_taken(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    host.apply(copied("b", uuid))
    copy = under_way(host)
    reply = host.apply(
        copied("b", uuid), copied("b", uuid, key="again"), of_volume("b", uuid), volume("b", key="plain")
    )
    assert errors(reply) == ["copying", "copying", "exists_differently", "exists_differently"]
    error = reply.outcomes[0].error
    assert error is not None
    assert "MiB" in error.msg
    assert "%" in error.msg
    assert errors(host.apply(copied("b", uuid), check_mode=True)) == ["copying"]
    errors(host.apply(delete(copy)), none=True)
    assert len(sends(host)) == 1
    nothing_left(host, uuid)


def test_a_killed_job_goes_on_from_where_it_was(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    host.apply(copied("b", uuid))
    jobs = {0}
    for _time in range(2):
        jobs.add(job_of(host, copy := under_way(host)))
        kill_job(host, copy)
        slow(host)
        until(lambda: host.apply(copied("b", uuid)), lambda _reply: job_of(host, copy) not in jobs)
    made = nouns(done(host, copied("b", uuid)))[0]
    assert ["-t" in argv for argv in sends(host)] == [False, True, True]
    assert holds_the_data(host, "b")
    nothing_left(host, uuid, made["uuid"])


def test_after_a_reboot_any_run_goes_on_with_it(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    host.apply(copied("b", uuid))
    under_way(host)
    host.simulated.control("reboot")
    host.apply(volume("other"))
    made = [noun["uuid"] for noun in nouns(done(host, copied("b", uuid), volume("other")))]
    assert holds_the_data(host, "b")
    nothing_left(host, uuid, *made)


def test_the_source_may_be_deleted_meanwhile_and_goes_when_the_copy_is_done(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    host.apply(copied("b", uuid))
    under_way(host)
    reply = host.apply(delete(uuid), volume("a"))
    errors(reply, none=True)
    assert f"tank/csi/trash_/{uuid}" in host.datasets()
    made = nouns(done(host, copied("b", uuid)))[0]
    assert holds_the_data(host, "b")
    assert host.datasets() == ["tank/csi/a", "tank/csi/b"]
    nothing_left(host, made["uuid"], nouns(reply)[1]["uuid"])


def test_the_snapshot_may_be_deleted_meanwhile(host: Host) -> None:
    uuid = filled(host)
    mark = taken(host, "s", uuid)
    slow(host)
    host.apply(restored("b", mark))
    kill_job(host, under_way(host))
    errors(host.apply(forget(mark), snapshot("s", uuid)), none=True)
    reply = done(host, restored("b", mark), snapshot("s", uuid))
    assert holds_the_data(host, "b")
    assert host.snapshots() == ["tank/csi/a@s"]
    errors(host.apply(forget(nouns(reply)[1]["uuid"])), none=True)
    nothing_left(host, uuid, nouns(reply)[0]["uuid"])


def test_a_copy_whose_origin_was_taken_away_by_force_begins_anew_and_says_so(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    host.apply(copied("b", uuid))
    copy = under_way(host)
    kill_job(host, copy)
    host.run("zfs", "release", f"copy-{copy}", f"tank/csi/a@clone-{copy}")
    host.run("zfs", "destroy", f"tank/csi/a@clone-{copy}")
    reply = until(lambda: host.apply(copied("b", uuid)), lambda reply: bool(reply.drift))
    assert "restarted_copy" in [drift.kind for drift in reply.drift]
    made = nouns(done(host, copied("b", uuid)))[0]
    assert holds_the_data(host, "b")
    nothing_left(host, uuid, made["uuid"])


def test_a_detached_snapshot_is_told_of_at_once_and_lives_without_its_volume(host: Host) -> None:
    uuid = filled(host)
    slow(host, 1 << 22)
    wish = detached("s", uuid)
    first = nouns(host.apply(wish))[0]
    assert (first["ready"], first["detached"], first["volume"], first["size_bytes"]) == (False, True, uuid, SIZE)
    assert first["created"] > 0
    with Path(host.simulated.root, "dev/zvol/tank/csi/a").open("r+b") as file:
        file.write(b"later")
    mark = first["uuid"]
    assert errors(host.apply(of_snapshot("b", mark), restored("c", mark), snapshot("s", uuid))) == [
        "copying",
        "copying",
        "exists_differently",
    ]
    errors(host.apply(delete(uuid)), none=True)
    made = nouns(done(host, wish))[0]
    assert made == {**first, "ready": True}
    assert host.datasets() == ["tank/csi/trash_", f"tank/csi/trash_/{mark}"]
    reply = done(host, of_snapshot("b", mark), restored("c", mark))
    assert holds_the_data(host, "b")
    assert holds_the_data(host, "c")
    errors(host.apply(forget(mark)), none=True)
    assert nouns(host.apply(forget(mark))) == [None]
    nothing_left(host, *(noun["uuid"] for noun in nouns(reply)))


def test_a_detached_snapshot_that_is_not_ready_can_be_deleted(host: Host) -> None:
    uuid = filled(host)
    slow(host)
    mark = nouns(host.apply(detached("s", uuid)))[0]["uuid"]
    under_way(host, mark)
    reply = host.apply(forget(mark))
    errors(reply, none=True)
    assert reply.outcomes[0].changed
    assert host.snapshots() == []
    nothing_left(host, uuid)


def test_a_copy_that_finds_no_room_is_given_up_and_its_caller_told(host: Host) -> None:
    uuid = filled(host)
    host.run("zfs", "set", "quota=6M", "tank/csi")
    reply = until(lambda: host.apply(copied("b", uuid)), lambda reply: errors(reply) != ["copying"])
    assert errors(reply) == ["out_of_space"]
    assert host.datasets() == ["tank/csi/a"]
    assert host.snapshots() == []
    host.run("zfs", "set", "quota=none", "tank/csi")
    nothing_left(host, uuid)


def test_a_name_that_was_taken_meanwhile_is_an_error(host: Host) -> None:
    uuid = filled(host)
    slow(host, 1 << 23)
    host.apply(copied("b", uuid))
    host.run("zfs", "create", "tank/csi/b")
    reply = until(lambda: host.apply(copied("b", uuid)), lambda reply: errors(reply) != ["copying"])
    assert errors(reply) == ["foreign_name"]
    host.run("zfs", "destroy", "tank/csi/b")
    nothing_left(host, uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_copies_are_there_in_the_end_and_nothing_else(host: Host, moment: str) -> None:
    uuid = filled(host)
    mark = taken(host, "s", uuid)
    batch = [copied("b", uuid, required_bytes=2 * SIZE), restored("c", mark, thin=False), detached("t", uuid)]
    number = 1
    while True:
        alive = killed(host, number, moment, batch)
        alive = killed(host, number, moment, batch) or alive
        made = nouns(done(host, *batch))
        assert [noun["size_bytes"] for noun in made] == [2 * SIZE, SIZE, SIZE]
        assert holds_the_data(host, "b")
        assert holds_the_data(host, "c")
        gone = [*(delete(noun["uuid"]) for noun in made[:2]), forget(made[2]["uuid"])]
        killed(host, number, moment, gone)
        errors(host.apply(*gone), none=True)
        assert host.snapshots() == ["tank/csi/a@s"]
        assert host.datasets() == ["tank/csi/a"]
        if not alive:
            break
        number += 1
    assert number > 15
    errors(host.apply(forget(mark)), none=True)
    nothing_left(host, uuid)


def test_nothing_of_an_encrypted_volume_is_copied_where_it_is_not(host: Host) -> None:
    secrets = {"k": "correct horse battery"}
    wanted = {"encryption": {"cipher": "aes-256-gcm"}, "encryption_key": "k"}
    reply = host.apply(volume("a", **wanted), volume("b", key="plain"), secrets=secrets)
    errors(reply, none=True)
    locked, plain = (noun["uuid"] for noun in nouns(reply))
    batch = [copied("c", locked), copied("d", locked, **wanted), copied("e", plain, **wanted), detached("s", locked)]
    assert errors(host.apply(*batch, secrets=secrets)) == ["unsupported"] * 4
    assert host.datasets() == ["tank/csi/a", "tank/csi/b"]
    assert host.snapshots() == []
    nothing_left(host, locked, plain)
