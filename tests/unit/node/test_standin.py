"""The stand-in for iscsiadm itself: loud about what it does not know, and true to the original."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.unit.node.lab import INITIATOR, Lab, needs_root

TARGET = "iqn.1994-09.org.freebsd.csi:demo.0123456789abcdef0123456789abcdef"
PORTAL = "127.0.0.1:3260"
NODE = ("-m", "node", "-T", TARGET)


def soon() -> float:
    return time.monotonic() + 30


def iscsiadm(lab: Lab, *words: str) -> tuple[int, str, str]:
    result = subprocess.run(
        ("iscsiadm", *words), env=lab.environment, capture_output=True, text=True, check=False, timeout=60
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--version",),
        ("-m", "discovery", "-t", "st", "-p", PORTAL),
        ("-m", "node"),
        ("-m", "session"),
        ("-m", "session", "-P", "1"),
        (*NODE, "-p", PORTAL, "--login"),
        (*NODE, "-o", "update", "-n", "node.startup", "-v", "manual"),
        (*NODE, "-o", "delete", "-n", "node.startup", "-v", "manual"),
        ("-m", "iface", "-I", "csi.demo", "-o", "update", "-n", "iface.mtu", "-v", "9000"),
        ("-m", "iface", "-I", "csi.demo", "-o", "delete"),
        ("-m", "node", "--frobnicate"),
    ],
)
def test_a_call_it_does_not_know_fails_loudly(lab: Lab, words: tuple[str, ...]) -> None:
    """With an exit status that iscsiadm does not have, and the whole call."""
    code, out, err = iscsiadm(lab, *words)
    assert (code, out) == (64, "")
    assert "not simulated" in err


def test_its_records_behave_as_those_of_open_iscsi(lab: Lab) -> None:
    """The same calls on open-iscsi 2.1.8 gave these exit statuses and texts."""
    interface = ("-m", "iface", "-I", "csi.demo")
    new = (*NODE, "-p", PORTAL, "-I", "csi.demo", "-o", "new")
    update = (*NODE, "-p", PORTAL, "-I", "csi.demo", "-o", "update", "-n")
    assert iscsiadm(lab, "-m", "session", "-P", "3") == (21, "", "iscsiadm: No active sessions.\n")
    code, _, err = iscsiadm(lab, *interface)
    assert code == 6
    assert err.startswith("iSCSI ERROR: Failed to open /etc/iscsi/ifaces/csi.demo using read mode")
    assert iscsiadm(lab, *new) == (3, "", "iscsiadm: Could not read iface info for csi.demo.\n")
    for _ in range(2):
        created = (0, "csi.demo updated.\nNew interface csi.demo added\n", "")
        assert iscsiadm(lab, *interface, "-o", "new") == created
    assert "iface.initiatorname = <empty>\n" in iscsiadm(lab, *interface)[1]
    nothing = (21, "", "iscsiadm: No records found\n")
    assert iscsiadm(lab, *update, "node.startup", "-v", "manual") == nothing
    assert iscsiadm(lab, *NODE, "-I", "csi.demo", "--login") == nothing
    assert iscsiadm(lab, *NODE, "-o", "delete") == nothing
    for _ in range(2):
        code, out, _ = iscsiadm(lab, *new)
        assert (code, out) == (
            0,
            f"New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=csi.demo] 127.0.0.1,3260,-1 {TARGET}] added\n",
        )
    assert iscsiadm(lab, *update, "node.startup", "-v", "manual") == (0, "", "")
    code, _, err = iscsiadm(lab, *update, "no.such", "-v", "manual")
    assert (code, err.splitlines()[0]) == (7, "iscsiadm: Cannot modify no.such. Invalid param name.")
    none = (21, "", "iscsiadm: No matching sessions found\n")
    assert iscsiadm(lab, *NODE, "--logout") == none
    assert iscsiadm(lab, *NODE, "-R") == (21, "", "iscsiadm: No session found.\n")
    assert iscsiadm(lab, *NODE, "-o", "delete") == (0, "", "")


@needs_root
def test_a_session_is_listed_and_guards_its_record(lab: Lab) -> None:
    """A second login, and deleting the record of a running session, are refused with 15."""
    attachment = lab.publish_on_host()
    lab.attacher().attach(attachment, deadline=soon())
    node = ("-m", "node", "-T", attachment.target)
    code, _, err = iscsiadm(lab, *node, "-I", "csi.demo", "--login")
    assert code == 15
    assert "1 session requested, but 1 already present." in err
    code, _, err = iscsiadm(lab, *node, "-o", "delete")
    assert code == 15
    assert "a session is using it" in err
    tree = iscsiadm(lab, "-m", "session", "-P", "3")[1]
    assert f"Iface Initiatorname: {INITIATOR}\n" in tree
    assert "\t\t\tAttached scsi disk sda\t\tState: running\n" in tree
    code, out, _ = iscsiadm(lab, *node, "--logout")
    assert code == 0
    assert out.endswith("successful.\n")
    assert lab.disks() == []


@needs_root
def test_a_login_says_what_the_record_says(lab: Lab) -> None:
    """The password alone decides whether there is CHAP; the method is not looked at (initiator_common.c)."""
    target = lab.publish_on_host().target
    lab.portal.chap[target] = {"user": "node", "secret": "first/secret+1="}
    iscsiadm(lab, "-m", "iface", "-I", "csi.demo", "-o", "new")
    iscsiadm(lab, "-m", "iface", "-I", "csi.demo", "-o", "update", "-n", "iface.initiatorname", "-v", INITIATOR)
    node = ("-m", "node", "-T", target, "-p", lab.portal.address, "-I", "csi.demo")
    login = ("-m", "node", "-T", target, "-I", "csi.demo", "--login")
    iscsiadm(lab, *node, "-o", "new")
    refused = "initiator reported error (24 - iSCSI login failed due to authorization failure)"
    for password, code in (("", 24), ("second~secret!", 24), ("first/secret+1=", 0)):
        auth = [word for name, value in (("username", "node"), ("password", password)) for word in _auth(name, value)]
        assert iscsiadm(lab, *node, "-o", "update", *auth)[0] == 0
        result = iscsiadm(lab, *login)
        assert result[0] == code
        assert (refused in result[2]) == bool(code)
    (record,) = [path for path in (lab.state / "etc/iscsi/nodes").rglob("*") if path.is_file()]
    assert record.stat().st_mode & 0o077 == 0
    assert record.name == lab.portal.address.replace(":", ",")


def _auth(name: str, value: str) -> tuple[str, ...]:
    return ("-n", f"node.session.auth.{name}", "-v", value)


@needs_root
def test_many_sessions_at_once_get_disks_of_their_own(lab: Lab) -> None:
    """Names and loop devices are handed out once each."""
    attachments = []
    for number in range(6):
        target = f"{TARGET[:-1]}{number}"
        serial = f"{number:016d}"
        lab.portal.export(target, INITIATOR, serial=serial, size=1 << 20)
        first = replace(lab.publish_on_host(), target=target, serial=serial)
        attachments.append(first)
    attacher = lab.attacher()
    with ThreadPoolExecutor(6) as pool:
        devices = list(pool.map(lambda each: attacher.attach(each, deadline=soon()), attachments))
    assert len({lab.run("readlink", device) for device in devices}) == 6
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: attacher.detach(each.target, deadline=soon()), attachments))
    assert lab.disks() == []
