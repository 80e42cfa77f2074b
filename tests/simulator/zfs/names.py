"""Names of datasets, snapshots and bookmarks: what libzfs accepts (zfs_namecheck.c, zfs_validate_name)."""

from __future__ import annotations

import itertools
import re

from tests.simulator.state import BOOKMARK, SNAPSHOT

_LONGEST = 256
_DEEPEST = 50
_VALID = re.compile(r"[a-zA-Z0-9\-_.: %]")


class BadName(ValueError):
    """The reason in libzfs's words."""


def check_name(name: str, kinds: frozenset[str], *, modifying: bool) -> None:
    """Raise BadName unless ``name`` may be one of ``kinds`` (types as zfs calls them)."""
    if SNAPSHOT not in kinds and "@" in name:
        raise BadName("snapshot delimiter '@' is not expected here")
    if kinds == {SNAPSHOT} and "@" not in name:
        raise BadName("missing '@' delimiter in snapshot name")
    if BOOKMARK not in kinds and "#" in name:
        raise BadName("bookmark delimiter '#' is not expected here")
    if kinds == {BOOKMARK} and "#" not in name:
        raise BadName("missing '#' delimiter in bookmark name")
    if modifying and "%" in name:
        raise BadName("invalid character % in name")
    _check_entity(name)


def _check_entity(name: str) -> None:
    if len(name.encode("utf-8", "surrogateescape")) >= _LONGEST:
        raise BadName("name is too long")
    if name.startswith("/"):
        raise BadName("leading slash in name")
    if not name:
        raise BadName("empty component or misplaced '@' or '#' delimiter in name")
    parts = re.split(r"([/@#])", name)
    if len(parts) > 1 and not parts[-1] and parts[-2] == "/":
        _check_components(parts[:-2])
        raise BadName("trailing slash in name")
    _check_components(parts)


def _check_components(parts: list[str]) -> None:
    """``parts`` are components and, between them, delimiters; the first fault from the left counts."""
    delimited = False
    for component, delimiter in itertools.zip_longest(parts[::2], parts[1::2], fillvalue=""):
        _check_component(component, delimiter)
        if delimiter in ("@", "#") and delimited:
            raise BadName("multiple '@' and/or '#' delimiters in name")
        if not component:
            raise BadName("empty component or misplaced '@' or '#' delimiter in name")
        if delimiter == "/" and delimited:
            raise BadName("trailing slash in name")
        delimited = delimited or delimiter in ("@", "#")


def _check_component(component: str, delimiter: str) -> None:
    for character in component.encode("utf-8", "surrogateescape"):
        if not _VALID.match(chr(character)):
            shown = bytes([character]).decode("utf-8", "surrogateescape")
            raise BadName(f"invalid character '{shown}' in name")
    if delimiter in ("", "/"):
        if component == ".":
            raise BadName("self reference, '.' is found in name")
        if component == "..":
            raise BadName("parent reference, '..' is found in name")


def check_depth(name: str) -> None:
    if name.count("/") + 1 >= _DEEPEST:
        raise BadName("maximum name nesting depth exceeded")
