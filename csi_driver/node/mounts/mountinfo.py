"""Reading the kernel's mount table: text in, values out. See proc_pid_mountinfo(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from csi_driver.errors import DriverError, ErrorCode

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """
    One line of the mount table.

    `device` is `major:minor` of the filesystem, `root` the directory (or file) of it that is
    mounted, `readonly` whether writing is refused here or in the whole filesystem.
    """

    device: str
    root: str
    point: str
    fs_type: str
    source: str
    options: frozenset[str]
    super_options: frozenset[str]

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written through this mount."""
        return "ro" in self.options or "ro" in self.super_options


def parse(text: str) -> tuple[Mount, ...]:
    """
    Return all mounts, in the kernel's order: of several at one point the last is on top.

    Raises `INTERNAL` for what is not a mount table, so that nobody takes it for one without mounts.
    """
    # The kernel ends lines with "\n" alone; a path may hold whatever else Python takes for an end.
    return tuple(_mount(line) for line in text.split("\n") if line)


def _mount(line: str) -> Mount:
    try:
        return _fields(line.split(" "))
    except (ValueError, IndexError) as error:
        raise DriverError(ErrorCode.INTERNAL, f"not a line of the mount table: {line!a}") from error


def _fields(fields: list[str]) -> Mount:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    tail = fields.index("-", 6) + 1
    return Mount(
        device=fields[2],
        root=_unescaped(fields[3]),
        point=_unescaped(fields[4]),
        options=frozenset(fields[5].split(",")),
        fs_type=fields[tail],
        source=_unescaped(fields[tail + 1]),
        super_options=frozenset(fields[tail + 2].split(",")),
    )


def _unescaped(text: str) -> str:
    """Undo the kernel's octal escapes: it writes so only space, tab, newline, backslash and hash."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
