"""How iscsiadm is spoken to, and what its exit statuses mean."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.attach.attacher import Attached
from csi_driver.node.attach.iscsi_linux import IscsiLinux
from csi_driver.node.model import IscsiAttachment
from csi_driver.storage.model import Chap
from tests.unit.node.scripted import Scripted

TOKEN = "0123456789abcdef" * 2
TARGET = f"iqn.1994-09.org.freebsd.csi:demo.{TOKEN}"
INITIATOR = "iqn.1994-09.org.freebsd.csi:demo:node-1"
PORTAL = "192.0.2.10:3260"
ATTACHMENT = IscsiAttachment(portals=(PORTAL,), target=TARGET, lun=0, serial="0011223344556677")
LIST = "iscsiadm -m session -P 3"
NODE = f"iscsiadm -m node -T {TARGET}"
SETTINGS = (
    "-n node.startup -v manual -n node.conn[0].startup -v manual "
    "-n node.session.timeo.replacement_timeout -v 120 "
    "-n node.session.initial_login_retry_max -v 3 -n node.conn[0].timeo.login_timeout -v 10"
)


def listed(
    *, target: str = TARGET, iface: str = "csi.demo", state: str = "LOGGED_IN", lun: int = 0, disk: str = "sda"
) -> str:
    return (
        f"Target: {target} (non-flash)\n\tPersistent Portal: {PORTAL},1\n\t\tIface Name: {iface}\n"
        f"\t\tSID: 1\n\t\tiSCSI Session State: {state}\n\t\tscsi2 Channel 00 Id 0 Lun: {lun}\n"
        f"\t\t\tAttached scsi disk {disk}\t\tState: running\n"
    )


class Machine:
    """A scripted host with a sysfs and a /dev of its own."""

    def __init__(self, directory: Path) -> None:
        self.host = Scripted()
        self.sysfs, self.dev = directory / "sys", directory / "dev"
        self.dev.mkdir()
        places = {"sysfs": self.sysfs, "dev": self.dev, "root": directory}
        self.attacher = IscsiLinux(self.host, cluster="demo", initiator=INITIATOR, **places)

    def add_disk(self, name: str = "sda", serial: bytes = b"0011223344556677") -> str:
        """Let a disk appear with its serial number page."""
        device = self.sysfs / "block" / name / "device"
        device.mkdir(parents=True)
        (device / "vpd_pg80").write_bytes(b"\0\x80" + len(serial).to_bytes(2, "big") + serial)
        (self.dev / name).touch()
        return str(self.dev / name)

    def expect_login(self, code: int, err: str = "") -> None:
        """Expect a login from the beginning, with everything but the login succeeding."""
        self.host.expect(LIST, 21, err="iscsiadm: No active sessions.")
        self.host.expect("iscsiadm -m iface -I csi.demo", out=f"iface.initiatorname = {INITIATOR}\n")
        self.host.expect(f"{NODE} -p {PORTAL} -I csi.demo -o new")
        self.host.expect(f"{NODE} -p {PORTAL} -I csi.demo -o update {SETTINGS}")
        self.host.expect(f"{NODE} -I csi.demo --login", code, err=err)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_login_makes_an_interface_that_carries_our_initiator_name(machine: Machine) -> None:
    """The machine's own initiator name stays as it is."""
    device = machine.add_disk()
    machine.host.expect(LIST, 21)
    machine.host.expect("iscsiadm -m iface -I csi.demo", 6, err="iSCSI ERROR: Failed to open")
    machine.host.expect("iscsiadm -m iface -I csi.demo -o new")
    machine.host.expect(f"iscsiadm -m iface -I csi.demo -o update -n iface.initiatorname -v {INITIATOR}")
    machine.host.expect(f"{NODE} -p {PORTAL} -I csi.demo -o new")
    machine.host.expect(f"{NODE} -p {PORTAL} -I csi.demo -o update {SETTINGS}")
    machine.host.expect(f"{NODE} -I csi.demo --login")
    machine.host.expect(LIST, out=listed())
    assert machine.attacher.attach(ATTACHMENT, deadline=math.inf) == device
    assert machine.host.script == []


def test_what_is_attached_is_only_looked_at(machine: Machine) -> None:
    """A repeated attach asks for the list of sessions and nothing else."""
    device = machine.add_disk(serial=b"0011223344556677\0 ")
    machine.host.expect(LIST, out=listed())
    machine.host.expect(LIST, out=listed())
    assert machine.attacher.attach(ATTACHMENT, deadline=math.inf) == device


def test_a_lun_that_is_late_is_looked_for(machine: Machine) -> None:
    """One rescan, then patience."""
    device = machine.add_disk()
    machine.host.expect(LIST, out=listed())
    machine.host.expect(LIST, out=listed(lun=7))
    machine.host.expect(f"{NODE} -R")
    machine.host.expect(LIST, out=listed(lun=7))
    machine.host.expect(LIST, out=listed())
    assert machine.attacher.attach(ATTACHMENT, deadline=math.inf) == device


@pytest.mark.parametrize(
    "text",
    [
        listed(target=TARGET[:-1]),
        listed(target=TARGET + "0"),
        listed(iface="default"),
        listed(lun=1),
        listed(state="FAILED"),
        listed(disk="sdb"),
    ],
    ids=["shorter name", "longer name", "foreign interface", "other LUN", "dead", "no device node"],
)
def test_only_the_very_lun_of_the_very_target_is_found(machine: Machine, text: str) -> None:
    """Nothing that merely resembles it."""
    machine.add_disk()
    machine.host.expect(LIST, out=text)
    assert machine.attacher.find(ATTACHMENT, deadline=math.inf) is None


@pytest.mark.parametrize("serial", [b"", b"0011223344556678", b"001122334455667", b"\xff" * 16])
def test_a_disk_with_another_serial_number_is_refused(machine: Machine, serial: bytes) -> None:
    """Even under the right target and LUN; the message does not give the token away."""
    machine.add_disk(serial=serial)
    machine.host.expect(LIST, out=listed())
    with pytest.raises(DriverError, match="another volume") as caught:
        machine.attacher.find(ATTACHMENT, deadline=math.inf)
    assert caught.value.code == ErrorCode.DEGRADED
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (24, ErrorCode.DENIED, "does not export"),
        (19, ErrorCode.DENIED, "does not export"),
        (8, ErrorCode.UNCERTAIN, "reachable"),
        (4, ErrorCode.UNCERTAIN, "reachable"),
        (5, ErrorCode.UNCERTAIN, "reachable"),
        (20, ErrorCode.DEGRADED, "start iscsid"),
        (18, ErrorCode.DEGRADED, "start iscsid"),
        (12, ErrorCode.DEGRADED, "iscsi_tcp"),
    ],
)
def test_every_failure_of_a_login_has_its_meaning(machine: Machine, code: int, error: ErrorCode, says: str) -> None:
    """The message has a remedy and masks the token."""
    machine.expect_login(code, f"iscsiadm: Could not login to [target: {TARGET}].")
    machine.host.expect(LIST, 21)
    with pytest.raises(DriverError, match=says) as caught:
        machine.attacher.attach(ATTACHMENT, deadline=math.inf)
    assert caught.value.code == error
    assert TOKEN not in caught.value.message


def test_secrets_are_in_the_record_before_the_login_and_in_no_argument(machine: Machine, tmp_path: Path) -> None:
    """Where iscsiadm takes them from."""
    device = machine.add_disk()
    record = tmp_path / "etc/iscsi/nodes" / TARGET / "192.0.2.10,3260"
    record.parent.mkdir(parents=True)
    record.write_text("iface.iscsi_ifacename = csi.demo\n# END RECORD\n")
    machine.expect_login(0)
    machine.host.expect(LIST, out=listed())
    chap = Chap("node", "first/secret+1=")
    assert machine.attacher.attach(ATTACHMENT, chap=chap, deadline=math.inf) == device
    assert "node.session.auth.password = first/secret+1=\n" in record.read_text()


def test_a_refusal_may_be_one_of_secrets(machine: Machine, tmp_path: Path) -> None:
    """The message says what to do, and no secret."""
    record = tmp_path / "var/lib/iscsi/nodes" / TARGET / "192.0.2.10,3260,1/csi.demo"
    record.parent.mkdir(parents=True)
    record.write_text("iface.iscsi_ifacename = csi.demo\n# END RECORD\n")
    machine.expect_login(24, "iscsiadm: initiator reported error (24 - login failed due to authorization failure)")
    machine.host.expect(LIST, 21)
    with pytest.raises(DriverError, match="detach and attach") as caught:
        machine.attacher.attach(ATTACHMENT, chap=Chap("node", "first/secret+1="), deadline=math.inf)
    assert caught.value.code == ErrorCode.DENIED
    assert "first" not in caught.value.message


def test_one_portal_of_several_is_enough(machine: Machine) -> None:
    """Iscsiadm reports the first failure although another portal let us in."""
    device = machine.add_disk()
    machine.expect_login(8)
    machine.host.expect(LIST, out=listed())
    machine.host.expect(LIST, out=listed())
    assert machine.attacher.attach(ATTACHMENT, deadline=math.inf) == device


def test_a_session_that_exists_is_no_failure(machine: Machine) -> None:
    """Someone else, or an earlier attempt, was quicker."""
    device = machine.add_disk()
    machine.expect_login(15)
    machine.host.expect(LIST, out=listed())
    assert machine.attacher.attach(ATTACHMENT, deadline=math.inf) == device


def test_a_rescan_is_of_the_target_alone(machine: Machine) -> None:
    """A session that is gone has nothing to show, which is no failure of the rescan."""
    machine.host.expect(f"{NODE} -R")
    machine.host.expect(f"{NODE} -R", 21, err="iscsiadm: No session found.")
    machine.attacher.rescan(TARGET, deadline=math.inf)
    machine.attacher.rescan(TARGET, deadline=math.inf)
    machine.host.expect(f"{NODE} -R", 10, err=f"iscsiadm: Could not rescan {TARGET}.")
    with pytest.raises(DriverError, match="rescanning") as caught:
        machine.attacher.rescan(TARGET, deadline=math.inf)
    assert caught.value.code == ErrorCode.UNCERTAIN
    assert TOKEN not in caught.value.message


def test_waiting_for_the_device_ends_at_the_deadline(machine: Machine) -> None:
    """And the outcome is uncertain, not failed."""
    machine.host.expect(LIST, out=listed(state="FAILED"))
    with pytest.raises(DriverError, match="did not appear") as caught:
        machine.attacher.attach(ATTACHMENT, deadline=time.monotonic() - 1)
    assert caught.value.code == ErrorCode.UNCERTAIN


def test_detaching_ends_the_session_and_forgets_the_target(machine: Machine) -> None:
    """It waits until the session is gone."""
    machine.host.expect(LIST, out=listed())
    machine.host.expect(f"{NODE} --logout")
    machine.host.expect(LIST, out=listed())
    machine.host.expect(LIST, 21)
    machine.host.expect(f"{NODE} -o delete")
    machine.attacher.detach(TARGET, deadline=math.inf)
    assert machine.host.script == []


def test_detaching_what_is_not_attached_is_nothing(machine: Machine) -> None:
    """No session, no record: success."""
    machine.host.expect(LIST, 21)
    machine.host.expect(f"{NODE} -o delete", 21, err="iscsiadm: No records found")
    machine.attacher.detach(TARGET, deadline=math.inf)


@pytest.mark.parametrize("code", [1, 10, 15, 28])
def test_a_failed_logout_is_an_error(machine: Machine, code: int) -> None:
    """Detached is what the table of sessions says, not what we hoped."""
    machine.host.expect(LIST, out=listed())
    machine.host.expect(f"{NODE} --logout", code, err=f"iscsiadm: Could not logout of {TARGET}.")
    with pytest.raises(DriverError, match="logging out") as caught:
        machine.attacher.detach(TARGET, deadline=math.inf)
    assert TOKEN not in caught.value.message


def test_devices_are_found_by_serial_number_over_all_targets(machine: Machine) -> None:
    """That is how sessions of former publications come to light."""
    device = machine.add_disk("sda")
    machine.add_disk("sdb", b"another volume's")
    former = TARGET.replace("0123", "ffff")
    text = listed(target=former, state="FAILED") + listed(disk="sdb")
    machine.host.expect(LIST, out=text)
    found = machine.attacher.with_serial("0011223344556677", deadline=math.inf)
    assert found == (Attached(former, device, alive=False),)
