"""The JSON form of list and get (OpenZFS 2.3 and newer); its spacing is that of nvlist_print_json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulator.registry import Unmodelled
from tests.simulator.zfs import selection, values
from tests.simulator.zfs.properties import Property

if TYPE_CHECKING:
    from tests.simulator.zfs.getting import Row
    from tests.simulator.zfs.selection import Column
    from tests.simulator.zfs.session import Handle, Session


@dataclass(frozen=True)
class JsonOptions:
    wanted: bool = False
    numbers: bool = False


def supported(session: Session) -> bool:
    return session.version >= (2, 3, 0)


def take_options(session: Session, args: list[str]) -> tuple[list[str], JsonOptions]:
    """Take the long options out; -j itself stays for getopt(3) and is only noticed here."""
    if not supported(session):
        return args, JsonOptions()
    if any(arg in ("--json-pool-key-guid",) for arg in args):
        raise Unmodelled("option --json-pool-key-guid")
    numbers = "--json-int" in args
    short = ["-j" if arg == "--json" else arg for arg in args if arg != "--json-int"]
    wanted = any(arg.startswith("-") and not arg.startswith("--") and "j" in arg.split("o")[0] for arg in short)
    return short, JsonOptions(wanted, numbers)


def _source(source: str) -> dict[str, str]:
    kind, _, name = source.partition(" from ")
    return {"type": "NONE" if kind == "-" else kind.upper(), "data": name or "-"}


def _entry(session: Session, handle: Handle, options: JsonOptions) -> dict[str, object]:
    txg = values.get_value(session, handle, _prop(session, "createtxg"), literal=True)
    assert txg is not None
    entry: dict[str, object] = {"name": handle.name, "type": handle.kind.upper(), "pool": handle.dataset.pool}
    entry["createtxg"] = int(txg.text) if options.numbers else txg.text
    if handle.snapshot is not None:
        entry["dataset"] = handle.dataset.name
        entry["snapshot_name"] = handle.snapshot.name
    entry["properties"] = {}
    return entry


def _prop(session: Session, name: str) -> Property:
    prop = session.table.find(name)
    assert prop is not None
    return prop


def _text(command: str, datasets: dict[str, dict[str, object]]) -> str:
    version = {"command": command, "vers_major": 0, "vers_minor": 1}
    return json.dumps({"output_version": version, "datasets": datasets}, separators=(",", ":")) + "\n"


def _value(value: values.Value | None, column: Column, options: JsonOptions, *, literal: bool) -> dict[str, object]:
    if value is None:
        return {"value": "-", "source": _source("-")}
    numeric = options.numbers and literal and not isinstance(column, str) and column.kind == "number"
    return {"value": value.number if numeric else value.text, "source": _source(value.source)}


def listing(session: Session, handles: list[Handle], columns: list[Column], *, literal: bool, options: JsonOptions) -> str:
    datasets = {}
    for handle in handles:
        entry = _entry(session, handle, options)
        shown = {}
        for column in columns:
            name = column if isinstance(column, str) else column.name
            if name != "name":
                value = selection.show(session, handle, column, literal=literal)
                shown[name] = _value(value, column, options, literal=literal)
        entry["properties"] = shown
        datasets[handle.name] = entry
    return _text("zfs list", datasets)


def properties(session: Session, rows: list[Row], *, options: JsonOptions) -> str:
    datasets: dict[str, dict[str, object]] = {}
    for handle, name, value in rows:
        entry = datasets.setdefault(handle.name, _entry(session, handle, options))
        shown = entry["properties"]
        assert isinstance(shown, dict)
        shown[name] = {"value": value.text, "source": _source(value.source)}
    return _text("zfs get", datasets)
