"""Reading what iscsiadm(8) prints: text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z ]*): (\S+)")
_LUN = re.compile(r"\s*scsi\d+ Channel \d+ Id \d+ Lun: (\d+)")
_DISK = re.compile(r"\s*Attached scsi disk (\S+)")
_LOGGED_IN = "LOGGED_IN"


@dataclass(frozen=True, slots=True)
class Session:
    """One session with a target through one portal. `disks` maps LUNs to names such as `sda`."""

    sid: int
    target: str
    portal: str
    iface: str
    state: str = ""
    disks: dict[int, str] = field(default_factory=dict)

    @property
    def is_logged_in(self) -> bool:
        """Whether the target answers."""
        return self.state == _LOGGED_IN


def sessions(text: str) -> tuple[Session, ...]:
    """Read `iscsiadm -m session -P 3`. What sessions share is printed once, for the first."""
    reader = _Reader()
    for line in text.splitlines():
        reader.take(line)
    return tuple(reader.found)


class _Reader:
    def __init__(self) -> None:
        self.found: list[Session] = []
        self._shared: dict[str, str] = {}
        self._lun = 0

    def take(self, line: str) -> None:
        if lun := _LUN.match(line):
            self._lun = int(lun[1])
        elif disk := _DISK.match(line):
            self.found[-1].disks[self._lun] = disk[1]
        elif pair := _LINE.match(line):
            self._keep(pair[1], pair[2])

    def _keep(self, key: str, value: str) -> None:
        if key == "SID":
            portal = without_group(self._shared["Persistent Portal"])
            target, iface = self._shared["Target"], self._shared["Iface Name"]
            self.found.append(Session(int(value), target, portal, iface))
        elif key == "iSCSI Session State":
            self.found[-1] = replace(self.found[-1], state=value)
        else:
            self._shared[key] = value


def without_group(portal: str) -> str:
    """Return `address:port` of iscsiadm's `address:port,portal group`."""
    return portal.partition(",")[0]


def record_value(text: str, name: str) -> str | None:
    """Return one value of a record as iscsiadm prints it, None if it is not there or empty."""
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        if equals and key == name:
            return None if value == "<empty>" else value
    return None
