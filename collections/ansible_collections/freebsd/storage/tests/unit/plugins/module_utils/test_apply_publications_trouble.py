# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Publications in trouble: what ctld refuses, what cannot be read or written, what others do meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Engine, Request
from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.local import LocalCtl
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    TOKENS,
    UUIDS,
    Call,
    Choices,
    FakeClock,
    ScriptedCommands,
    luns_text,
    ports_text,
    record,
    sessions_text,
    volume_text,
)
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.publishing import (
    ADMIN,
    EMPTY,
    RELOAD,
    SHOWN,
    SYNTAX,
    TARGET,
    Host,
    dropping,
    error_of,
    look,
    publish,
    published,
    setting,
    unpublish,
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_culprit_alone_gets_the_error_when_ctld_refuses_the_whole(host: Host) -> None:
    second = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[1]}"
    bad = record("node2", TOKENS[1], portal_group="nosuch")
    unknown = f'ctld: unknown portal-group "nosuch" for target "{second}"\nctld: configuration error; exiting\n'
    dataset = "tank/csi/pvc-2"
    reply = host.apply(
        [publish(), publish("node2", UUIDS[1], portal_group="nosuch")],
        *host.reads(volume_text() + volume_text("pvc-2", UUIDS[1]), *EMPTY),
        setting(record()),
        Call(f"zfs set {bad.property_name}={bad.to_json()} {dataset}"),
        host.test(unknown, 1),  # both
        host.test(),  # none
        host.test(unknown, 1),  # both, once more
        host.test(),  # the first
        host.test(unknown, 1),  # with the second
        host.test(),  # what is left
        RELOAD,
        *look(TARGET),
        Call(f"zfs inherit {bad.property_name} {dataset}"),
    )
    assert reply.outcomes[0].error is None
    assert error_of(reply, 1).code == "unsupported"
    assert "nosuch" in error_of(reply, 1).msg
    assert second not in host.conf.read_text()


def test_when_the_administrators_part_is_refused_it_is_said_and_nothing_is_changed(host: Host) -> None:
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(SYNTAX, 1),
        host.test(SYNTAX, 1),
        host.test(SYNTAX, 1),
        dropping(record()),
    )
    assert error_of(reply).code == "degraded"
    assert "others have written" in error_of(reply).msg
    assert host.conf.read_text() == ADMIN


def test_known_warnings_are_no_objection(host: Host) -> None:
    warning = 'ctld: secret for user "u1", auth-group "ag1", is too short; it should be at least 12 characters long\n'
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(warning),
        RELOAD,
        *look(TARGET),
    )
    assert reply.outcomes[0].error is None


def test_unknown_words_of_ctld_count_unless_what_others_have_written_earns_them_too(host: Host) -> None:
    odd = "ctld: something nobody has seen before\n"
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(odd),
        host.test(odd),
        host.test(odd),
        RELOAD,
        *look(TARGET),
    )
    assert reply.outcomes[0].error is None


def test_a_record_that_cannot_be_read_is_reported_and_the_others_are_exported(host: Host) -> None:
    other = record("node9", TOKENS[3])
    bad = f"tank/csi/pvc-2\t{other.property_name}\t{{}}\tlocal\n"
    reply = host.apply(
        [publish()],
        *host.reads(volume_text() + volume_text("pvc-2", UUIDS[1]) + bad, *EMPTY),
        setting(record()),
        host.test(),
        RELOAD,
        *look(TARGET),
    )
    assert reply.outcomes[0].error is None
    assert [each.kind for each in reply.drift] == ["unreadable_record"]


def test_a_volume_of_which_a_record_cannot_be_read_is_neither_destroyed_nor_published(host: Host) -> None:
    bad = f"tank/csi/pvc-1\t{record('node9').property_name}\t{{}}\tlocal\n"
    delete = {"key": "delete", "kind": "volume", "state": "absent", "uuid": UUIDS[0]}
    reply = host.apply([delete, publish()], *host.reads(volume_text() + bad, *EMPTY))
    assert [error_of(reply, number).code for number in (0, 1)] == ["degraded", "degraded"]
    assert "cannot be read" in error_of(reply).msg


def test_a_volume_of_another_schema_is_not_taken_for_gone(host: Host) -> None:
    newer = volume_text().replace("schema\t1\t", "schema\t2\t")
    delete = {"key": "delete", "kind": "volume", "state": "absent", "uuid": UUIDS[0]}
    reply = host.apply([delete, publish()], *host.reads(newer, *EMPTY))
    assert [error_of(reply, number).code for number in (0, 1)] == ["degraded", "degraded"]


def test_a_retried_unpublication_looks_for_sessions_that_live_on(host: Host) -> None:
    leaving = record(leaving=True)
    host.conf.write_text(ADMIN)
    reply = host.apply(
        [unpublish()],
        *host.reads(volume_text(records=[leaving]), *EMPTY),
        Call("ctladm portlist -x", ports_text()),
        Call("ctladm devlist -x", luns_text()),
        Call("ctladm islist -x", sessions_text(TARGET)),
        RELOAD,
        Call("ctladm portlist -x", ports_text()),
        Call("ctladm devlist -x", luns_text()),
        Call("ctladm islist -x", sessions_text(TARGET)),
        setting(leaving),
        patience=Patience(limit=0),
    )
    assert error_of(reply).code == "degraded"


def test_a_removal_whose_end_could_not_be_seen_is_marked_and_never_comes_back(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply(
        [unpublish()],
        *host.reads(zfs, *SHOWN),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", err="ctladm: error opening /dev/cam/ctl: Permission denied\n", rc=1),
        setting(record(leaving=True)),
    )
    assert reply.outcomes[0].error is not None
    assert host.conf.read_text() == ADMIN


def test_a_removal_that_ran_out_of_time_is_marked_as_well(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply(
        [unpublish()],
        *host.reads(zfs, *SHOWN),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", late=True),
        setting(record(leaving=True)),
    )
    assert error_of(reply).code == "uncertain"
    assert host.conf.read_text() == ADMIN


def test_a_record_that_cannot_be_written_is_an_error_of_its_item_alone(host: Host) -> None:
    full = "cannot set property for 'tank/csi/pvc-1': out of space\n"
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        Call("zfs set …", err=full, rc=1),
    )
    assert error_of(reply).code == "out_of_space"
    assert host.conf.read_text() == ADMIN


def test_a_second_publication_waits_for_the_end_of_the_first_in_the_same_batch(host: Host) -> None:
    zfs = published(host, record(token=TOKENS[5]))
    old = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[5]}"
    moved = record("node2")
    reply = host.apply(
        [unpublish(), publish("node2")],
        *host.reads(zfs, ports_text((old, 0)), luns_text(UUIDS[0])),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record()),
        *host.reads(volume_text(), *EMPTY),
        setting(moved),
        host.test(),
        RELOAD,
        *look(TARGET),
    )
    assert [outcome.error for outcome in reply.outcomes] == [None, None]
    assert reply.reloads == 2


def test_an_edit_between_read_and_swap_is_kept(host: Host) -> None:
    class Editing(ScriptedCommands):
        def run(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Any:
            if argv[:2] == ["ctld", "-t"] and not host.conf.read_text().startswith("# edited"):
                host.conf.write_text("# edited\n" + host.conf.read_text())
            return super().run(argv, stdin)

    commands = Editing(
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(),
        host.test(),
        RELOAD,
        *look(TARGET),
    )
    request = Request(OWNER, PARENT, str(host.directory), lock_timeout=0)
    ctl = LocalCtl(commands, str(host.directory), FakeClock())
    reply = Engine(request, commands, ctl, Choices()).run(items_of([publish()]))
    commands.finished()
    assert reply.outcomes[0].error is None
    assert host.conf.read_text().startswith("# edited\n# mine\n")
    assert TARGET in host.conf.read_text()


def test_the_targets_of_others_are_watched(host: Host) -> None:
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), ports_text(("iqn.2025-01.com.example:mine", 7)), luns_text()),
        setting(record()),
        host.test(),
        RELOAD,
        *look(TARGET),
    )
    assert [(each.kind, each.object) for each in reply.drift] == [("vanished_target", "iqn.2025-01.com.example:mine")]


def test_check_mode_reads_and_predicts(host: Host) -> None:
    reply = host.apply([publish()], *host.reads(volume_text(), *EMPTY), check_mode=True)
    assert reply.outcomes[0].changed
    assert reply.outcomes[0].noun is not None
    assert reply.outcomes[0].noun["target"] == "(chosen by the host)"
    assert host.conf.read_text() == ADMIN


def test_diffs_show_no_token(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply([publish()], *host.reads(zfs, *SHOWN))
    assert TOKENS[0] not in json.dumps(reply.outcomes[0].diff())


def test_when_the_kernel_cannot_be_read_only_publications_fail(host: Host) -> None:
    denied = "ctladm: error opening /dev/cam/ctl: Permission denied\n"
    reads = host.reads(volume_text(), *EMPTY)
    reads[2] = Call(reads[2].words, err=denied, rc=1)
    volume = {"key": "v", "kind": "volume", "name": "pvc-1", "required_bytes": 1 << 30}
    reply = host.apply([publish(), volume], *reads)
    assert error_of(reply).code == "denied"
    assert "privilege" in error_of(reply).msg
    assert reply.outcomes[1].error is None
