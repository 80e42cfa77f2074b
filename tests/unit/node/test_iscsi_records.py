"""CHAP secrets in open-iscsi's records: found in whatever layout, the whole of it, and for root alone."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.attach.iscsi_records import NodeRecords
from csi_driver.storage.model import Chap

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "iqn.1994-09.org.freebsd.csi:demo.0123456789abcdef0123456789abcdef"
IFACE = "csi.demo"
ONE_WAY, MUTUAL = Chap("node", "first/secret+1="), Chap("node", "first/secret+1=", "host", "second~secret!")
RECORD = """\
# BEGIN RECORD 2.1.8
node.name = {target}
iface.iscsi_ifacename = {iface}
node.session.auth.authmethod = None
node.session.auth.username_in = of iscsid.conf
node.session.auth.password_in = of iscsid.conf
node.session.auth.chap_algs = MD5
node.conn[0].address = 192.0.2.10
# END RECORD
"""


def record(root: Path, place: str, iface: str = IFACE) -> Path:
    """Write a record as iscsiadm does."""
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORD.format(target=TARGET, iface=iface))
    return path


LAYOUTS = [
    f"etc/iscsi/nodes/{TARGET}/192.0.2.10,3260",
    f"etc/iscsi/nodes/{TARGET}/192.0.2.10,3260,1/{IFACE}",
    f"var/lib/iscsi/nodes/{TARGET}/2001:db8::10,3260,1/{IFACE}",
]


@pytest.mark.parametrize("place", LAYOUTS)
def test_the_secrets_stand_before_the_end_and_nothing_else_of_their_kind_does(tmp_path: Path, place: str) -> None:
    """What came from iscsid.conf would ask the host for a proof that it does not have."""
    path = record(tmp_path, place)
    path.chmod(0o644)
    NodeRecords(tmp_path).write_chap(TARGET, IFACE, ONE_WAY)
    lines = path.read_text().splitlines()
    assert lines[-4:] == [
        "node.session.auth.authmethod = CHAP",
        "node.session.auth.username = node",
        "node.session.auth.password = first/secret+1=",
        "# END RECORD",
    ]
    assert not any("_in = " in line for line in lines)
    assert "node.session.auth.chap_algs = MD5" in lines
    assert lines.count("# END RECORD") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_portal_has_them_and_a_later_one_replaces_them(tmp_path: Path) -> None:
    """However often."""
    paths = [record(tmp_path, f"etc/iscsi/nodes/{TARGET}/192.0.2.1{number},3260") for number in range(2)]
    for chap in (MUTUAL, ONE_WAY, MUTUAL):
        NodeRecords(tmp_path).write_chap(TARGET, IFACE, chap)
    for path in paths:
        text = path.read_text()
        assert text.count("node.session.auth.password_in = second~secret!\n") == 1
        assert text.count("node.session.auth.password = ") == 1


def test_records_of_others_stay_as_they_are(tmp_path: Path) -> None:
    """Of another interface, of another target, and what a link leads to."""
    other = record(tmp_path, f"etc/iscsi/nodes/{TARGET}/192.0.2.10,3260,1/default", "default")
    elsewhere = record(tmp_path, f"etc/iscsi/nodes/{TARGET}0/192.0.2.10,3260")
    (other.parent / "link").symlink_to(elsewhere)
    with pytest.raises(DriverError, match="HOST_ROOT") as caught:
        NodeRecords(tmp_path).write_chap(TARGET, IFACE, MUTUAL)
    assert caught.value.code is ErrorCode.DEGRADED
    assert "secret!" not in caught.value.message
    for path in (other, elsewhere):
        assert "CHAP" not in path.read_text()
