"""pkg(8): whether a package is there, and installing it."""

from __future__ import annotations

from tests.simulator import packages
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Result, Unmodelled, command


@command("pkg")
def pkg(machine: Machine, call: Call) -> Result:
    """`pkg info -e NAME` and `pkg install -y NAME ...`."""
    match call.args:
        case ["info", "-e", name]:
            return Result(0 if packages.installed(machine, name) else 1)
        case ["install", "-y", *names] if names:
            return _install(machine, call, names)
        case _:
            raise Unmodelled("this use of pkg")


def _install(machine: Machine, call: Call, names: list[str]) -> Result:
    if not call.is_root:
        return Result(70, err="pkg: Insufficient privileges to install packages\n")
    if unknown := [name for name in names if name not in packages.KNOWN]:
        return Result(70, err=f"pkg: No packages available to install matching '{unknown[0]}' have been found\n")
    for name in names:
        packages.install(machine, name)
    return Result(out=f"Installed packages: {' '.join(names)}\n")
