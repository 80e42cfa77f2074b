"""pfctl(8): testing and loading rules. The rules themselves filter nothing here. Source: sbin/pfctl."""

from __future__ import annotations

import re
from pathlib import Path

from tests.simulator.ctl.part import ctl_part
from tests.simulator.ctl.rcconf import enabled
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Json, Part, Result, Unmodelled, command, options, part

_HOSTS = r"(any|[0-9a-fA-F.:/]+|\{ ?[0-9a-fA-F.:/]+((, ?| )[0-9a-fA-F.:/]+)* ?\})"
_PORTS = r"(\d+|\{ ?\d+((, ?| )\d+)* ?\})"
_RULE = re.compile(
    rf"(pass|block)( in| out)?( quick)?( proto (tcp|udp))?( from {_HOSTS})?( to {_HOSTS}( port {_PORTS})?)?"
)
_ANCHOR = re.compile(r'anchor "[\w.-]+"|load anchor "[\w.-]+" from "(?P<file>[^"]+)"')
_KEYWORDS = ("set", "table", "scrub", "nat", "rdr", "binat", "match", "pass", "block", "antispoof", "altq", "queue")


@part
class PacketFilter(Part):
    """Whether pf filters, and the rules it was last given."""

    name = "pf"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.enabled = False
        self.rules: list[str] = []

    def boot(self) -> None:
        self.enabled = enabled(ctl_part(self.machine).rc_conf.get("pf_enable"))
        path = self.machine.path("/etc/pf.conf")
        self.rules = _read(self.machine, path) if self.enabled and path.exists() else []

    def halt(self) -> None:
        self.enabled = False
        self.rules = []

    def observe(self) -> dict[str, Json]:
        return {"pf": list(self.rules) if self.enabled else None}


class BadRules(Exception):
    """The file is none that pf takes."""


@command("pfctl")
def pfctl(machine: Machine, call: Call) -> Result:
    """`pfctl [-n] -f FILE` and `pfctl -s info`."""
    try:
        found, operands = options(call.args, "a:AdD:eqf:F:ghi:I:k:K:mnNOo:Pp:rRs:St:T:vx:z", modelled="fns")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    given, filter_ = dict(found), machine.part(PacketFilter)
    if not call.is_root:
        return Result(1, err="pfctl: /dev/pf: Permission denied\n")
    if given == {"s": "info"}:
        if not filter_.enabled:
            return Result(1, err="pfctl: /dev/pf: No such file or directory\n")
        return Result(out="Status: Enabled for 0 days 00:00:10           Debug: Urgent\n\n")
    if operands or "f" not in given or "s" in given:
        raise Unmodelled("this use of pfctl")
    try:
        rules = _read(machine, Path(given["f"]))
    except BadRules as error:
        return Result(1, err=f"{error}: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n")
    if "n" not in given:
        filter_.rules = rules
    return Result()


def _read(machine: Machine, path: Path) -> list[str]:
    """Every rule, with those of the anchors that are loaded; raises BadRules."""
    rules: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if anchor := _ANCHOR.fullmatch(text):
            rules += _read(machine, machine.path(anchor["file"])) if anchor["file"] else []
        elif _RULE.fullmatch(text):
            rules.append(text)
        elif text.startswith(_KEYWORDS):
            raise Unmodelled(f"pf.conf: {text}")
        else:
            raise BadRules(f"{path}:{number}")
    return rules
