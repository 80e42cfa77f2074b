"""sysrc(8): reading and writing rc.conf(5). Source: usr.sbin/sysrc/sysrc."""

from __future__ import annotations

import re
from pathlib import Path

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.rcconf import DEFAULTS, DEFAULTS_FILE, MAIN_FILE, RcConf
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options

_ACCEPTED = "aAcdDeEf:Fhij:lLnNqR:s:vxX"
_MODELLED = "acef:inNqvx"


@command("sysrc")
def sysrc(machine: Machine, call: Call) -> Result:
    """`sysrc [-aceinNqvx] [-f FILE] NAME[[+-]=VALUE] ...`."""
    try:
        found, names = options(call.args, _ACCEPTED, modelled=_MODELLED)
    except BadOption:
        return Result(1, err=msg.SYSRC_USAGE)
    flags = {flag for flag, _ in found}
    files = [value for flag, value in found if flag == "f"]
    if len(files) > 1:
        raise Unmodelled("several -f")
    shown = str(Path(call.cwd, files[0])) if files else MAIN_FILE
    work = Sysrc(RcConf(machine.path(shown)), flags, shown, with_defaults=not files)
    if "a" in flags:
        return work.show_all()
    if not names:
        return Result(1, err=msg.SYSRC_USAGE)
    for name in names:
        bare = re.split(r"[+-]?=", name)[0]
        if not re.fullmatch(r"[A-Za-z0-9_]+", bare):
            return Result(1, err=msg.SYSRC_BAD_NAME.format(bare))
    if not call.is_root and any("=" in name for name in names):
        raise Unmodelled("writing as a user")
    return work.run(names)


class Sysrc:
    """One execution: goes through the arguments, collects output, remembers failure."""

    def __init__(self, conf: RcConf, flags: set[str], path: str, *, with_defaults: bool) -> None:
        self._conf = conf
        self._flags = flags
        self._path = path
        self._defaults = DEFAULTS if with_defaults else {}
        self._out = ""
        self._err = ""
        self._status = 0

    def run(self, arguments: list[str]) -> Result:
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if equals:
                self._assign(name, value)
            else:
                self._query(name)
        return Result(self._status, self._out, self._err)

    def show_all(self) -> Result:
        """Print what the file itself sets, sorted as sh's set builtin does."""
        for name, value in sorted(self._conf.own().items()):
            self._show(name, value)
        return Result(0, self._out)

    def _get(self, name: str) -> str | None:
        return self._conf.own().get(name, self._defaults.get(name))

    def _where(self, name: str) -> str:
        return self._path if name in self._conf.own() else DEFAULTS_FILE

    def _query(self, name: str) -> None:
        value = self._get(name)
        if value is None:
            self._status = 1
            if not self._flags & {"i", "q"}:
                self._err += msg.SYSRC_UNKNOWN.format(name)
        elif "c" in self._flags:
            return
        elif "x" in self._flags:
            self._conf.delete(name)
        else:
            if "v" in self._flags:
                self._out += f"{self._where(name)}: "
            self._show(name, value)

    def _show(self, name: str, value: str) -> None:
        if "N" in self._flags:
            self._out += f"{name}\n"
        elif "n" in self._flags:
            self._out += f"{value}\n"
        elif "e" in self._flags:
            self._out += f'{name}="{value}"\n'
        else:
            self._out += f"{name}: {value}\n"

    def _assign(self, argument: str, value: str) -> None:
        name = argument.rstrip("+-")
        before = self._get(name)
        new = _combined(argument, before or "", value)
        if "c" in self._flags:
            self._check(name, before, new)
        elif "x" in self._flags:
            self._conf.delete(name)
        else:
            if "v" in self._flags:
                self._out += f"{self._path}: "
            self._conf.set(name, new)
            self._show_change(name, before or "", new)

    def _check(self, name: str, before: str | None, new: str) -> None:
        verbose = "v" in self._flags
        if before is None:
            self._status = 1
            self._out += f"{name}: not currently set\n" if verbose else ""
            return
        where = f"{self._where(name)}: {name}: "
        if before != new:
            self._status = 1
            self._out += f"{where}would change from `{before}' to `{new}'\n" if verbose else ""
        elif verbose:
            self._out += f"{where}already set to `{before}'\n"

    def _show_change(self, name: str, before: str, after: str) -> None:
        if "N" in self._flags:
            self._out += f"{name}\n"
        elif "n" in self._flags:
            self._out += f"{before} -> {after}\n"
        elif "e" in self._flags:
            self._out += f'{name}="{before}" # -> "{after}"\n'
        else:
            self._out += f"{name}: {before} -> {after}\n"


def _combined(argument: str, before: str, value: str) -> str:
    """Return the new value of NAME=VALUE, NAME+=VALUE or NAME-=VALUE (blank separated words)."""
    if argument[-1:] not in ("+", "-"):
        return value
    if value[:1] and not re.match(r"[\sa-zA-Z0-9./]", value):
        raise Unmodelled(f"the separator {value[0]!r}")
    words = before.split()
    if argument[-1] == "+":
        words += [word for word in value.split() if word not in words]
    else:
        words = [word for word in words if word not in value.split()]
    return " ".join(words)
