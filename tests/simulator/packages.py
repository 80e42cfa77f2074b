"""Which packages the host has: pkg(8) knows of few."""

from __future__ import annotations

from tests.simulator.machine import Machine
from tests.simulator.registry import Result

_SUDOERS = """# sudoers file.
root ALL=(ALL:ALL) ALL
@includedir /usr/local/etc/sudoers.d
"""
KNOWN = frozenset({"doas", "python311", "sudo"})


def installed(machine: Machine, name: str) -> bool:
    return (machine.path("/var/db/pkg") / name).exists()


def install(machine: Machine, name: str) -> None:
    """Bring what the package brings: its record, and sudo's configuration."""
    record = machine.path("/var/db/pkg") / name
    record.parent.mkdir(parents=True, exist_ok=True)
    record.touch()
    if name == "sudo":
        folder = machine.path("/usr/local/etc/sudoers.d")
        folder.mkdir(0o750, parents=True, exist_ok=True)
        path = machine.path("/usr/local/etc/sudoers")
        if not path.exists():
            path.touch(0o440)
            path.write_text(_SUDOERS, encoding="utf-8")


def missing(name: str) -> Result:
    """What sh(1) says where there is no such command."""
    return Result(127, err=f"{name}: not found\n")
