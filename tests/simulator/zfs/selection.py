"""Which datasets list, get, set … work on (zfs_for_each), in which order, and the lists of properties to show."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

from tests.simulator.registry import Unmodelled
from tests.simulator.state import BOOKMARK, FILESYSTEM, SNAPSHOT, VOLUME
from tests.simulator.zfs import values
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.properties import Property, PropertyTable, is_user_property, is_userquota, is_written
from tests.simulator.zfs.session import ANY, Handle, Session

EVERYTHING = ANY | {BOOKMARK}
_TYPES = {
    "filesystem": {FILESYSTEM},
    "volume": {VOLUME},
    "snapshot": {SNAPSHOT},
    "snap": {SNAPSHOT},
    "bookmark": {BOOKMARK},
    "all": set(EVERYTHING),
}
_SHORT_TYPES = {"fs": {FILESYSTEM}, "vol": {VOLUME}}
_SPACE = ("name", "avail", "used", "usedbysnapshots", "usedbydataset", "usedbyrefreservation", "usedbychildren")


@dataclass
class Scope:
    """``depth`` None means: as deep as it goes, if ``recurse``. ``listsnaps`` leaves snapshots to a pool property."""

    kinds: frozenset[str]
    recurse: bool = False
    depth: int | None = None
    listsnaps: bool = False
    sort: list[tuple[str, bool]] = field(default_factory=list)

    def for_snapshots_of_arguments(self, arguments: list[str]) -> None:
        """``list -t snapshot DATASET`` means the snapshots of the dataset."""
        if self.kinds in ({SNAPSHOT}, {BOOKMARK}) and arguments and not self.recurse and not self.depth:
            self.recurse = True
            self.depth = 1


def parse_types(text: str, *, short: bool) -> frozenset[str]:
    known = {**_TYPES, **(_SHORT_TYPES if short else {})}
    kinds: set[str] = set()
    for word in text.split(","):
        if word not in known:
            raise UsageError(f"invalid type '{word}'")
        kinds |= known[word]
    return frozenset(kinds)


def parse_depth(text: str) -> int:
    try:
        depth = int(text, 0)
    except ValueError as error:
        raise UsageError(f"{text} is not an integer") from error
    if depth < 0:
        raise UsageError("Depth can not be negative.")
    return depth


def select(session: Session, arguments: list[str], scope: Scope) -> tuple[list[Handle], int]:
    """The chosen handles in output order, and 1 when some argument could not be opened (its error is printed)."""
    chosen: dict[str, Handle] = {}
    rc = 0
    if arguments:
        kinds = scope.kinds | ({FILESYSTEM} if scope.recurse else set())
        if scope.recurse and scope.kinds & {SNAPSHOT, BOOKMARK}:
            kinds |= {VOLUME}
        for argument in arguments:
            try:
                _visit(session, _open(session, argument, kinds), scope, 0, chosen)
            except ZfsError as error:
                session.complain(error.message)
                rc = 1
    else:
        everything = replace(scope, recurse=True)
        for root in session.tree.pool_roots():
            _visit(session, Handle(root), everything, 0, chosen)
    return _ordered(session, list(chosen.values()), scope.sort), rc


def _open(session: Session, argument: str, kinds: frozenset[str]) -> Handle:
    if argument.startswith(("/", "./")):
        raise Unmodelled("a path as argument")
    return session.open(argument, kinds)


def _visit(session: Session, handle: Handle, scope: Scope, depth: int, chosen: dict[str, Handle]) -> None:
    if handle.kind in scope.kinds:
        chosen.setdefault(handle.name, handle)
    if not scope.recurse or (scope.depth is not None and depth >= scope.depth) or handle.kind in (SNAPSHOT, BOOKMARK):
        return
    for child in session.tree.children(handle.dataset.name):
        _visit(session, Handle(child), scope, depth + 1, chosen)
    if SNAPSHOT in scope.kinds and not scope.listsnaps:
        for snapshot in handle.dataset.snapshots:
            _visit(session, Handle(handle.dataset, snapshot), scope, depth + 1, chosen)
    if BOOKMARK in scope.kinds:
        for bookmark in handle.dataset.bookmarks:
            _visit(session, Handle(handle.dataset, bookmark=bookmark), scope, depth + 1, chosen)


def _ordered(session: Session, handles: list[Handle], sort: list[tuple[str, bool]]) -> list[Handle]:
    """zfs_sort: by the given properties, then by name, a dataset before its snapshots, those by age."""
    handles.sort(key=_natural)
    for name, reverse in reversed(sort):
        compare = functools.cmp_to_key(functools.partial(_compare, session, name, reverse=reverse))
        handles.sort(key=compare)
    return handles


def _natural(handle: Handle) -> tuple[bytes, int, int]:
    name = handle.dataset.name.encode()
    if handle.snapshot is not None:
        return name, 1, handle.snapshot.createtxg
    return (name, 2, handle.bookmark.createtxg) if handle.bookmark is not None else (name, 0, 0)


def _compare(session: Session, name: str, left: Handle, right: Handle, *, reverse: bool) -> int:
    one, other = (_sort_value(session, handle, name) for handle in (left, right))
    if one is None or other is None:
        return (one is None) - (other is None)
    if one == other:
        return 0
    return -1 if (one < other) != reverse else 1


def _sort_value(session: Session, handle: Handle, name: str) -> tuple[int, str] | None:
    prop = session.table.find(name)
    if prop is None:
        value = values.user_value(session, handle, name)
        return None if value is None else (0, value.text)
    value = values.get_value(session, handle, prop, literal=True)
    if value is None:
        return None
    return (value.number, "") if prop.kind == "number" else (0, value.text)


Column = Property | str
"""A native property, or the name of a user property."""


def parse_columns(table: PropertyTable, text: str) -> list[Column]:
    """zprop_get_list; ``all`` is an empty list."""
    if text == "all":
        return []
    names = [name for word in text.split(",") for name in (_SPACE if word == "space" else (word,))]
    return [_column(table, name) for name in names]


def _column(table: PropertyTable, name: str) -> Column:
    prop = table.find(name)
    if prop is not None:
        return prop
    if is_userquota(name) or is_written(name):
        raise Unmodelled(f"property {name}")
    if not is_user_property(name):
        raise UsageError(f"bad property list: invalid property '{name}'")
    return name


def show(session: Session, handle: Handle, column: Column, *, literal: bool) -> values.Value | None:
    """The value of a column for one handle."""
    if isinstance(column, str):
        return values.user_value(session, handle, column)
    return values.get_value(session, handle, column, literal=literal)
