"""Reads the recorded FreeBSD transcripts: command, output, errors, exit status."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parents[2] / "transcripts" / "freebsd-transcripts.md"

_ENTRY = re.compile(r"^### (T\d+) .*?\n```\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^(out|err|rc):\s?(.*)$")
_ONE_LINE = re.compile(r"\s{3,}(?=(?:out|err|rc):)")


@dataclass
class Step:
    """One command of an entry; a field that the entry does not state is not in FIELDS."""

    argv: tuple[str, ...]
    root: bool
    fields: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rc(self) -> int:
        return int(self.fields["rc"][0].split()[0])

    def text(self, name: str) -> str | None:
        """Return out or err as printed; None when not stated."""
        lines = self.fields.get(name)
        if lines is None:
            return None
        return "".join(f"{line}\n" for line in lines if line != "(empty)")


def raw(entry: str) -> str:
    """Return the text of an entry such as T38."""
    found: dict[str, str] = dict(_ENTRY.findall(FILE.read_text(encoding="utf-8")))
    return found[entry]


def steps(entry: str) -> list[Step]:
    """Return the commands of an entry in order."""
    found: list[Step] = []
    current: list[str] = []
    for line in raw(entry).splitlines():
        if line.startswith(("# ", "$ ")):
            command = re.split(r"\s{3,}\(", line[2:])[0]
            found.append(Step(tuple(shlex.split(command)), line[0] == "#"))
        elif line.startswith("     "):
            current.append(_visible(line[5:]))
        else:
            for part in _ONE_LINE.split(line):
                match = _FIELD.match(part)
                assert match, f"{entry}: {line!r}"
                current = found[-1].fields[match.group(1)] = [_visible(match.group(2))]
    return found


def _visible(text: str) -> str:
    return text.replace("⇥", "\t").replace("␠", " ")
