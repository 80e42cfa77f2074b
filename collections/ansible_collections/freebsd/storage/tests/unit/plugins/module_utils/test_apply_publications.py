# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Batches of publications, with a ctl.conf that is a real file and commands that are not."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Record
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    TOKENS,
    UUIDS,
    Call,
    luns_text,
    ports_text,
    record,
    sessions_text,
    volume_text,
)
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.publishing import (
    ADMIN,
    EMPTY,
    LIMITS,
    RELOAD,
    SHOWN,
    TARGET,
    Host,
    block,
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


def test_a_publication_is_recorded_written_tested_reloaded_and_verified(host: Host) -> None:
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(),
        RELOAD,
        *look(TARGET),
    )
    assert reply.outcomes[0].as_dict() == {
        "key": "node1",
        "changed": True,
        "publication": {
            "volume": UUIDS[0],
            "node": "node1",
            "mode": "single_node_writer",
            "readonly": False,
            "protocol": "iscsi",
            "target": TARGET,
            "lun": 0,
            "chap": "none",
        },
    }
    assert reply.reloads == 1
    assert stat.S_IMODE(host.conf.stat().st_mode) == 0o640
    assert block(host) == (
        "# BEGIN freebsd.storage demo\n"
        "# Made from ZFS properties. What is changed here will be overwritten.\n"
        f'auth-group "demo:{TOKENS[0]}" {{\n'
        '\tauth-type "none"\n'
        '\tinitiator-name "iqn.1994-09.org.freebsd.csi:demo:node1"\n'
        "}\n"
        f'lun "demo:{UUIDS[0]}" {{\n'
        '\tpath "/dev/zvol/tank/csi/pvc-1"\n'
        "\tblocksize 512\n"
        f'\tserial "{UUIDS[0][:16]}"\n'
        f'\tdevice-id "{UUIDS[0]}"\n'
        f'\toption "naa" "0x6589cfc{UUIDS[0][:25]}"\n'
        "}\n"
        f'target "{TARGET}" {{\n'
        f'\tauth-group "demo:{TOKENS[0]}"\n'
        '\tportal-group "csi"\n'
        f'\tlun 0 "demo:{UUIDS[0]}"\n'
        "}\n"
        "# END freebsd.storage demo\n"
    )


def test_the_same_wish_again_reads_and_changes_nothing(host: Host) -> None:
    zfs = published(host, record())
    before = host.conf.stat()
    reply = host.apply([publish()], *host.reads(zfs, *SHOWN))
    assert not reply.outcomes[0].changed
    assert reply.outcomes[0].noun is not None
    assert reply.outcomes[0].noun["target"] == TARGET
    assert (reply.reloads, host.conf.stat().st_ino) == (0, before.st_ino)


def test_a_recorded_publication_that_the_kernel_does_not_show_is_brought_back(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply([publish()], *host.reads(zfs, *EMPTY), RELOAD, *look(TARGET))
    assert reply.outcomes[0].changed
    assert reply.reloads == 1


def test_a_block_that_was_deleted_is_made_anew(host: Host) -> None:
    zfs = published(host, record())
    whole = host.conf.read_text()
    host.conf.write_text(ADMIN)
    host.apply([publish()], *host.reads(zfs, *EMPTY), host.test(), RELOAD, *look(TARGET))
    assert host.conf.read_text() == whole


def test_a_lost_signal_is_given_again(host: Host) -> None:
    unseen = [call for _pause in range(16) for call in look(uuids=())]
    commands = [
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(),
        RELOAD,
        *unseen,  # a second's worth of looking
        RELOAD,
        *look(TARGET),
    ]
    reply = host.apply([publish()], *commands)
    assert (reply.outcomes[0].error, reply.reloads) == (None, 2)


def test_a_publication_that_never_shows_is_taken_back(host: Host) -> None:
    patience = Patience(limit=0.001)
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(),
        RELOAD,
        *look(uuids=()),
        *look(uuids=()),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record()),
        patience=patience,
    )
    assert error_of(reply).code == "degraded"
    assert "no port" in error_of(reply).msg
    assert host.conf.read_text() == ADMIN


def test_a_lun_without_medium_is_not_a_publication(host: Host) -> None:
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(),
        RELOAD,
        *look(TARGET, size=0),
        *look(TARGET, size=0),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record()),
        patience=Patience(limit=0.001),
    )
    assert "no medium" in error_of(reply).msg


def test_an_unpublication_is_verified_before_its_record_is_dropped(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply(
        [unpublish()],
        *host.reads(zfs, *SHOWN),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record()),
    )
    assert reply.outcomes[0].as_dict() == {"key": "end", "changed": True, "publication": None}
    assert host.conf.read_text() == ADMIN


def test_unpublishing_twice_changes_nothing(host: Host) -> None:
    reply = host.apply([unpublish()], *host.reads(volume_text(), *EMPTY))
    assert not reply.outcomes[0].changed


def test_a_port_without_a_record_is_removed_when_its_volume_is_unpublished(host: Host) -> None:
    reply = host.apply(
        [unpublish()],
        *host.reads(volume_text(), *SHOWN),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
    )
    assert reply.outcomes[0].changed
    assert [each.kind for each in reply.drift] == ["stray_port"]
    assert TOKENS[0] not in str(reply.drift)


def test_a_removal_that_does_not_come_about_stays_removed_and_is_marked(host: Host) -> None:
    zfs = published(host, record())
    leaving = record(leaving=True)
    reply = host.apply(
        [unpublish()],
        *host.reads(zfs, *SHOWN),
        host.test(),
        RELOAD,
        *look(TARGET),
        Call("ctladm islist -x", sessions_text(TARGET)),
        *look(TARGET),
        Call("ctladm islist -x", sessions_text(TARGET)),
        setting(leaving),
        patience=Patience(limit=0.001),
    )
    assert error_of(reply).code == "degraded"
    assert host.conf.read_text() == ADMIN


def test_a_publication_to_the_same_node_while_the_old_one_is_leaving_gets_a_new_target(host: Host) -> None:
    leaving = record(token=TOKENS[9], leaving=True)
    old = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[9]}"
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(records=[leaving]), ports_text((old, 0)), luns_text(UUIDS[0])),
        setting(record()),
        host.test(),
        RELOAD,
        *look(TARGET),
        Call("ctladm islist -x", sessions_text()),
    )
    assert reply.outcomes[0].noun is not None
    assert reply.outcomes[0].noun["target"] == TARGET


@pytest.mark.parametrize(
    ("there", "options", "code", "option"),
    [
        (record(), {"readonly": True}, "published_differently", "readonly"),
        (record(), {"mode": "multi_node_multi_writer"}, "published_differently", "mode"),
        (record("node2"), {}, "published_elsewhere", "node"),
        (record("node2"), {"mode": "multi_node_multi_writer"}, "published_elsewhere", "node"),
        (record("node2", leaving=True), {}, "published_elsewhere", "node"),
        (
            record("node2", mode="multi_node_single_writer"),
            {"mode": "multi_node_single_writer"},
            "published_elsewhere",
            "node",
        ),
        (
            record("node2", mode="multi_node_single_writer", readonly=True),
            {"mode": "multi_node_single_writer"},
            "published_elsewhere",
            "node",
        ),
    ],
)
def test_a_publication_that_collides_with_another_is_an_error(
    host: Host, there: Record, options: dict[str, Any], code: str, option: str
) -> None:
    zfs = published(host, there)
    reply = host.apply([publish(**options)], *host.reads(zfs, *SHOWN))
    assert (error_of(reply).code, error_of(reply).option) == (code, option)


def test_two_nodes_share_one_lun(host: Host) -> None:
    mode = "multi_node_multi_writer"
    second = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[1]}"
    first, other = record(mode=mode), record("node2", TOKENS[1], mode=mode)
    values = " ".join(f"{each.property_name}={each.to_json()}" for each in (first, other))
    host.apply(
        [publish(mode=mode), publish("node2", mode=mode)],
        *host.reads(volume_text(), *EMPTY),
        Call(f"zfs set {values} tank/csi/pvc-1"),
        host.test(),
        RELOAD,
        Call("ctladm portlist -x", ports_text((TARGET, 0), (second, 0))),
        Call("ctladm devlist -x", luns_text(UUIDS[0])),
    )
    assert block(host).count("\nlun ") == 1
    assert block(host).count("\ntarget ") == 2


def test_an_unknown_volume_is_not_found_and_its_end_is_success(host: Host) -> None:
    reply = host.apply([publish(uuid=UUIDS[5]), unpublish(uuid=UUIDS[5])], *host.reads(volume_text(), *EMPTY))
    assert error_of(reply).code == "not_found"
    assert not reply.outcomes[1].changed
    assert reply.outcomes[1].error is None


def test_when_ctld_does_not_run_nothing_is_published_and_the_remedy_is_named(host: Host) -> None:
    reply = host.apply([publish()], *host.reads(volume_text(), *EMPTY, running=False))
    assert error_of(reply).code == "degraded"
    assert "service ctld start" in error_of(reply).msg


def test_when_ctld_does_not_run_and_nothing_is_shown_an_unpublication_is_done(host: Host) -> None:
    zfs = published(host, record())
    reply = host.apply(
        [unpublish()],
        *host.reads(zfs, *EMPTY, running=False),
        host.test(),
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record()),
    )
    assert reply.outcomes[0].error is None
    assert host.conf.read_text() == ADMIN


def test_the_port_limit_is_checked_before_anything_is_written(host: Host) -> None:
    reads = host.reads(volume_text(), *EMPTY)
    reads[-1] = Call(LIMITS.words, "3\n1024\n")
    reply = host.apply([publish()], *reads)
    assert error_of(reply).code == "limit_reached"
    assert "kern.cam.ctl.max_ports" in error_of(reply).msg


def test_a_node_that_has_all_it_takes_gets_no_more(host: Host) -> None:
    zfs = published(host, record()) + volume_text("pvc-2", UUIDS[1])
    reads = host.reads(zfs, *SHOWN)
    reply = host.apply([publish(uuid=UUIDS[1], node_limit=1)], *reads)
    assert error_of(reply).code == "limit_reached"
    assert "published to node1, and it takes 1" in error_of(reply).msg


def test_a_node_is_known_by_its_name_whatever_its_addresses(host: Host) -> None:
    zfs = published(host, record("node1@192.0.2.21#00000000"))
    reply = host.apply(
        [unpublish("node1@192.0.2.99#11111111")],
        *host.reads(zfs, *SHOWN),
        host.test(),
        RELOAD,
        *look(uuids=()),
        Call("ctladm islist -x", sessions_text()),
        dropping(record("node1@192.0.2.21#00000000")),
    )
    assert reply.outcomes[0].as_dict() == {"key": "end", "changed": True, "publication": None}
    assert host.conf.read_text() == ADMIN
