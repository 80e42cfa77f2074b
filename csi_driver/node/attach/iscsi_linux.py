"""
iSCSI on Linux, through open-iscsi's iscsiadm(8) and the SCSI layer's part of sysfs.

Logins go out under an interface record of our own, which carries the initiator name; the machine's
own initiator name and its other sessions are left alone. Nothing is discovered: the target and its
portals are told to us. A target's name ends in a secret and is masked in every message.
"""

from __future__ import annotations

import re
import threading
import time
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.attach.attacher import Attached, Link
from csi_driver.node.attach.iscsi_records import NodeRecords
from csi_driver.node.attach.iscsi_sessions import Session, record_value, sessions
from csi_driver.node.stats import device_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_driver.node.host import Host, Result
    from csi_driver.node.model import IscsiAttachment
    from csi_driver.storage.model import Chap

_TOKEN = re.compile(r"\.[0-9a-f]{32}(?![0-9a-f])")
_POLL_SECONDS = (0.05, 0.1, 0.2, 0.5)

# The exit statuses that iscsiadm(8) lists.
_OK = 0
_NO_RECORD_FILE = 6
_SESSION_EXISTS = 15
_NOTHING_FOUND = 21
_DAEMON = frozenset({13, 18, 20})
_NO_DRIVER = 12
_NO_SUCH_TARGET = 19
_REFUSED = 24

# A session outlives a storage host that is away for two minutes; then I/O fails instead of hanging.
# Login gives up early enough to be told to the caller. Only we start these sessions.
_SETTINGS = {
    "node.startup": "manual",
    "node.conn[0].startup": "manual",
    "node.session.timeo.replacement_timeout": "120",
    "node.session.initial_login_retry_max": "3",
    "node.conn[0].timeo.login_timeout": "10",
}


class IscsiLinux:
    """See `Attacher`. `sysfs`, `dev` and `root` are where this process sees /sys, /dev and / of its machine."""

    def __init__(
        self,
        host: Host,
        *,
        cluster: str,
        initiator: str,
        sysfs: Path = Path("/sys"),
        dev: Path = Path("/dev"),
        root: Path = Path("/"),
    ) -> None:
        self._host = host
        self._records = NodeRecords(root)
        self._iface = f"csi.{cluster}"
        self._initiator = initiator
        self._sysfs = sysfs
        self._dev = dev
        self._iface_lock = threading.Lock()

    def attach(self, attachment: IscsiAttachment, *, chap: Chap | None = None, deadline: float) -> str:
        """See `Attacher.attach`."""
        missing = self._missing_portals(attachment, deadline)
        if missing:
            self._be_interface(deadline)
            for portal in missing:
                self._be_node_record(attachment.target, portal, deadline)
            if chap:
                self._records.write_chap(attachment.target, self._iface, chap)
            refusal = self._log_in(attachment.target, deadline)
        else:
            refusal = None
        if refusal and not self._logged_in(attachment.target, deadline):
            raise self._login_failed(refusal, attachment, chap)
        return self._wait_for_device(attachment, deadline)

    def find(self, attachment: IscsiAttachment, *, deadline: float) -> str | None:
        """See `Attacher.find`."""
        by_portal = {session.portal: session for session in self._logged_in(attachment.target, deadline)}
        preferred = [by_portal[portal] for portal in attachment.portals if portal in by_portal]
        for session in (*preferred, *by_portal.values()):
            disk = session.disks.get(attachment.lun)
            if disk and (self._dev / disk).exists():
                self._be_the_volume(disk, attachment)
                return str(self._dev / disk)
        return None

    def rescan(self, target: str, *, deadline: float) -> None:
        """See `Attacher.rescan`."""
        result = self._target(target, "-R", deadline=deadline)
        self._accept(result, "rescanning the session", _OK, _NOTHING_FOUND)

    def with_serial(self, serial: str, *, deadline: float) -> tuple[Attached, ...]:
        """See `Attacher.with_serial`."""
        found = self._attached(self._sessions(deadline))
        return tuple(each for each in found if self._serial(Path(each.device).name) == serial)

    def on_device(self, number: str, *, deadline: float) -> tuple[Attached, ...]:
        """See `Attacher.on_device`."""
        found = self._attached(self._sessions(deadline))
        return tuple(each for each in found if device_number(each.device) == number)

    def of_target(self, target: str, *, deadline: float) -> tuple[Attached, ...]:
        """See `Attacher.of_target`."""
        return self._attached(self._with_target(target, deadline))

    def links(self, *, deadline: float) -> tuple[Link, ...]:
        """See `Attacher.links`."""
        found = self._sessions(deadline)
        return tuple(Link(session.target, session.portal, session.is_logged_in) for session in found)

    def detach(self, target: str, *, deadline: float) -> None:
        """See `Attacher.detach`."""
        if self._with_target(target, deadline):
            result = self._target(target, "--logout", deadline=deadline)
            self._accept(result, "logging out", _OK, _NOTHING_FOUND)
            self._wait_until_gone(target, deadline)
        result = self._target(target, "-o", "delete", deadline=deadline)
        self._accept(result, "forgetting the target", _OK, _NOTHING_FOUND)

    # Steps of a login

    def _missing_portals(self, attachment: IscsiAttachment, deadline: float) -> list[str]:
        present = {session.portal for session in self._with_target(attachment.target, deadline)}
        return [portal for portal in attachment.portals if portal not in present]

    def _be_interface(self, deadline: float) -> None:
        """Make the interface record, which every login of this cluster shares, carry our name."""
        name = "iface.initiatorname"
        with self._iface_lock:
            result = self._interface(deadline=deadline)
            self._accept(result, "reading the interface record", _OK, _NO_RECORD_FILE, _NOTHING_FOUND)
            if result.code != _OK:
                self._accept(self._interface("-o", "new", deadline=deadline), "making an interface record")
            if record_value(result.out, name) != self._initiator:
                change = ("-o", "update", "-n", name, "-v", self._initiator)
                self._accept(self._interface(*change, deadline=deadline), "setting the initiator name")

    def _be_node_record(self, target: str, portal: str, deadline: float) -> None:
        result = self._node(target, "-o", "new", portal=portal, deadline=deadline)
        self._accept(result, f"noting the portal {portal}", _OK, _SESSION_EXISTS)
        pairs = [word for name, value in _SETTINGS.items() for word in ("-n", name, "-v", value)]
        result = self._node(target, "-o", "update", *pairs, portal=portal, deadline=deadline)
        self._accept(result, f"setting timeouts for the portal {portal}")

    def _log_in(self, target: str, deadline: float) -> Result | None:
        """Log in through every noted portal at once; return the result if one of them failed."""
        result = self._node(target, "--login", deadline=deadline)
        return None if result.code in (_OK, _SESSION_EXISTS) else result

    def _wait_for_device(self, attachment: IscsiAttachment, deadline: float) -> str:
        rescanned = False
        for pause in _pauses(deadline):
            device = self.find(attachment, deadline=deadline)
            if device:
                return device
            if not rescanned:
                self.rescan(attachment.target, deadline=deadline)
                rescanned = True
            time.sleep(pause)
        message = f"LUN {attachment.lun} of {_masked(attachment.target)} did not appear in time"
        raise DriverError(ErrorCode.UNCERTAIN, message)

    def _wait_until_gone(self, target: str, deadline: float) -> None:
        for pause in _pauses(deadline):
            if not self._with_target(target, deadline):
                return
            time.sleep(pause)
        message = f"the session with {_masked(target)} did not end in time"
        raise DriverError(ErrorCode.UNCERTAIN, message)

    # Identity

    def _be_the_volume(self, disk: str, attachment: IscsiAttachment) -> None:
        serial = self._serial(disk)
        if serial != attachment.serial:
            message = (
                f"{disk}, LUN {attachment.lun} of {_masked(attachment.target)}, shows the serial number "
                f"{serial!r}, not {attachment.serial!r}: it is another volume and is left alone"
            )
            raise DriverError(ErrorCode.DEGRADED, message)

    def _serial(self, disk: str) -> str | None:
        """Read the unit serial number page (SPC-4, 7.8.15) as the kernel keeps it."""
        try:
            page = (self._sysfs / "block" / disk / "device" / "vpd_pg80").read_bytes()
        except OSError:  # no such page, or the disk went away this moment: not the one we look for
            return None
        length = int.from_bytes(page[2:4], "big")
        return page[4 : 4 + length].decode("ascii", "replace").strip(" \0")

    # Sessions

    def _sessions(self, deadline: float) -> tuple[Session, ...]:
        result = self._host.run("iscsiadm", "-m", "session", "-P", "3", deadline=deadline)
        self._accept(result, "listing the iSCSI sessions", _OK, _NOTHING_FOUND)
        return tuple(each for each in sessions(result.out) if each.iface == self._iface)

    def _with_target(self, target: str, deadline: float) -> tuple[Session, ...]:
        return tuple(each for each in self._sessions(deadline) if each.target == target)

    def _logged_in(self, target: str, deadline: float) -> tuple[Session, ...]:
        return tuple(each for each in self._with_target(target, deadline) if each.is_logged_in)

    def _attached(self, found: tuple[Session, ...]) -> tuple[Attached, ...]:
        return tuple(
            Attached(session.target, str(self._dev / disk), session.is_logged_in)
            for session in found
            for disk in session.disks.values()
            if (self._dev / disk).exists()
        )

    # Commands

    def _interface(self, *words: str, deadline: float) -> Result:
        return self._host.run("iscsiadm", "-m", "iface", "-I", self._iface, *words, deadline=deadline)

    def _node(self, target: str, *words: str, portal: str = "", deadline: float) -> Result:
        where = ("-p", portal) if portal else ()
        return self._target(target, *where, "-I", self._iface, *words, deadline=deadline)

    def _target(self, target: str, *words: str, deadline: float) -> Result:
        """Speak of a target alone: naming an interface record that is not there is an error."""
        return self._host.run("iscsiadm", "-m", "node", "-T", target, *words, deadline=deadline)

    def _accept(self, result: Result, what: str, *codes: int) -> None:
        if result.code not in (codes or (_OK,)):
            code = ErrorCode.DEGRADED if result.code in (*_DAEMON, _NO_DRIVER) else ErrorCode.UNCERTAIN
            message = f"{what} failed: {_masked(result.told)}{_remedy(result.code)}"
            raise DriverError(code, message)

    def _login_failed(self, result: Result, attachment: IscsiAttachment, chap: Chap | None) -> DriverError:
        told = f"login to {_masked(attachment.target)} as {self._initiator} failed: {_masked(result.told)}"
        if result.code in (_REFUSED, _NO_SUCH_TARGET):
            message = f"{told}; the storage host does not export this volume to this node now"
            if chap:
                message += (
                    ", or not with these CHAP secrets; if the Secret was changed, detach and attach the volume, which "
                    "keeps the secrets it was attached with"
                )
            return DriverError(ErrorCode.DENIED, message)
        if result.code in _DAEMON or result.code == _NO_DRIVER:
            return DriverError(ErrorCode.DEGRADED, f"{told}{_remedy(result.code)}")
        portals = ", ".join(attachment.portals)
        return DriverError(ErrorCode.UNCERTAIN, f"{told}; is {portals} reachable from this node?")


def _remedy(code: int) -> str:
    if code in _DAEMON:
        return "; start iscsid on this node"
    return "; load the kernel module iscsi_tcp on this node" if code == _NO_DRIVER else ""


def _masked(text: str) -> str:
    return _TOKEN.sub(".…", text)


def _pauses(deadline: float) -> Iterator[float]:
    """Yield how long to wait before looking again, until the deadline."""
    pauses = chain(_POLL_SECONDS, repeat(_POLL_SECONDS[-1]))
    while time.monotonic() < deadline:
        yield next(pauses)
