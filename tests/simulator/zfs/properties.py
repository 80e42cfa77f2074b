"""The native properties of one OpenZFS release, read from ``data/zfs-VERSION.json``, and how values are checked."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from tests.simulator.releases import Release
from tests.simulator.state import VOLUME
from tests.simulator.zfs.numbers import UINT64_MAX, BadNumber, parse_number

_DATA = Path(__file__).parent.parent / "data"
_USER = re.compile(r"[a-z0-9\-_.:]*")
_LONGEST_STRING = 8192 - 1
AUTO = UINT64_MAX
LIMITS = ("filesystem_limit", "snapshot_limit")
QUOTAS = ("quota", "refquota")
RESERVATIONS = ("reservation", "refreservation")


class BadValue(ValueError):
    """The reason in libzfs's words."""


@dataclass(frozen=True)
class Property:
    """``kind`` number | string | index; ``attr`` readonly | default | inherit | onetime | onetime_default."""

    name: str
    kind: str
    attr: str
    types: frozenset[str]
    default: str | None
    values: str | None
    column: str
    visible: bool
    index: dict[str, str]

    @property
    def readonly(self) -> bool:
        """What zfs_prop_readonly says: set-once properties count as read-only."""
        return self.attr in ("readonly", "onetime", "onetime_default")

    @property
    def set_once(self) -> bool:
        return self.attr in ("onetime", "onetime_default")

    @property
    def inheritable(self) -> bool:
        return self.attr in ("inherit", "onetime")

    @property
    def right_aligned(self) -> bool:
        return self.kind == "number"


class PropertyTable:
    def __init__(self, properties: list[Property], usage: list[tuple[str, str] | None]) -> None:
        self.all = properties
        self.usage = usage
        self._by_name = {prop.name: prop for prop in properties}
        self._by_column = {prop.column.lower(): prop for prop in reversed(properties)}

    def find(self, name: str) -> Property | None:
        """By name or by lower-case column heading (``avail``), as zfs_name_to_prop does."""
        return self._by_name.get(name) or self._by_column.get(name)

    def visible(self) -> list[Property]:
        """In the order in which ``get all`` prints them."""
        return [prop for prop in self.all if prop.visible]


@functools.cache
def properties_of(release: Release, command: str = "zfs") -> PropertyTable:
    """The table of ``zfs`` or of ``zpool``."""
    version = ".".join(map(str, release.zfs))
    data = json.loads((_DATA / f"{command}-{version}.json").read_text(encoding="utf-8"))
    properties = [_property(record) for record in data["properties"]]
    usage = [(entry[0], entry[1]) if entry else None for entry in data["usage"]]
    return PropertyTable(properties, usage)


def _property(record: dict[str, object]) -> Property:
    types = record["types"]
    index = record.get("index", {})
    assert isinstance(types, list)
    assert isinstance(index, dict)
    default = record["default"]
    return Property(
        name=str(record["name"]),
        kind=str(record["type"]),
        attr=str(record["attr"]),
        types=frozenset(types),
        default=None if default is None else str(default),
        values=None if record["values"] is None else str(record["values"]),
        column=str(record["column"]),
        visible=bool(record["visible"]),
        index=index,
    )


def is_user_property(name: str) -> bool:
    return ":" in name and _USER.fullmatch(name) is not None


def is_written(name: str) -> bool:
    return name.startswith(("written@", "written#"))


def is_userquota(name: str) -> bool:
    return re.match(r"(user|group|project)(obj)?(used|quota)@", name) is not None


def parse_value(prop: Property, text: str, kind: str) -> str:
    """The stored form of a value given to create, set, clone …; raises BadValue (zprop_parse_value)."""
    if prop.kind == "string":
        if len(text) >= _LONGEST_STRING + 1:
            raise BadValue(f"'{prop.name}' is too long")
        return text
    if prop.kind == "index":
        if text not in prop.index:
            raise BadValue(f"'{prop.name}' must be one of '{prop.values}'")
        return prop.index[text]
    return str(_parse_numeric(prop, text, kind))


def _parse_numeric(prop: Property, text: str, kind: str) -> int:
    if text == "none":
        return UINT64_MAX if prop.name in LIMITS else 0
    if text == "auto":
        if prop.name != "refreservation":
            raise BadValue(f"'auto' is invalid value for '{prop.name}'")
        if kind != VOLUME:
            raise BadValue(f"'{prop.name}=auto' only allowed on volumes")
        return AUTO
    try:
        number = parse_number(text)
    except BadNumber as error:
        raise BadValue(str(error)) from error
    if number == 0 and prop.name in QUOTAS:
        raise BadValue("use 'none' to disable quota/refquota")
    return number
