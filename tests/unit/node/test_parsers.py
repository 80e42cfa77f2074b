from __future__ import annotations

import pytest

from csi_driver.errors import DriverError
from csi_driver.node.attach.iscsi_sessions import record_value, sessions
from csi_driver.node.mounts.mountinfo import parse

MOUNTINFO = r"""
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 35 8:0 / /var/lib/kubelet/a\040b\134c ro,relatime shared:7 master:2 - ext4 /dev/sda rw
41 35 0:6 /sda /pods/block rw,nosuid - devtmpfs devtmpfs rw,size=4k
42 35 0:50 / /mnt/ü rw - tmpfs none ro
43 40 8:0 / /var/lib/kubelet/a\040b\134c rw - ext4 /dev/sda ro
"""

# iscsiadm -m session -P 3, open-iscsi 2.1: the second session shares target and portal with the
# first, the third only the target; the fourth has lost its connection and has no disk.
SESSIONS = """\
iSCSI Transport Class version 2.0-870
version 2.1.8
Target: iqn.1994-09.org.freebsd.csi:demo.a (non-flash)
\tCurrent Portal: 192.0.2.10:3260,1
\tPersistent Portal: 192.0.2.10:3260,1
\t\t**********
\t\tInterface:
\t\t**********
\t\tIface Name: csi.demo
\t\tIface Transport: tcp
\t\tIface Initiatorname: iqn.1994-09.org.freebsd.csi:demo:node-1
\t\tIface IPaddress: 192.0.2.21
\t\tIface HWaddress: default
\t\tIface Netdev: default
\t\tSID: 3
\t\tiSCSI Connection State: LOGGED IN
\t\tiSCSI Session State: LOGGED_IN
\t\tInternal iscsid Session State: NO CHANGE
\t\t************************
\t\tAttached SCSI devices:
\t\t************************
\t\tHost Number: 2\tState: running
\t\tscsi2 Channel 00 Id 0 Lun: 0
\t\t\tAttached scsi disk sda\t\tState: running
\t\tscsi2 Channel 00 Id 0 Lun: 12
\t\t\tAttached scsi disk sdb\t\tState: running

\t\t**********
\t\tInterface:
\t\t**********
\t\tIface Name: default
\t\tSID: 4
\t\tiSCSI Connection State: LOGGED IN
\t\tiSCSI Session State: LOGGED_IN
\t\tscsi3 Channel 00 Id 0 Lun: 0
\t\t\tAttached scsi disk sdc\t\tState: running
\tCurrent Portal: [2001:db8::10]:3260,1
\tPersistent Portal: [2001:db8::a]:3260,1
\t\tIface Name: csi.demo
\t\tSID: 5
\t\tiSCSI Session State: LOGGED_IN
\t\tscsi9 Channel 00 Id 0 Lun: 0
\t\t\tAttached scsi disk sdaa\t\tState: running
Target: iqn.1994-09.org.freebsd.csi:demo.ab
\tCurrent Portal: 192.0.2.10:3260,1
\tPersistent Portal: 192.0.2.10:3260,1
\t\tIface Name: csi.demo
\t\tSID: 6
\t\tiSCSI Connection State: TRANSPORT WAIT
\t\tiSCSI Session State: FAILED
\t\tInternal iscsid Session State: REOPEN
\t\tHost Number: 4\tState: running
"""


def test_a_mount_point_may_hold_what_looks_like_the_end_of_a_line() -> None:
    """The kernel escapes its own line end alone; a path may have the others that Unicode knows."""
    assert [mount.point for mount in parse("42 35 0:50 / /mnt/a\u2028b\x0c rw - tmpfs none ro\n")] == [
        "/mnt/a\u2028b\x0c"
    ]


def test_what_is_no_mount_table_is_not_taken_for_an_empty_one() -> None:
    """Else a volume that is mounted would seem not to be."""
    with pytest.raises(DriverError, match="not a line of the mount table"):
        parse("42 35 0:50 / /mnt\n")


def test_the_mount_table_is_read_with_its_escapes_and_optional_fields() -> None:
    """Any number of optional fields before the dash; octal escapes undone."""
    mounts = parse(MOUNTINFO)
    assert [(each.device, each.root, each.point, each.fs_type) for each in mounts] == [
        ("98:0", "/mnt1", "/mnt2", "ext3"),
        ("8:0", "/", "/var/lib/kubelet/a b\\c", "ext4"),
        ("0:6", "/sda", "/pods/block", "devtmpfs"),
        ("0:50", "/", "/mnt/ü", "tmpfs"),
        ("8:0", "/", "/var/lib/kubelet/a b\\c", "ext4"),
    ]
    assert mounts[0].options == {"rw", "noatime"}


def test_a_mount_is_read_only_by_itself_or_through_its_filesystem() -> None:
    """Either is enough to refuse writes."""
    assert [each.readonly for each in parse(MOUNTINFO)] == [False, True, False, True, True]


def test_sessions_are_read_with_what_they_share() -> None:
    """Target and portal are printed once; LUNs, disks and states belong to their session."""
    assert [
        (each.sid, each.target[-2:], each.portal, each.iface, each.is_logged_in, each.disks)
        for each in sessions(SESSIONS)
    ] == [
        (3, ".a", "192.0.2.10:3260", "csi.demo", True, {0: "sda", 12: "sdb"}),
        (4, ".a", "192.0.2.10:3260", "default", True, {0: "sdc"}),
        (5, ".a", "[2001:db8::a]:3260", "csi.demo", True, {0: "sdaa"}),
        (6, "ab", "192.0.2.10:3260", "csi.demo", False, {}),
    ]


def test_no_sessions_are_no_sessions() -> None:
    """The heading alone names none."""
    assert sessions("iSCSI Transport Class version 2.0-870\nversion 2.1.8\n") == ()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("iface.initiatorname = iqn.2000-01.org.example:a", "iqn.2000-01.org.example:a"),
        ("iface.initiatorname = <empty>", None),
        ("iface.initiatorname2 = x", None),
        ("", None),
    ],
)
def test_a_value_of_a_record_is_read_exactly(line: str, value: str | None) -> None:
    """`<empty>` is how iscsiadm writes nothing."""
    text = f"# BEGIN RECORD 2.1.8\niface.transport_name = tcp\n{line}\n# END RECORD\n"
    assert record_value(text, "iface.initiatorname") == value
