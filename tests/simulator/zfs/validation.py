"""Checks of properties that are to be set, in libzfs's order and words (zfs_valid_proplist)."""

from __future__ import annotations

import re

from tests.simulator.registry import Unmodelled
from tests.simulator.state import SNAPSHOT, VOLUME, Dataset
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import ZfsError
from tests.simulator.zfs.numbers import nice_bytes
from tests.simulator.zfs.properties import (
    BadValue,
    Property,
    PropertyTable,
    is_user_property,
    is_userquota,
    is_written,
    parse_value,
)

MAX_BLOCK = 16 << 20
_LONGEST_NAME = 256
_LONGEST_VALUE = 8192
_UNMODELLED = ("sharenfs", "sharesmb", "jailed", "mlslabel", "special_small_blocks", "version")


def valid_properties(
    table: PropertyTable, kind: str, given: dict[str, str], prefix: str, existing: Dataset | None = None
) -> dict[str, str]:
    """
    Stored forms of ``given`` for a dataset of ``kind``; ``existing`` is None while it is being created.

    Raises ZfsError with ``prefix: reason``.
    """
    stored: dict[str, str] = {}
    for name, text in given.items():
        prop = table.find(name)
        if prop is None and is_user_property(name):
            if len(name) >= _LONGEST_NAME:
                raise ZfsError(f"{prefix}: property name '{name}' is too long")
            stored[name] = text
            continue
        try:
            checked = _applicable(prop, name, kind, existing)
            stored[checked.name] = _value(checked, text, kind, existing)
        except BadValue as error:
            raise ZfsError(f"{prefix}: {error}") from error
    return stored


def _applicable(prop: Property | None, name: str, kind: str, existing: Dataset | None) -> Property:
    if kind == SNAPSHOT:
        raise BadValue("this property can not be modified for snapshots")
    if is_userquota(name):
        raise Unmodelled(f"property {name}")
    if is_written(name):
        raise BadValue(messages.read_only(name))
    if prop is None:
        raise BadValue(messages.invalid_property(name))
    if kind not in prop.types:
        raise BadValue(messages.not_for_type(name))
    if prop.readonly and not (prop.set_once and existing is None):
        raise BadValue(messages.read_only(name))
    if prop.name in _UNMODELLED:
        raise Unmodelled(f"setting {prop.name}")
    return prop


def _value(prop: Property, text: str, kind: str, existing: Dataset | None) -> str:
    value = parse_value(prop, text, kind)
    if prop.name in ("volblocksize", "recordsize"):
        number = int(value)
        if not 512 <= number <= MAX_BLOCK or number & (number - 1):
            raise BadValue(f"'{prop.name}' must be power of 2 from 512B to {nice_bytes(MAX_BLOCK)}")
    if prop.name == "mountpoint" and value not in ("none", "legacy") and not value.startswith("/"):
        raise BadValue("'mountpoint' must be an absolute path, 'none', or 'legacy'")
    if prop.name == "keylocation" and not re.match(r"none$|prompt$|file:///|https?://", value):
        raise BadValue("invalid keylocation")
    if existing is not None:
        _check_encrypted(prop.name, value, existing)
    if prop.name == "pbkdf2iters" and int(value) < 100000:
        raise BadValue("minimum pbkdf2 iterations is 100000")
    if prop.name == "volsize" and existing is not None and kind == VOLUME:
        _check_volsize(int(value), existing)
    return value


def _check_encrypted(name: str, value: str, dataset: Dataset) -> None:
    """What an encrypted dataset, or one that is not, cannot have."""
    if name == "copies" and dataset.encryption and int(value) > 2:
        raise BadValue("encrypted datasets cannot have 3 copies")
    if name == "keylocation" and not dataset.encryption and value != "none":
        raise BadValue("keylocation must be 'none' for unencrypted datasets")
    if name == "keylocation" and dataset.encryption and value == "none":
        raise BadValue("keylocation must not be 'none' for encrypted datasets")


def _check_volsize(size: int, volume: Dataset) -> None:
    if size % volume.volblocksize:
        raise BadValue(f"'volsize' must be a multiple of volume block size ({nice_bytes(volume.volblocksize)})")
    if size == 0:
        raise BadValue("'volsize' cannot be zero")


def too_long(name: str, value: str) -> bool:
    """Whether the kernel refuses this user property's value for its length."""
    return ":" in name and len(value.encode("utf-8", "surrogateescape")) >= _LONGEST_VALUE
