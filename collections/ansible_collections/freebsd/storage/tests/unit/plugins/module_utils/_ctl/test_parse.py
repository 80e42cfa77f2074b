# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import parse
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

DEVLIST = """<ctllunlist>
<lun id="0">
\t<backend_type>block</backend_type>
\t<lun_type>0</lun_type>
\t<size>20971520</size>
\t<blocksize>512</blocksize>
\t<serial_number>a1b2c3d4e5f60718</serial_number>
\t<device_id>csi-pvc-1</device_id>
\t<num_threads>32</num_threads>
\t<file>/dev/zvol/tank/csi/pvc-1</file>
\t<ctld_name>pvc-1</ctld_name>
\t<scsiname>pvc-1</scsiname>
</lun>
</ctllunlist>
"""
PORTLIST = """<ctlportlist>
<targ_port id="2">
\t<frontend_type>tpc</frontend_type>
\t<online>YES</online>
\t<port_name>tpc</port_name>
</targ_port>
<targ_port id="3">
\t<frontend_type>iscsi</frontend_type>
\t<port_type>16</port_type>
\t<online>YES</online>
\t<port_name>iscsi</port_name>
\t<physical_port>257</physical_port>
\t<virtual_port>1</virtual_port>
\t<target>iqn.2025-01.com.example:pvc-1</target>
\t<port>iqn.2025-01.com.example:pvc-1,t,0x0101</port>
\t<cfiscsi_state>1</cfiscsi_state>
\t<cfiscsi_target>iqn.2025-01.com.example:pvc-1</cfiscsi_target>
\t<ctld_portal_group_name>pg0</ctld_portal_group_name>
\t<cfiscsi_portal_group_tag>257</cfiscsi_portal_group_tag>
\t<lun_map>on</lun_map>
\t<lun id="0">7</lun>
\t<initiator id="0">iqn.1994-09.org.freebsd:node1</initiator>
</targ_port>
</ctlportlist>
"""
ISLIST = """<ctlislist>
<connection id="1"><initiator>iqn.x</initiator><initiator_alias>n</initiator_alias><target>iqn.t</target></connection>
</ctlislist>
"""
WARNINGS = """ctld: secret for user "u1", auth-group "ag1", is too short; it should be at least 12 characters long
ctld: no LUNs defined for target "iqn.2025-01.com.example:empty"
ctld: auth-group "unused" not assigned to any target
ctld: /etc/ctl.conf is world-readable
"""


def test_luns() -> None:
    assert parse.luns(DEVLIST) == (
        Lun(0, "pvc-1", "/dev/zvol/tank/csi/pvc-1", 20971520, 512, "a1b2c3d4e5f60718", "csi-pvc-1"),
    )
    assert parse.luns("<ctllunlist>\n</ctllunlist>\n") == ()


def test_ports() -> None:
    builtin, port = parse.ports(PORTLIST)
    assert builtin == Port(2, "tpc", True, "", {}, ())
    assert port == Port(
        3, "iscsi", True, "iqn.2025-01.com.example:pvc-1", {0: 7}, ("iqn.1994-09.org.freebsd:node1",), "pg0"
    )


def test_sessions() -> None:
    assert parse.sessions(ISLIST) == {"iqn.t"}
    assert parse.sessions("<ctlislist>\n</ctlislist>\n") == frozenset()


def test_an_initiator_cannot_hide_its_session_behind_its_alias() -> None:
    alias = "x</initiator_alias><target>iqn.other</target><initiator_alias>"
    assert "iqn.t" in parse.sessions(ISLIST.replace(">n<", f">{alias}<"))


def test_stray_characters_in_an_option_do_not_spoil_the_rest() -> None:
    odd = DEVLIST.replace("<scsiname>pvc-1", "<scsiname>a & b < c")
    assert parse.luns(odd) == parse.luns(DEVLIST)


def test_escaped_values_are_what_they_were() -> None:
    assert parse.luns(DEVLIST.replace("csi-pvc-1<", "a&amp;lt;&lt;b<"))[0].device_id == "a&lt;<b"


@pytest.mark.parametrize("text", ["", '<ctllunlist>\n<lun id="0">', "Segmentation fault"])
def test_half_a_list_is_an_error_and_not_an_empty_one(text: str) -> None:
    with pytest.raises(HostError) as caught:
        parse.luns(text)
    assert caught.value.code == "degraded"


@pytest.mark.parametrize(
    ("line", "daemon"),
    [
        ("900 /usr/sbin/ctld", Daemon(900)),
        ("900 /usr/sbin/ctld -f /x/ctl.conf", Daemon(900, "/x/ctl.conf")),
        ("900 /usr/sbin/ctld -f/x/ctl.conf -u", Daemon(900, "/x/ctl.conf", ucl=True)),
        ("900 /usr/sbin/ctld -duf /x", Daemon(900, "/x", ucl=True)),
        ("900 ctld", Daemon(900)),
    ],
)
def test_the_running_ctld_is_told_with_its_arguments(line: str, daemon: Daemon) -> None:
    assert parse.daemon(Completed(("pgrep",), 0, f"{line}\n", "")) == daemon


@pytest.mark.parametrize(
    ("rc", "err"),
    [
        (1, ""),
        (3, "pgrep: Cannot open pidfile `/var/run/ctld.pid': No such file or directory\n"),
        (3, "pgrep: File '/var/run/ctld.pid' can be locked\n"),
        (3, "pgrep: Cannot get process list (No such process)\n"),
    ],
)
def test_without_a_process_that_holds_the_pidfile_ctld_does_not_run(rc: int, err: str) -> None:
    assert parse.daemon(Completed(("pgrep",), rc, "", err)) is None


@pytest.mark.parametrize(
    ("done", "code"),
    [
        (Completed(("pgrep",), 3, "", "pgrep: Cannot open pidfile `/var/run/ctld.pid': Permission denied\n"), "denied"),
        (Completed(("pgrep",), -9, "", "", late=True), "uncertain"),
        (Completed(("pgrep",), 0, "", ""), "degraded"),
    ],
)
def test_who_cannot_see_ctld_does_not_take_it_for_stopped(done: Completed, code: str) -> None:
    with pytest.raises(HostError) as caught:
        parse.daemon(done)
    assert caught.value.code == code


def test_the_configured_flags_tell_where_the_configuration_is() -> None:
    assert parse.flags("-u -f /x/y\n") == Daemon(None, "/x/y", ucl=True)
    assert parse.flags("\n") == Daemon(None, "/etc/ctl.conf")


@pytest.mark.parametrize(
    ("out", "rc", "limits"),
    [("512\n2048\n", 0, (512, 2048)), ("", 1, (256, 1024)), ("512\n", 1, (256, 1024))],
)
def test_limits(out: str, rc: int, limits: tuple[int, int]) -> None:
    assert parse.limits(Completed(("sysctl",), rc, out, "")) == limits


@pytest.mark.parametrize(
    ("err", "rc", "objections"),
    [
        ("", 0, []),
        (
            WARNINGS,
            0,
            [],
        ),
        ("ctld: something new\n", 0, ["something new"]),
        (
            (
                "ctld: error in configuration file at line 12 near '}': syntax error\n"
                "ctld: configuration error; exiting\n"
            ),
            1,
            ["error in configuration file at line 12 near '}': syntax error"],
        ),
        (
            "ctld: error in configuration file at line 12 near 'first/secret+1=': syntax error\n",
            1,
            ["error in configuration file at line 12 near '…': syntax error"],
        ),
        ("", 1, ["exit status 1"]),
        ("ctld: configuration error; exiting\n", 1, ["exit status 1"]),
    ],
)
def test_objections(err: str, rc: int, objections: list[str]) -> None:
    assert parse.objections(Completed(("ctld", "-t"), rc, "", err), ucl=False) == objections


@pytest.mark.parametrize(
    ("line", "harmless"),
    [
        ("ctld: /x/ctl.conf is world-readable", True),
        ('ctld: portal-group "csi" not assigned to any target', True),
        ('ctld: auth-group "demo:00000000000000000000000000000001" not assigned to any target', False),
        ('ctld: auth-group "ansible:clients" not assigned to any target', True),
        ('ctld: no LUNs defined for target "iqn.x"', False),
        ('ctld: "chap" property of auth-group "x" is not an array', False),
    ],
)
def test_with_ucl_nearly_every_word_counts(line: str, *, harmless: bool) -> None:
    found = parse.objections(Completed(("ctld", "-t", "-u"), 0, "", f"{line}\n"), ucl=True)
    assert found == ([] if harmless else [line.removeprefix("ctld: ")])


@pytest.mark.parametrize(
    ("out", "err", "code"),
    [
        ("ctld not running? (check /var/run/ctld.pid).\n", "", "degraded"),
        ("Cannot 'reload' ctld. Set ctld_enable to YES in /etc/rc.conf or use 'onereload'\n", "", "degraded"),
        ("", "ctladm: error opening /dev/cam/ctl: Permission denied\n", "denied"),
        ("", "", "degraded"),
    ],
)
def test_failures(out: str, err: str, code: str) -> None:
    error = parse.failure(Completed(("service", "ctld", "reload"), 1, out, err))
    assert error is not None
    assert error.code == code
