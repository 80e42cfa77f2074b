# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The CHAP secrets of publications: the one thing that is not kept in ZFS, whose properties anyone can read.

Each publication has a file of its own, named by its token, in a folder that is root's alone. It is on
stable storage before the configuration that needs it, and goes after that. What cannot be read
is lost: its export is left out until the volume is published again, and never offered without.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from .. import _names
from . import confile
from .model import Chap, Export

FOLDER = "chap"
# ctld cannot be asked which secrets it has, so it is remembered that it has to read them again.
_OWED = ".reload"
_STAGED = ".staged"


def proven(settings_dir: str) -> frozenset[str]:
    """Return the targets of all owners whose secrets are kept; nobody's where the folder cannot be read."""
    found: set[str] = set()
    for folder in _folders(Path(settings_dir, FOLDER)):
        tokens = (name for name in _names_in(folder) if _names.TOKEN.fullmatch(name))
        found.update(_names.target_of(folder.name, token) for token in tokens if _read(folder / token) is not None)
    return frozenset(found)


class Store:
    """The secrets of one owner."""

    def __init__(self, settings_dir: str, owner: str) -> None:
        self._owner = owner
        self._folder = Path(settings_dir, FOLDER, owner)

    def keep(self, given: Mapping[str, Chap], additions: frozenset[str]) -> frozenset[str]:
        """
        Keep the secrets given, by target; return the targets that had another one, or had lost it.

        Of these ctld has to hear: the kernel shows no secrets, so nothing else tells whether it has.
        """
        others = {target: chap for target, chap in given.items() if self._secret(target) != chap}
        if others:
            confile.make_folder(self._folder.parent)
            confile.make_folder(self._folder)
        changed = frozenset(others) - additions
        if changed:
            self._put(_OWED, "")
        for target, chap in others.items():
            self._put(self._token(target), json.dumps(chap._asdict()))
        return changed

    @property
    def owes_reload(self) -> bool:
        """Whether ctld may not have read a secret that is kept."""
        return (self._folder / _OWED).exists()

    def settle(self) -> None:
        """Note that ctld was told to read every secret that is kept."""
        confile.remove(str(self._folder / _OWED))

    def prove(self, exports: Iterable[Export]) -> tuple[Export, ...]:
        """Return the exports with the secrets they need, as far as these are kept."""
        return tuple(export._replace(proof=self._proof(export)) if export.chap else export for export in exports)

    def forget(self, targets: Iterable[str]) -> None:
        """Remove the secrets of these targets."""
        for target in targets:
            self._remove(self._token(target))

    def sweep(self, exports: Sequence[Export]) -> None:
        """Remove whatever is not a secret of one of these exports."""
        wanted = {self._token(export.target) for export in exports if export.chap}
        for name in _names_in(self._folder):
            # Without secrets there is nothing that ctld has to read.
            if name not in wanted and not (name == _OWED and wanted):
                self._remove(name)
        with contextlib.suppress(OSError):
            # Only if they are empty, and nobody else has secrets there.
            self._folder.rmdir()
            self._folder.parent.rmdir()

    def _proof(self, export: Export) -> tuple[Chap, ...]:
        chap = self._secret(export.target)
        return () if chap is None else (chap,)

    def _secret(self, target: str) -> Optional[Chap]:
        return _read(self._folder / self._token(target))

    def _token(self, target: str) -> str:
        token = target.removeprefix(_names.target_prefix(self._owner))
        if not _names.TOKEN.fullmatch(token):
            raise ValueError("not a target of this owner")
        return token

    def _put(self, name: str, text: str) -> None:
        confile.put(str(self._folder / name), str(self._folder / f".{name}{_STAGED}"), text)

    def _remove(self, name: str) -> None:
        path = self._folder / name
        if path.exists():
            confile.remove(str(path))


def _read(path: Path) -> Optional[Chap]:
    try:
        data: object = json.loads(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.keys() != frozenset(Chap._fields):
        return None
    return Chap(**data) if all(isinstance(value, str) for value in data.values()) else None


def _folders(path: Path) -> list[Path]:
    try:
        return [each for each in path.iterdir() if each.is_dir()]
    except OSError:
        return []


def _names_in(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except OSError:
        return []
