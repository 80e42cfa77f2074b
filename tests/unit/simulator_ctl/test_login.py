"""Logins over TCP: who is let in, what a session sees, and when sessions end."""

from __future__ import annotations

import socket

import pytest

from tests.simulator.registry import Json
from tests.unit.simulator_ctl.host import (
    GIB,
    GROUPS,
    NODE,
    PREFIX,
    Host,
    free_port,
    lun_text,
    one_volume,
    target_text,
    wait_until,
)

SECRET, MUTUAL = "secretsecret", "mutualmutual"


@pytest.fixture(params=["14.3", "15.0"])
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def exporting(host: Host) -> Host:
    host.volume("tank/csi/pvc-1")
    host.write(one_volume())
    host.start()
    return host


def refused(reply: dict[str, Json]) -> tuple[Json, Json, Json]:
    assert reply["ok"] is False
    return reply["class"], reply["detail"], reply["text"]


def test_a_session_sees_its_luns(exporting: Host) -> None:
    path = exporting.machine.path("/dev/zvol/tank/csi/pvc-1")
    assert exporting.login().reply == {
        "ok": True,
        "session": 1,
        "luns": [
            {
                "lun": 0,
                "path": str(path),
                "size_bytes": GIB,
                "blocksize": 512,
                "readonly": False,
                "serial": "a1b2c3d4e5f60718",
                "device_id": "csi-pvc-1",
            }
        ],
    }


def test_a_read_only_lun_says_so(exporting: Host) -> None:
    exporting.write(one_volume().replace("  serial", '  option "readonly" "on"\n  serial'))
    exporting.run("service", "ctld", "restart")
    luns = exporting.login().reply["luns"]
    assert isinstance(luns, list)
    assert isinstance(luns[0], dict)
    assert luns[0]["readonly"] is True


def test_target_names_are_found_whatever_their_case(exporting: Host) -> None:
    assert exporting.login(f"{PREFIX}PVC-1").reply["ok"] is True


def test_an_unknown_target_is_not_found(exporting: Host) -> None:
    assert refused(exporting.login(f"{PREFIX}nope").reply) == (2, 3, "Not found")


def test_another_initiator_is_not_authorized(exporting: Host) -> None:
    reply = exporting.login(initiator=f"{NODE}0").reply
    assert refused(reply) == (2, 2, "Authorization failure")
    assert exporting.run("ctladm", "islist", "-x").out == "<ctlislist>\n</ctlislist>\n"


ACCESS: list[tuple[str, dict[str, Json], tuple[int, int] | None]] = [
    ("auth-type deny", {}, (2, 1)),
    (f'initiator-name "{NODE}"', {}, (2, 1)),
    ("auth-type none", {}, None),
    ("auth-type none; initiator-name other", {}, (2, 2)),
    (f'auth-type none; initiator-name other; initiator-name "{NODE}"', {}, None),
    ("auth-type none; initiator-portal 192.0.2.0/24", {"address": "192.0.2.21"}, None),
    ("auth-type none; initiator-portal 192.0.2.0/24", {}, (2, 2)),
    ("auth-type none; initiator-portal [2001:db8::]/32", {"address": "2001:db8::1"}, None),
    ("auth-type none", {"chap": {"user": "x", "secret": "y"}}, None),
    (f"chap u {SECRET}", {}, (2, 1)),
    (f"chap u {SECRET}", {"chap": {"user": "u", "secret": SECRET}}, None),
    (f"chap u {SECRET}", {"chap": {"user": "u", "secret": "wrong"}}, (2, 1)),
    (f"chap u {SECRET}", {"chap": {"user": "v", "secret": SECRET}}, (2, 1)),
    (
        f"chap u {SECRET}",
        {"chap": {"user": "u", "secret": SECRET, "mutual_user": "m", "mutual_secret": MUTUAL}},
        (2, 1),
    ),
    (f"chap-mutual u {SECRET} m {MUTUAL}", {"chap": {"user": "u", "secret": SECRET}}, None),
    (
        f"chap-mutual u {SECRET} m {MUTUAL}",
        {"chap": {"user": "u", "secret": SECRET, "mutual_user": "m", "mutual_secret": MUTUAL}},
        None,
    ),
    (
        f"chap-mutual u {SECRET} m {MUTUAL}",
        {"chap": {"user": "u", "secret": SECRET, "mutual_user": "m", "mutual_secret": SECRET}},
        (0, 0),
    ),
    (f"chap u {SECRET}; initiator-name other", {"chap": {"user": "u", "secret": SECRET}}, (2, 2)),
]


@pytest.mark.parametrize(("entries", "fields", "status"), ACCESS)
def test_the_auth_group_decides(
    host: Host, entries: str, fields: dict[str, Json], status: tuple[int, int] | None
) -> None:
    host.volume("tank/csi/pvc-1")
    host.write(
        f"portal-group pg0 {{ listen PORTAL }}\nauth-group ag0 {{ {entries} }}\n"
        + lun_text("pvc-1")
        + target_text("pvc-1")
    )
    host.start()
    reply = host.login(f"{PREFIX}pvc-1", **fields).reply
    assert (None if reply["ok"] else (reply["class"], reply["detail"])) == status


def test_a_group_given_with_the_portal_group_comes_first(exporting: Host) -> None:
    exporting.write(one_volume().replace('portal-group "pg0"\n  lun', 'portal-group "pg0" no-access\n  lun'))
    exporting.reload()
    assert refused(exporting.login().reply) == (2, 1, "Authentication failure")


def test_a_target_without_auth_group_denies(exporting: Host) -> None:
    exporting.write(one_volume().replace('  auth-group "ag0"\n', ""))
    exporting.reload()
    assert refused(exporting.login().reply)[:2] == (2, 1)


def test_a_target_is_found_only_through_its_own_portal_group(exporting: Host) -> None:
    other = free_port()
    exporting.volume("tank/csi/pvc-2")
    exporting.write(
        one_volume()
        + f"portal-group other {{ listen 127.0.0.1:{other} }}\n"
        + lun_text("pvc-2", serial="s2")
        + target_text("pvc-2", group="other")
    )
    exporting.reload()
    assert refused(exporting.login(f"{PREFIX}pvc-2").reply)[:2] == (2, 3)
    exporting.port = other
    assert exporting.login(f"{PREFIX}pvc-2").reply["ok"] is True


def test_nobody_listens_for_a_group_without_target(exporting: Host) -> None:
    exporting.write(GROUPS)
    exporting.reload()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", exporting.port))


def test_a_taken_port_is_logged_and_counted_as_an_error(host: Host) -> None:
    host.volume("tank/csi/pvc-1")
    host.write(GROUPS)
    host.start()
    with socket.create_server(("127.0.0.1", host.port)):
        host.write(one_volume())
        host.reload()
    assert host.messages() == [
        f"bind(2) failed for 127.0.0.1:{host.port}: Address already in use",
        "failed to reload configuration",
    ]


def test_two_groups_cannot_have_one_address(exporting: Host) -> None:
    exporting.write(
        one_volume()
        .replace('lun 0 "pvc-1"', 'portal-group "pg1"\n  lun 0 "pvc-1"')
        .replace('lun "pvc-1"', 'portal-group "pg1" { listen PORTAL }\nlun "pvc-1"', 1)
    )
    exporting.reload()
    assert exporting.messages()[-2].endswith(": Address already in use")


def test_closing_the_connection_ends_the_session(exporting: Host) -> None:
    initiator = exporting.login()
    assert len(exporting.part.kernel.sessions) == 1
    initiator.close()
    wait_until(lambda: not exporting.part.kernel.sessions)
    assert exporting.part.kernel.ports[3].initiators == {}


def test_initiators_of_a_port_have_slots(exporting: Host) -> None:
    first, second = exporting.login(), exporting.login()
    first.close()
    wait_until(lambda: len(exporting.part.kernel.sessions) == 1)
    assert second.reply["session"] == 2
    exporting.login()
    assert exporting.part.kernel.ports[3].initiators == {
        1: f"{NODE},i,0x00023d000002",
        0: f"{NODE},i,0x00023d000003",
    }


@pytest.mark.parametrize("request_", [{"op": "discover"}, {"op": "login"}, {"op": "login", "initiator": NODE}, {}])
def test_what_is_no_login_is_refused(exporting: Host, request_: dict[str, Json]) -> None:
    from tests.unit.simulator_ctl.host import Initiator

    initiator = Initiator(exporting.port, request_)
    assert initiator.reply["ok"] is False
    assert initiator.closed()
    initiator.close()


def test_an_offline_port_ends_and_refuses_sessions(exporting: Host) -> None:
    initiator = exporting.login()
    assert exporting.run("ctladm", "port", "-o", "off", "-p", "3").rc == 0
    assert initiator.closed()
    assert refused(exporting.login().reply)[:2] == (3, 0)
    exporting.run("ctladm", "port", "-o", "on", "-p", "3")
    assert exporting.login().reply["ok"] is True


def test_login_faults(exporting: Host) -> None:
    exporting.machine.faults.arm({"point": "ctld.login", "action": "refuse", "match": "pvc-1"})
    assert refused(exporting.login().reply) == (3, 1, "Service unavailable")
    exporting.machine.faults.arm({"point": "ctld.login", "action": "stall", "seconds": 0.05})
    assert exporting.login().reply["ok"] is True
