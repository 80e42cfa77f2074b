"""sysctl(8): the few variables of the kernel that concern storage."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator.ctl.part import ctl_part
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options

_TUNABLES = frozenset(("kern.cam.ctl.max_luns", "kern.cam.ctl.max_ports"))
_READ_ONLY = "sysctl: oid '{0}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf\n"
# Trees this machine has but does not model: unknown names there are not the caller's mistake.
_REAL_TREES = ("kern.", "hw.", "vfs.", "net.", "security.", "vm.", "debug.", "dev.", "user.")


def _variables(machine: Machine) -> dict[str, str]:
    kernel = ctl_part(machine).kernel
    return {
        "hw.machine": "amd64",
        "hw.machine_arch": "amd64",
        "hw.model": "simulated",
        "hw.ncpu": "2",
        "hw.pagesize": "4096",
        "hw.physmem": "4277043200",
        "kern.cam.ctl.iscsi.debug": "1",
        "kern.cam.ctl.iscsi.maxcmdsn_delta": "256",
        "kern.cam.ctl.iscsi.ping_timeout": "5",
        "kern.cam.ctl.lun_map_size": "1024",
        "kern.cam.ctl.max_luns": str(kernel.max_luns),
        "kern.cam.ctl.max_ports": str(kernel.max_ports),
        "kern.hostname": machine.hostname,
        "kern.hostuuid": "4c4c4544-0000-1111-2222-333344445555",
        "kern.osreldate": str(machine.release.osreldate),
        "kern.osrelease": machine.release.uname_release,
        "kern.ostype": "FreeBSD",
        "security.jail.jailed": "0",
        "vfs.usermount": "0",
        "vfs.zfs.vol.mode": "1",
        "vfs.zfs.vol.recursive": "0",
    }


@command("sysctl")
def sysctl(machine: Machine, call: Call) -> Result:
    """`sysctl [-einq] NAME[=VALUE] ...`: setting is not modelled but refused for tunables."""
    try:
        found, names = options(call.args, "AaB:bdeFfhiJlNnoqTtVWwXxy", modelled="einq")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    if not names:
        raise Unmodelled("listing everything")
    flags = {flag for flag, _ in found}
    variables = _variables(machine)
    results = [_one(variables, flags, name) for name in names]
    return Result(
        max(result.rc for result in results),
        "".join(result.out for result in results),
        "".join(result.err for result in results),
    )


def _one(variables: dict[str, str], flags: set[str], argument: str) -> Result:
    name, equals, _value = argument.partition("=")
    if equals:
        if name in _TUNABLES:
            return Result(1, err=_READ_ONLY.format(name))
        raise Unmodelled(f"setting {name}")
    value = variables.get(name)
    if value is None:
        if "i" in flags:
            return Result()
        if name.startswith(_REAL_TREES):
            raise Unmodelled(f"the variable {name}")
        return Result(1, err=f"sysctl: unknown oid '{name}'\n")
    return Result(out=_form(flags)(name, value))


def _form(flags: set[str]) -> Callable[[str, str], str]:
    if "n" in flags:
        return lambda _name, value: f"{value}\n"
    if "e" in flags:
        return lambda name, value: f"{name}={value}\n"
    return lambda name, value: f"{name}: {value}\n"
