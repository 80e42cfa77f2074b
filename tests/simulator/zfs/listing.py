"""zfs list."""

from __future__ import annotations

from tests.simulator.zfs import json_output, messages, selection
from tests.simulator.zfs.errors import UsageError
from tests.simulator.zfs.options import flags
from tests.simulator.zfs.options import parse as parse_options
from tests.simulator.zfs.selection import Column, Scope
from tests.simulator.zfs.session import ANY, Handle, Session

_DEFAULT_COLUMNS = "name,used,available,referenced,mountpoint"


def list_datasets(session: Session, args: list[str]) -> int:
    args, numbers = json_output.short_options(session, args)
    accepted = "HS:d:o:prs:t:" + ("j" if json_output.supported(session) else "")
    found, operands = parse_options(args, accepted)
    scope, columns_text = _scope(session, found)
    scope.for_snapshots_of_arguments(operands)
    columns = selection.parse_columns(session.table, columns_text)
    if not columns:
        columns = [prop for prop in session.table.all if prop.name == "name" or prop.visible]
    handles, rc = selection.select(session, operands, scope)
    options = flags(found)
    literal = "p" in options
    if "j" in options:
        session.out.append(json_output.listing(session, handles, columns, literal=literal, numbers=numbers))
        return rc
    _print(session, handles, columns, literal=literal, scripted="H" in options)
    if not handles and rc == 0 and "H" not in options:
        session.complain(messages.NO_DATASETS)
    return rc


def _scope(session: Session, found: list[tuple[str, str]]) -> tuple[Scope, str]:
    columns = _DEFAULT_COLUMNS
    scope = Scope(ANY, listsnaps=True)
    typed = False
    for name, value in found:
        if name == "o":
            columns = value
        elif name == "d":
            scope.depth, scope.recurse = selection.parse_depth(value), True
        elif name == "r":
            scope.recurse = True
        elif name in ("s", "S"):
            _check_sort(session, value)
            scope.sort.append((value, name == "S"))
        elif name == "t":
            scope.kinds, scope.listsnaps, typed = selection.parse_types(value, short=True), False, True
    if columns == "space" and not typed:
        scope.kinds -= {"snapshot"}
    return scope, columns


def _check_sort(session: Session, name: str) -> None:
    if session.table.find(name) is None and ":" not in name:
        raise UsageError(f"invalid property '{name}'")


def _print(session: Session, handles: list[Handle], columns: list[Column], *, literal: bool, scripted: bool) -> None:
    rows = []
    for handle in handles:
        values = [selection.show(session, handle, column, literal=literal) for column in columns]
        rows.append([value.text if value is not None else "-" for value in values])
    if scripted:
        for row in rows:
            session.say("\t".join(row))
        return
    if not rows:
        return
    widths = [_width(column, [row[i] for row in rows], literal=literal) for i, column in enumerate(columns)]
    headings = [column.upper() if isinstance(column, str) else column.column for column in columns]
    for row in (headings, *rows):
        session.say(_line(row, columns, widths))


def _line(row: list[str], columns: list[Column], widths: list[int]) -> str:
    cells = []
    for position, (text, column, width) in enumerate(zip(row, columns, widths, strict=True)):
        if not isinstance(column, str) and column.right_aligned:
            cells.append(f"{text:>{width}s}")
        elif position == len(row) - 1:
            cells.append(text)
        else:
            cells.append(f"{text:<{width}s}")
    return "  ".join(cells)


_FLEXIBLE = ("guid", "createtxg", "objsetid", "pbkdf2iters", "creation", "snapshots_changed", "name", "iscsioptions")


def column_width(column: Column) -> tuple[int, bool]:
    """zprop_width: the least width, and whether values never need more."""
    if isinstance(column, str):
        return len(column), False
    width = len(column.column)
    if column.kind == "number":
        return max(width, 5), column.name not in _FLEXIBLE
    if column.kind == "index":
        return max([width, *map(len, column.index)]), True
    return width, False


def _width(column: Column, texts: list[str], *, literal: bool) -> int:
    width, fixed = column_width(column)
    if fixed and not literal:
        return width
    return max([width, *(len(text) for text in texts)])
