"""
CHAP secrets for open-iscsi, written into its record of a target.

iscsiadm takes the value of a setting from its arguments alone, which every user of the machine can
read. But each record is a file below /etc/iscsi or /var/lib/iscsi, wherever iscsiadm was built for,
and a login uses what it says. So iscsiadm makes the record, only root may read it, and what is
secret is put in here. It goes with the record when the target is forgotten.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import chap as entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csi_driver.storage.model import Chap

_FOLDERS = ("etc/iscsi/nodes", "var/lib/iscsi/nodes")
_METHOD = "node.session.auth.authmethod"
_END = "# END RECORD"


class NodeRecords:
    """The records of a machine whose root directory this process sees at `root`."""

    def __init__(self, root: Path) -> None:
        self._folders = tuple(root / folder for folder in _FOLDERS)

    def write_chap(self, target: str, iface: str, chap: Chap) -> None:
        """
        Have every login to the target through the interface use this and nothing else; raise `DEGRADED` if none would.

        The files are changed in place: anything else in their directory would be taken for a record. One that is
        cut short by a crash is made anew before the next login.
        """
        found = [path for path in self._files(target) if f"iface.iscsi_ifacename = {iface}" in _lines(path)]
        if not found:
            where = " or ".join(str(folder) for folder in self._folders)
            message = (
                f"CHAP: iscsiadm keeps its records not in {where}, so the secret cannot be handed to it; see that "
                "HOST_ROOT is where this process sees the machine's root directory, and that it can be written there"
            )
            raise DriverError(ErrorCode.DEGRADED, message)
        for path in found:
            _write(path, _with_chap(_lines(path), chap))

    def _files(self, target: str) -> Iterator[Path]:
        for folder in self._folders:
            yield from (path for path in (folder / target).rglob("*") if path.is_file() and not path.is_symlink())


def _with_chap(lines: list[str], chap: Chap) -> str:
    """Return the record with these settings, and without any that came from iscsid.conf."""
    own = {_METHOD, *entries.ENTRIES}
    kept = [line for line in lines if line.partition(" = ")[0] not in own and line != _END]
    values = (chap.user, chap.secret, chap.mutual_user, chap.mutual_secret)
    said = [f"{entry} = {value}" for entry, value in zip(entries.ENTRIES, values, strict=True) if value]
    return "".join(f"{line}\n" for line in [*kept, f"{_METHOD} = CHAP", *said, _END])


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "surrogateescape").splitlines()


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text.encode("utf-8", "surrogateescape"))
