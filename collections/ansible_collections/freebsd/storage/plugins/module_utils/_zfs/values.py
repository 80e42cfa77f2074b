# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Values of native ZFS properties as people write them, and as `zfs get -p` shows them. Pure.

The same value has several spellings: 10G and 10737418240, yes and on, gzip and gzip-6. Two are
compared in their canonical form only.
"""

from __future__ import annotations

import re

# What may be set on volumes without changing what they are or who may use them.
VOLUME_PROPERTIES = (
    "checksum",
    "compression",
    "copies",
    "dedup",
    "logbias",
    "primarycache",
    "readonly",
    "redundant_metadata",
    "reservation",
    "secondarycache",
    "snapdev",
    "snapshot_limit",
    "sync",
    "volmode",
)
FILESYSTEM_PROPERTIES = (
    "aclinherit",
    "aclmode",
    "acltype",
    "atime",
    "canmount",
    "casesensitivity",
    "checksum",
    "compression",
    "copies",
    "dedup",
    "dnodesize",
    "exec",
    "filesystem_limit",
    "logbias",
    "mountpoint",
    "normalization",
    "primarycache",
    "quota",
    "readonly",
    "recordsize",
    "redundant_metadata",
    "refquota",
    "refreservation",
    "relatime",
    "reservation",
    "secondarycache",
    "setuid",
    "snapdir",
    "snapshot_limit",
    "special_small_blocks",
    "sync",
    "utf8only",
    "xattr",
)
# These can be chosen when a dataset is made, and never again.
ONCE = frozenset({"casesensitivity", "normalization", "utf8only"})

_SPACE = frozenset({"quota", "refquota", "refreservation", "reservation"})
_LIMITS = frozenset({"filesystem_limit", "snapshot_limit"})
_NUMBERS = _SPACE | _LIMITS | {"recordsize", "special_small_blocks"}
_UNLIMITED = str((1 << 64) - 1)
_SYNONYMS = {"yes": "on", "true": "on", "no": "off", "false": "off"}
_SPELLINGS = {("compression", "gzip-6"): "gzip"}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]?)(?:I?B)?")
_UNITS = " KMGTPE"


def canonical(name: str, value: str) -> str:
    """Return the value in the one form in which two can be compared, and which `zfs set` takes."""
    if name == "mountpoint":
        return value
    if name in _NUMBERS:
        number = _number(value)
        none = (name in _SPACE and number == "0") or (name in _LIMITS and number == _UNLIMITED)
        return "none" if none else number
    value = _SYNONYMS.get(value, value)
    return _SPELLINGS.get((name, value), value)


def size_of(text: str) -> int:
    """Return the bytes that a size means, K being 1024 as everywhere in ZFS; raise ValueError if it is none."""
    found = _SIZE.fullmatch(text.strip().upper())
    if found is None:
        raise ValueError(f"{text!a} is not a size like 10G or 10737418240")
    return int(float(found[1]) * 1024 ** _UNITS.index(found[2])) if found[2] else _whole(found[1])


def _whole(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"{text} bytes are not whole")
    return int(text)


def _number(value: str) -> str:
    try:
        return str(size_of(value))
    except ValueError:
        return value  # "none" or "auto", say: it is compared as it is
