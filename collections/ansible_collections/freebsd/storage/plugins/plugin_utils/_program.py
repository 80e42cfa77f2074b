# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The program that works for logins that are not root: one executable file, made from module_utils.

It holds what ``_privileged/main.py`` imports, and nothing else. The same sources and settings always
make the same bytes, and nothing is compressed: so it neither depends on zlib here nor needs it there.
"""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).resolve().parents[1] / "module_utils"
PACKAGE = "freebsd_storage"
_START = "_privileged/main.py"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_MAIN = """\
from {package}._privileged.main import Installation, main

raise SystemExit(main(Installation(settings_dir={settings_dir!r}, caller={caller!r}, path={path!r})))
"""


class Settings(NamedTuple):
    """What is written into it: see ``Installation`` in ``_privileged/main.py``. `python` runs it, isolated."""

    python: str
    settings_dir: str
    caller: str
    path: str


def build(settings: Settings) -> bytes:
    """Return the program."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, text in sorted(_files(settings).items()):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), text)
    return f"#!{settings.python} -I\n".encode() + packed.getvalue()


def _files(settings: Settings) -> dict[str, str]:
    files = {f"{PACKAGE}/{name}": text for name, text in _needed().items()}
    folders = {parent for name in files for parent in Path(name).parents if parent.name}
    files.update({f"{folder}/__init__.py": "" for folder in folders})
    values = settings._asdict()
    files["__main__.py"] = _MAIN.format(package=PACKAGE, **values)
    return files


def _needed() -> dict[str, str]:
    """Return the sources of the program, by path, found by following the imports."""
    found: dict[str, str] = {}
    waiting = [_START]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (SOURCES / name).read_text(encoding="utf-8")
            waiting.extend(_imports(name, found[name]))
    return found


def _imports(name: str, text: str) -> Iterator[str]:
    """Yield the files that a file imports; of ours, it imports relatively, and only what is in module_utils."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = Path(name).parents[node.level - 1]
            module = package.joinpath(*(node.module or "").split("."))
            candidates = [module.with_suffix(".py")] if node.module else []
            candidates += [module / f"{alias.name}.py" for alias in node.names]
            yield from (str(each) for each in candidates if (SOURCES / each).is_file())
