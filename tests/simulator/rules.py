"""The rules of sudoers(5) and doas.conf(5), as far as they let one user run one command as root without a password."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulator.machine import Machine
from tests.simulator.registry import Unmodelled

SUDOERS = "/usr/local/etc/sudoers"
DOAS_CONF = "/usr/local/etc/doas.conf"
_SPEC = re.compile(r"(?P<user>[\w%@.+-]+)\s+ALL\s*=\s*\((?P<as>\w+)(?::\w+)?\)\s*(?P<free>NOPASSWD:\s*)?(?P<what>.+)")
_DEFAULTS = re.compile(r"Defaults([:@!>][^\s]+)?\s+!?\w+(\s*=\s*\S+)?(\s*,\s*!?\w+(\s*=\s*\S+)?)*")
_DOAS_RULE = re.compile(
    r"(?P<action>permit|deny)(?P<free>\s+nopass)?\s+(?P<user>[\w:.-]+)(\s+as\s+root)?"
    r"(\s+cmd\s+(?P<cmd>\S+)(\s+args(?P<args>(\s+\S+)*))?)?"
)
_DOAS_OPTIONS = re.compile(r"(permit|deny)\s+(nopass\s+)?(persist|keepenv|setenv|nolog|[\w:.-]+\s+as)\b")
_INCLUDE = re.compile(r"[@#]includedir\s+(\S+)")


class BadRule(Exception):
    """The file has a line that is none; `number` is the line's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Rule:
    """Who may run what; ``arguments`` None: any, else exactly these. ``command`` ALL is any."""

    user: str
    command: str
    arguments: tuple[str, ...] | None
    free: bool
    allows: bool = True

    def fits(self, user: str, command: str, arguments: tuple[str, ...]) -> bool:
        return (
            self.user == user
            and self.command in ("ALL", command)
            and (self.arguments is None or self.arguments == arguments)
        )


def verdict(rules: list[Rule], user: str, command: str, arguments: tuple[str, ...]) -> Rule | None:
    """The last rule that fits decides, in both."""
    fitting = [rule for rule in rules if rule.fits(user, command, arguments)]
    return fitting[-1] if fitting and fitting[-1].allows else None


def sudoers(machine: Machine, path: Path | None = None) -> list[Rule]:
    """Every rule of the file and of what it includes; raises BadRule."""
    path = path or machine.path(SUDOERS)
    rules: list[Rule] = []
    if not path.exists():
        return rules
    for number, line in _lines(path):
        if include := _INCLUDE.fullmatch(line):
            folder = machine.path(include[1])
            files = [file for file in sorted(folder.glob("*")) if "." not in file.name and not file.name.endswith("~")]
            rules += [rule for file in files for rule in sudoers(machine, file)]
        elif not line.startswith("#") and not _DEFAULTS.fullmatch(line):
            rules += _sudo_rules(machine, number, line)
    return rules


def _sudo_rules(machine: Machine, number: int, line: str) -> Iterator[Rule]:
    spec = _SPEC.fullmatch(line)
    if spec is None:
        raise BadRule(number)
    for what in spec["what"].split(","):
        command, *arguments = shlex.split(what)
        if command != "ALL" and not command.startswith("/"):
            raise BadRule(number)
        # "" alone forbids every argument; nothing at all allows any.
        exact = None if not arguments else () if arguments == [""] else tuple(arguments)
        yield Rule(spec["user"], _command(machine, command), exact, bool(spec["free"]) or spec["user"] == "root")


def doas_conf(machine: Machine, path: Path | None = None) -> list[Rule]:
    """Every rule of the file; raises BadRule."""
    path = path or machine.path(DOAS_CONF)
    if not path.exists():
        return []
    return [_doas_rule(machine, number, line) for number, line in _lines(path) if not line.startswith("#")]


def _doas_rule(machine: Machine, number: int, line: str) -> Rule:
    rule = _DOAS_RULE.fullmatch(line)
    if rule is None:
        if _DOAS_OPTIONS.match(line):
            raise Unmodelled(f"doas.conf: {line}")
        raise BadRule(number)
    # The word args alone forbids every argument; without it any are allowed.
    arguments = None if rule["args"] is None else tuple(shlex.split(rule["args"]))
    command = _command(machine, rule["cmd"] or "ALL")
    return Rule(rule["user"], command, arguments, rule["free"] is not None, rule["action"] == "permit")


def _command(machine: Machine, command: str) -> str:
    return str(machine.path(command)) if command.startswith("/") else command


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            yield number, line.strip()
