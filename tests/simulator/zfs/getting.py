"""zfs get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulator.zfs import json_output, selection, values
from tests.simulator.zfs.errors import UsageError
from tests.simulator.zfs.listing import column_width
from tests.simulator.zfs.options import flags
from tests.simulator.zfs.options import parse as parse_options
from tests.simulator.zfs.selection import EVERYTHING, Column, Scope
from tests.simulator.zfs.session import Handle, Session

_FIELDS = ("name", "property", "value", "received", "source")
_DEFAULT_FIELDS = ["name", "property", "value", "source"]
_SOURCES = ("local", "default", "inherited", "received", "temporary", "none")

Row = tuple[Handle, str, values.Value]


@dataclass
class _Request:
    scope: Scope
    fields: list[str]
    sources: frozenset[str]


def get(session: Session, args: list[str]) -> int:
    args, numbers = json_output.short_options(session, args)
    accepted = "d:o:s:rt:Hp" + ("j" if json_output.supported(session) else "")
    found, operands = parse_options(args, accepted, missing="missing argument for '{0}' option")
    options = flags(found)
    request = _request(session, found)
    if not operands:
        raise UsageError("missing property argument")
    request.scope.for_snapshots_of_arguments(operands[1:])
    columns = selection.parse_columns(session.table, operands[0])
    handles, rc = selection.select(session, operands[1:], request.scope)
    every = (row for handle in handles for row in _rows(session, handle, columns, literal="p" in options))
    rows = [row for row in every if row[2].kind in request.sources]
    if "j" in options:
        session.out.append(json_output.properties(session, rows, numbers=numbers and "p" in options))
    elif "H" in options:
        for row in rows:
            session.say("\t".join(_cells(row, request.fields)))
    elif rows:
        _print(session, rows, columns, request.fields)
    return rc


def _request(session: Session, found: list[tuple[str, str]]) -> _Request:
    request = _Request(Scope(EVERYTHING), _DEFAULT_FIELDS, frozenset(_SOURCES))
    for name, value in found:
        if name == "d":
            request.scope.depth, request.scope.recurse = selection.parse_depth(value), True
        elif name == "r":
            request.scope.recurse = True
        elif name == "o":
            request.fields = _parse_fields(value)
        elif name == "s":
            request.sources = _parse_sources(value)
        elif name == "t":
            request.scope.kinds = selection.parse_types(value, short=session.version >= (2, 3, 0))
    return request


def _parse_fields(text: str) -> list[str]:
    fields: list[str] = []
    for word in text.split(","):
        if len(fields) == len(_FIELDS):
            raise UsageError("too many fields given to -o option")
        if word == "all":
            if fields:
                raise UsageError('"all" conflicts with specific fields given to -o option')
            fields = list(_FIELDS)
        elif word in _FIELDS:
            fields.append(word)
        else:
            raise UsageError(f"invalid column name '{word}'")
    return fields


def _parse_sources(text: str) -> frozenset[str]:
    for word in text.split(","):
        if word not in _SOURCES:
            raise UsageError(f"invalid source '{word}'")
    return frozenset(text.split(","))


def _rows(session: Session, handle: Handle, columns: list[Column], *, literal: bool) -> Iterator[Row]:
    every = not columns
    wanted: list[Column] = columns or [*session.table.visible(), *values.user_properties(session, handle)]
    for column in wanted:
        value = selection.show(session, handle, column, literal=literal)
        if value is None:
            if every:
                continue
            value = values.Value("-")
        yield handle, column if isinstance(column, str) else column.name, value


def _cells(row: Row, fields: list[str]) -> list[str]:
    handle, name, value = row
    cells = {"name": handle.name, "property": name, "value": value.text, "source": value.source}
    return [_received(handle, name) if field == "received" else cells[field] for field in fields]


def _print(session: Session, rows: list[Row], columns: list[Column], fields: list[str]) -> None:
    widths = _widths(rows, columns)
    for cells in ([field.upper() for field in fields], *(_cells(row, fields) for row in rows)):
        padded = [f"{text:<{widths[field]}s}  " for text, field in zip(cells[:-1], fields, strict=False)]
        session.say("".join(padded) + cells[-1])


def _widths(rows: list[Row], columns: list[Column]) -> dict[str, int]:
    """As zprop_print_headers: values of fixed width count with their widest possible form."""
    fixed = [column_width(column)[0] for column in columns]
    name = max([len("NAME"), *(len(row[0].name) for row in rows)])
    return {
        "name": name,
        "property": max([len("PROPERTY"), *(len(row[1]) for row in rows)]),
        "value": max([len("VALUE"), *fixed, *(len(row[2].text) for row in rows)]),
        "received": max([len("RECEIVED"), *(len(_received(row[0], row[1])) for row in rows)]),
        "source": name + len("inherited from"),
    }


def _received(handle: Handle, name: str) -> str:
    holder = handle.snapshot if handle.snapshot is not None else handle.dataset
    return holder.received.get(name, "-")
