# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The lines of `zfs get -Hp -s local,received,none -o name,property,value,source`, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import _names
from . import values

# What other drivers set on what is theirs, by the beginning of its name.
STRANGERS = {"user:csi:": "freebsd-csi", "democratic-csi:": "democratic-csi", "tns-csi:": "tns-csi"}

_COLUMNS = ("name", "property", "value", "source")
_NATIVE = frozenset(
    {
        *("type", "guid", "available", "creation", "used", "referenced", "volsize", "volblocksize", "refreservation"),
        *("clones", "createtxg", "defer_destroy", "origin", "userrefs", "written", "receive_resume_token"),
        *("encryptionroot", "keystatus"),
        *values.VOLUME_PROPERTIES,
        *values.FILESYSTEM_PROPERTIES,
    }
)


_OUT_OF_THE_ORDINARY = (_names.PREFIX, *STRANGERS)


class Property(NamedTuple):
    """A property's value and where it comes from."""

    value: str
    source: str


Properties = Mapping[str, Property]


def properties(text: str) -> dict[str, dict[str, Property]]:
    """
    Return the properties of each dataset that matter here.

    A line that has not the four fields is part of a foreign property whose value holds tabs or line
    ends; ours never do, so it is passed over.
    """
    found: dict[str, dict[str, Property]] = {}
    for line in text.split("\n"):
        fields = line.split("\t")
        if len(fields) != len(_COLUMNS):
            continue
        dataset, name, value, source = fields
        if name in _NATIVE or name.startswith(_OUT_OF_THE_ORDINARY):
            found.setdefault(dataset, {})[name] = Property(value, source)
    return found


def is_own(props: Properties, name: str) -> bool:
    """Return whether the user property was set here, neither inherited nor received."""
    found = props.get(_names.PREFIX + name)
    return found is not None and found.source == "local"


def own(props: Properties, name: str) -> str:
    """Return a user property that was set here; raise ValueError without one."""
    found = props.get(_names.PREFIX + name)
    if found is None or found.source != "local":
        raise ValueError(f"{name} is missing")
    return found.value


def text_of(props: Properties, name: str) -> str:
    """Return a property; raise ValueError if it was not shown."""
    if name not in props:
        raise ValueError(f"zfs get did not show the property {name}")
    return props[name].value


def number_of(props: Properties, name: str) -> int:
    """Return a property that is a number."""
    return int(text_of(props, name))
