"""What the stand-in keeps: records of interfaces and nodes, and the running sessions."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iscsi import records_file

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = "etc/iscsi/nodes"


class State:
    """The directory below which everything is kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("ifaces", NODES, "sessions", "dev", "sys/block"):
            (root / name).mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_environment(cls) -> State:
        """Open the directory that $STANDIN_STATE names."""
        return cls(Path(os.environ["STANDIN_STATE"]).absolute())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that every change of names and numbers needs."""
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Records

    def iface(self, name: str) -> dict[str, str] | None:
        """The interface record, or None."""
        return _read(self.root / "ifaces" / name)

    def write_iface(self, name: str, record: dict[str, str]) -> None:
        """Write the interface record."""
        write(self.root / "ifaces" / name, record)

    def nodes(self, target: str, portal: str | None = None, iface: str | None = None) -> list[dict[str, str]]:
        """The node records that match, in the order of their portals."""
        paths = sorted((self.root / NODES / target).glob("*"))
        records = [record for path in paths if (record := records_file.read(path))]
        return [record for record in records if portal in (None, record["portal"]) and iface in (None, record["iface"])]

    def write_node(self, record: dict[str, str]) -> None:
        """Write a node record."""
        directory = self.root / NODES / record["target"]
        directory.mkdir(mode=0o700, exist_ok=True)
        records_file.write(directory / records_file.name(record), record)

    def delete_node(self, record: dict[str, str]) -> None:
        """Delete a node record."""
        directory = self.root / NODES / record["target"]
        (directory / records_file.name(record)).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()

    # Sessions

    def sessions(self) -> list[dict[str, Any]]:
        """The running sessions, by target and number; what a killed holder left is cleared away."""
        found = []
        for path in (self.root / "sessions").glob("*.json"):
            session = _read(path)
            if session is None:
                continue
            if _is_running(session["pid"]):
                found.append(session)
                continue
            with self.locked():
                if path.exists():
                    self.forget_session(session)
        return sorted(found, key=lambda session: (session["target"], session["sid"]))

    def write_session(self, session: dict[str, Any]) -> None:
        """Write what is known of a session."""
        write(self.session_path(session["sid"]), session)

    def session_path(self, sid: int) -> Path:
        """The file of a session."""
        return self.root / "sessions" / f"{sid}.json"

    def socket_path(self, sid: int) -> str:
        """The socket of a session's holder, below the root (socket paths must be short)."""
        return f"sessions/{sid}.sock"

    def forget_session(self, session: dict[str, Any]) -> None:
        """Take away a session's devices and files; call it with the lock held, and once."""
        from iscsi import devices

        for disk in session["disks"]:
            devices.release(disk["device"])
            (self.root / "dev" / disk["name"]).unlink(missing_ok=True)
            shutil.rmtree(self.root / "sys" / "block" / disk["name"], ignore_errors=True)
        (self.root / self.socket_path(session["sid"])).unlink(missing_ok=True)
        self.session_path(session["sid"]).unlink(missing_ok=True)

    def next_number(self) -> int:
        """A session number not used before; call it with the lock held."""
        path = self.root / "last-session"
        number = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(number))
        return number

    def free_name(self) -> str:
        """The first free disk name, as the kernel gives it; call it with the lock held."""
        taken = {path.name for path in (self.root / "sys" / "block").iterdir()}
        return next(name for index in range(26 * 27) if (name := disk_name(index)) not in taken)


def disk_name(index: int) -> str:
    """The name of the disk of that index: sda … sdz, sdaa … (drivers/scsi/sd.c)."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"sd{letters}"


def write(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file at one stroke."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(json.dumps(document))
    staged.replace(path)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
