"""The JSON form of list and get (OpenZFS 2.3 and newer); its spacing is that of nvlist_print_json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.simulator.registry import Unmodelled
from tests.simulator.zfs import selection, values
from tests.simulator.zfs.properties import Property

if TYPE_CHECKING:
    from tests.simulator.zfs.getting import Row
    from tests.simulator.zfs.selection import Column
    from tests.simulator.zfs.session import Handle, Session


def supported(session: Session) -> bool:
    return session.version >= (2, 3, 0)


def short_options(session: Session, args: list[str]) -> tuple[list[str], bool]:
    """The arguments with -j for --json, and whether --json-int was among them; getopt(3) takes the rest."""
    if not supported(session):
        return args, False
    if "--json-pool-key-guid" in args:
        raise Unmodelled("option --json-pool-key-guid")
    return ["-j" if arg == "--json" else arg for arg in args if arg != "--json-int"], "--json-int" in args


def _source(source: str) -> dict[str, str]:
    kind, _, name = source.partition(" from ")
    return {"type": "NONE" if kind == "-" else kind.upper(), "data": name or "-"}


def _entry(session: Session, handle: Handle, *, numbers: bool) -> dict[str, object]:
    txg = values.get_value(session, handle, _prop(session, "createtxg"), literal=True)
    assert txg is not None
    entry: dict[str, object] = {"name": handle.name, "type": handle.kind.upper(), "pool": handle.dataset.pool}
    entry["createtxg"] = int(txg.text) if numbers else txg.text
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


def _value(value: values.Value | None, column: Column, *, numbers: bool) -> dict[str, object]:
    if value is None:
        return {"value": "-", "source": _source("-")}
    numeric = numbers and not isinstance(column, str) and column.kind == "number"
    return {"value": value.number if numeric else value.text, "source": _source(value.source)}


def listing(session: Session, handles: list[Handle], columns: list[Column], *, literal: bool, numbers: bool) -> str:
    datasets = {}
    for handle in handles:
        entry = _entry(session, handle, numbers=numbers)
        shown = {}
        for column in columns:
            name = column if isinstance(column, str) else column.name
            if name != "name":
                value = selection.show(session, handle, column, literal=literal)
                shown[name] = _value(value, column, numbers=numbers and literal)
        entry["properties"] = shown
        datasets[handle.name] = entry
    return _text("zfs list", datasets)


def properties(session: Session, rows: list[Row], *, numbers: bool) -> str:
    datasets: dict[str, dict[str, object]] = {}
    for handle, name, value in rows:
        entry = datasets.setdefault(handle.name, _entry(session, handle, numbers=numbers))
        shown = entry["properties"]
        assert isinstance(shown, dict)
        shown[name] = _value(value, session.table.find(name) or name, numbers=numbers)
    return _text("zfs get", datasets)
