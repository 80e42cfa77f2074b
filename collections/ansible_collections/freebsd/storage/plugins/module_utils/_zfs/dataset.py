# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Datasets and snapshots that people name, as ZFS shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import _names
from . import values
from .properties import Properties, is_own, own

FILESYSTEM, VOLUME, SNAPSHOT = "filesystem", "volume", "snapshot"
_SHOWN = {FILESYSTEM: values.FILESYSTEM_PROPERTIES, VOLUME: values.VOLUME_PROPERTIES, SNAPSHOT: ()}
_OLD_VOLBLOCKSIZE = 16384  # not shown where it is the default (zfsprops(7))


class Dataset(NamedTuple):
    """
    A filesystem, volume or snapshot.

    `noun` is what it was made or adopted as by the owner; empty if it was not. `owner` is the value
    of the owner property that was set on it, whosever it is. `properties` are those that were set
    on it. Of a snapshot or a filesystem, `size_bytes` and `volblocksize` are 0.
    """

    name: str
    type: str
    guid: str = ""
    noun: str = ""
    owner: str = ""
    properties: Mapping[str, str] = {}
    size_bytes: int = 0
    volblocksize: int = 0
    thin: bool = True
    origin: str = ""
    clones: tuple[str, ...] = ()
    used_bytes: int = 0
    created: int = 0


def dataset_of(name: str, props: Properties, owner_value: str) -> Dataset:
    """Return what was shown of a dataset or snapshot."""
    type_ = _text(props, "type")
    owner = own(props, "owner") if is_own(props, "owner") else ""
    ours = owner == owner_value and is_own(props, "noun")
    volume = type_ == VOLUME
    return Dataset(
        name=name,
        type=type_,
        guid=_text(props, "guid"),
        noun=own(props, "noun") if ours else "",
        owner=owner,
        properties={key: props[key].value for key in _SHOWN.get(type_, ()) if _is_set(props, key)},
        size_bytes=_number(props, "volsize") if volume else 0,
        volblocksize=(_number(props, "volblocksize") or _OLD_VOLBLOCKSIZE) if volume else 0,
        thin=volume and _text(props, "refreservation") in ("", "0", "none"),
        origin=_text(props, "origin").lstrip("-"),
        clones=tuple(clone for clone in _text(props, "clones").split(",") if clone not in ("", "-")),
        used_bytes=_number(props, "used"),
        created=_number(props, "creation"),
    )


def marks(noun: str, owner_value: str) -> dict[str, str]:
    """Return the user properties that make a dataset one of the owner's."""
    values_ = {"schema": _names.SCHEMA, "owner": owner_value, "noun": noun}
    return {_names.PREFIX + name: value for name, value in values_.items()}


def _is_set(props: Properties, name: str) -> bool:
    # What can only be chosen at creation is shown without a source.
    return name in props and props[name].source in ("local", "received", "-")


def _text(props: Properties, name: str) -> str:
    return props[name].value if name in props else ""


def _number(props: Properties, name: str) -> int:
    text = _text(props, name)
    return int(text) if text.isdigit() else 0
