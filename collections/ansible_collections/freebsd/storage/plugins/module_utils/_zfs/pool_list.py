# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Pools as zpool(8) lists them. Pure."""

from __future__ import annotations

from ..errors import HostError

_COLUMNS = ("name", "guid", "health", "size", "allocated", "free", "capacity", "fragmentation", "readonly")


def list_pools() -> list[str]:
    """List all pools that are imported."""
    return ["zpool", "list", "-Hp", "-o", ",".join(_COLUMNS)]


def pools(text: str) -> list[dict[str, object]]:
    """Return what `list_pools` prints as it is reported; what zpool does not know is None."""
    return [_pool(line.split("\t")) for line in text.splitlines()]


def _pool(fields: list[str]) -> dict[str, object]:
    if len(fields) != len(_COLUMNS):
        raise HostError("degraded", f"zpool list printed {len(fields)} columns where {len(_COLUMNS)} were asked for")
    shown = dict(zip(_COLUMNS, fields))
    return {
        "name": shown["name"],
        "guid": shown["guid"],
        "health": shown["health"],
        "size_bytes": _number(shown["size"]),
        "allocated_bytes": _number(shown["allocated"]),
        "free_bytes": _number(shown["free"]),
        "capacity_percent": _number(shown["capacity"]),
        "fragmentation_percent": _number(shown["fragmentation"]),
        "readonly": shown["readonly"] == "on",
    }


def _number(text: str) -> object:
    return int(text) if text.isdigit() else None
