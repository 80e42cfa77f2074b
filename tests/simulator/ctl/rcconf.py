"""
rc.conf(5) as sysrc(8) and rc.subr(8) read and write it: assignments, the last one counts.

Values with shell expansion are not modelled and refused.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.simulator.registry import Unmodelled

# What /etc/defaults/rc.conf says of the variables that callers ask for.
DEFAULTS = {
    "ctld_enable": "NO",
    "iscsid_enable": "NO",
    "iscsictl_enable": "NO",
    "iscsictl_flags": "-Aa",
    "mountd_enable": "NO",
    "mountd_flags": "-r -S",
    "nfs_server_enable": "NO",
    "nfs_server_flags": "-u -t",
    "nfsv4_server_enable": "NO",
    "nfsv4_server_only": "NO",
    "nfsuserd_enable": "NO",
    "rpcbind_enable": "NO",
    "zfs_enable": "NO",
    "hostname": "",
    "kld_list": "",
    "rc_conf_files": "/etc/rc.conf /etc/rc.conf.local",
}
DEFAULTS_FILE = "/etc/defaults/rc.conf"
MAIN_FILE = "/etc/rc.conf"

_VALUE = re.compile(r"""(?:"([^"\\$`]*)"|'([^']*)'|([^\s"'\\$`;#]*))[ \t]*(?:[;#].*)?\Z""")


def enabled(value: str | None) -> bool:
    """Tell what checkyesno makes of VALUE."""
    return (value or "").lower() in ("yes", "true", "on", "1")


class RcConf:
    """One rc.conf file. Reads the file at every question: it may be edited by anyone."""

    assignment = re.compile(r"^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$")

    def __init__(self, path: Path) -> None:
        self._path = path

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def own(self) -> dict[str, str]:
        """Return what the file itself assigns."""
        found: dict[str, str] = {}
        for line in self._lines():
            match = self.assignment.match(line)
            if match:
                found[match.group(1)] = _unquote(line, match.group(2))
        return found

    def get(self, name: str) -> str | None:
        """Return the value of NAME, the default's if the file has none, None if unknown."""
        return self.own().get(name, DEFAULTS.get(name))

    def set(self, name: str, value: str) -> None:
        """Replace the last assignment of NAME, or append one."""
        lines = self._lines()
        places = [n for n, line in enumerate(lines) if self._assigns(line, name)]
        if places:
            lines[places[-1]] = _replaced(lines[places[-1]], value)
        else:
            lines.append(f'{name}="{value}"')
        self._write(lines)

    def delete(self, name: str) -> None:
        """Remove every assignment of NAME."""
        lines = self._lines()
        kept = [line for line in lines if not self._assigns(line, name)]
        if kept != lines:
            self._write(kept)

    def _assigns(self, line: str, name: str) -> bool:
        match = self.assignment.match(line)
        return match is not None and match.group(1) == name

    def _write(self, lines: list[str]) -> None:
        mode = self._path.stat().st_mode & 0o777 if self._path.exists() else 0o644
        self._path.parent.mkdir(parents=True, exist_ok=True)
        staged = self._path.with_name(f".{self._path.name}.sysrc")
        staged.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        staged.chmod(mode)
        staged.replace(self._path)


class LoaderConf(RcConf):
    """loader.conf(5): the same form, but names have dots."""

    assignment = re.compile(r"^[ \t]*([A-Za-z_][A-Za-z0-9_.]*)=(.*)$")


def _unquote(line: str, raw: str) -> str:
    match = _VALUE.match(raw)
    if match is None:
        raise Unmodelled(f"rc.conf: {line}")
    return next((group for group in match.groups() if group is not None), "")


def _replaced(line: str, value: str) -> str:
    """Return LINE with its value replaced, quotes and comment kept as sysrc keeps them."""
    head, _, raw = line.partition("=")
    if raw[:1] in ('"', "'"):
        quote = raw[0]
        return f"{head}={quote}{value}{quote}{raw[1:].partition(quote)[2]}"
    rest = re.sub(r"^[^\s;]*", "", raw)
    return f'{head}="{value}"{rest}'
