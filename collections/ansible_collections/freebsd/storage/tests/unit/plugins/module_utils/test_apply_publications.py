# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Batches of publications, with a ctl.conf that is a real file and commands that are not."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Engine, Reply, Request
from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.local import LocalCtl
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Record
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
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
    parent_text,
    ports_text,
    record,
    sessions_text,
    settings,
    volume_text,
)

READ = f"zfs get -Hp -r -t filesystem,volume,snapshot -s local,received,none -o name,property,value,source all {PARENT}"
ADMIN = '# mine\nportal-group "csi" {\n\tlisten 192.0.2.10\n}\n'
TARGET = f"iqn.1994-09.org.freebsd.csi:demo.{TOKENS[0]}"
LIMITS = Call("sysctl -n kern.cam.ctl.max_ports kern.cam.ctl.max_luns", "256\n1024\n")
RELOAD = Call("service ctld reload")
SYNTAX = "ctld: error in configuration file at line 12 near '}': syntax error\nctld: configuration error; exiting\n"


class Host:
    """A host whose commands are scripted and whose files are real."""

    def __init__(self, directory: Path) -> None:
        self.conf = directory / "ctl.conf"
        self.conf.write_text(ADMIN)
        self.conf.chmod(0o640)
        settings(directory)
        self.directory = directory

    @property
    def staged(self) -> Path:
        return self.conf.with_name("ctl.conf.freebsd-storage")

    def apply(
        self,
        resources: list[dict[str, Any]],
        *calls: Call,
        check_mode: bool = False,
        patience: Optional[Patience] = None,
    ) -> Reply:
        commands = ScriptedCommands(*calls)
        request = Request(OWNER, PARENT, str(self.directory), lock_timeout=0, check_mode=check_mode)
        ctl = LocalCtl(commands, FakeClock(), patience or Patience())
        reply = Engine(request, commands, ctl, Choices()).run(items_of(resources))
        commands.finished()
        assert not self.staged.exists()
        return reply

    def reads(self, zfs: str, ports: str, luns: str, *, running: bool = True) -> list[Call]:
        ctld = f" 900 /usr/sbin/ctld -f {self.conf}\n" if running else ""
        calls = [
            Call(READ, parent_text() + zfs),
            Call("ps -axww -o pid= -o args=", f"   1 /sbin/init\n{ctld} 901 ctld: 192.0.2.21 (ctld)\n"),
            Call("ctladm portlist -x", ports),
            Call("ctladm devlist -x", luns),
            LIMITS,
        ]
        if not running:
            calls.append(Call("sysrc -n ctld_flags", f"-f {self.conf}\n"))
        return calls

    def test(self, err: str = "", rc: int = 0) -> Call:
        return Call(f"ctld -t -f {self.staged}", err=err, rc=rc)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def look(*targets: str, uuids: Sequence[str] = (UUIDS[0],), **luns: Any) -> list[Call]:
    ports = ports_text(*((target, number) for number, target in enumerate(targets)))
    return [Call("ctladm portlist -x", ports), Call("ctladm devlist -x", luns_text(*uuids, **luns))]


def publish(node: str = "node1", uuid: str = UUIDS[0], **options: Any) -> dict[str, Any]:
    initiator = f"iqn.1994-09.org.freebsd.csi:demo:{node}"
    return {"key": node, "kind": "publication", "volume": uuid, "node": node, "initiator": initiator, **options}


def unpublish(node: Optional[str] = "node1", uuid: str = UUIDS[0]) -> dict[str, Any]:
    return {"key": "end", "kind": "publication", "state": "absent", "volume": uuid, "node": node}


def setting(each: Record) -> Call:
    return Call(f"zfs set {each.property_name}={each.to_json()} tank/csi/pvc-1")


def dropping(each: Record) -> Call:
    return Call(f"zfs inherit {each.property_name} tank/csi/pvc-1")


def error_of(reply: Reply, number: int = 0) -> HostError:
    error: Optional[HostError] = reply.outcomes[number].error
    assert error is not None
    return error


EMPTY = (ports_text(), luns_text())
SHOWN = (ports_text((TARGET, 0)), luns_text(UUIDS[0]))


def block(host: Host) -> str:
    text = host.conf.read_text()
    assert text.startswith(ADMIN)
    return text[len(ADMIN) :]


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


def published(host: Host, *records: Record) -> str:
    """Put the host into the state after these publications; return what zfs get prints then."""
    from ansible_collections.freebsd.storage.plugins.module_utils._ctl import conf, plan
    from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse

    text = volume_text(records=records)
    volume = parse.inventory(parent_text() + text, PARENT, OWNER).volumes[0]
    exports = [plan.export_of(OWNER, volume, each) for each in volume.records if not each.leaving]
    host.conf.write_text(conf.with_block(ADMIN, OWNER, conf.render(OWNER, exports).text))
    return text


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


def test_unknown_words_of_ctld_count_unless_the_file_in_use_has_them_too(host: Host) -> None:
    odd = "ctld: something nobody has seen before\n"
    reply = host.apply(
        [publish()],
        *host.reads(volume_text(), *EMPTY),
        setting(record()),
        host.test(odd),
        Call(f"ctld -t -f {host.conf}", err=odd),
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
        def run(self, argv: Sequence[str], stdin: Optional[str] = None) -> Any:
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
    reply = Engine(request, commands, LocalCtl(commands, FakeClock()), Choices()).run(items_of([publish()]))
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


def test_an_ucl_configuration_is_refused_clearly(host: Host) -> None:
    reads = host.reads(volume_text(), *EMPTY)
    reads[1] = Call(reads[1].words, f"900 /usr/sbin/ctld -u -f {host.conf}\n")
    reply = host.apply([publish()], *reads)
    assert error_of(reply).code == "unsupported"
