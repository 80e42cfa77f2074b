"""
Puts what a run has shown into a page, between two lines that name the section; what stands around it is left alone.

    <!-- made: troubles -->
    …
    <!-- end: troubles -->
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def replace(page: Path, section: str, text: str) -> None:
    """Replace a section of the page; raise `ValueError` if the page has no such section, or more than one."""
    begin, end = f"<!-- made: {section} -->", f"<!-- end: {section} -->"
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"^{re.escape(begin)}$.*?^{re.escape(end)}$", re.DOTALL | re.MULTILINE)
    new, found = pattern.subn(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", old)
    if found != 1:
        raise ValueError(f"{page} has {found} sections {section!r}, where there should be one")
    page.write_text(new, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
