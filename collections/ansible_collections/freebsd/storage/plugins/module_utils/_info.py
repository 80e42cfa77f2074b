# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Answers what is asked about a host: its volumes, page by page, and the room on it. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from . import _nouns
from ._apply.entry import check_common, release
from ._read import read_facts, read_parent
from ._zfs.model import Volume
from .command import Commands, SystemCommands
from .errors import HostError

# A volume that is not thin reserves its metadata too, about 1/64 of its size at 16 KiB blocks.
_RESERVED_SHARE = 64
_GRAIN = 1 << 20


def info(options: Mapping[str, Any]) -> dict[str, object]:
    """Return the module's result; raise `HostError` where the host cannot be judged."""
    check_common(options)
    commands = SystemCommands(time.monotonic() + options["time_limit"])
    try:
        return _info(options, commands)
    except HostError:
        raise
    except Exception as error:
        raise HostError("internal", f"unexpected {type(error).__name__}: {error}") from error


def _info(options: Mapping[str, Any], commands: Commands) -> dict[str, object]:
    result: dict[str, object] = {"changed": False}
    drift: Sequence[dict[str, object]] = ()
    if "volumes" in options["kinds"]:
        facts = read_facts(
            commands,
            None,
            owner=options["owner"],
            parent=options["parent"],
            settings_dir=options["settings_dir"],
        )
        chosen, following = page(facts.volumes, options["uuid"], options["after"], options["limit"])
        result["volumes"] = [_nouns.volume_noun(options["owner"], volume) for volume in chosen]
        result["next"] = following
        available = facts.available_bytes
        drift = _nouns.drift_nouns(facts.drift)
    else:
        available = read_parent(commands, options["parent"], options["settings_dir"])
    if "capacity" in options["kinds"]:
        result["capacity"] = capacity(available)
    result["host"] = {"release": release(), "commands": commands.count, "drift": list(drift)}
    return result


def page(
    volumes: Mapping[str, Volume], uuid: Optional[str], after: Optional[str], limit: int
) -> tuple[list[Volume], Optional[str]]:
    """
    Return the volumes whose uuid sorts after `after`, at most `limit` (0: all), in that order.

    The second value is the last one's uuid when there are more. With `uuid`, that volume alone.
    """
    if uuid is not None:
        return [volume for volume in volumes.values() if volume.uuid == uuid], None
    rest = sorted(known for known in volumes if after is None or known > after)
    chosen = rest[:limit] if limit else rest
    following = chosen[-1] if len(chosen) < len(rest) else None
    return [volumes[known] for known in chosen], following


def capacity(available_bytes: int) -> dict[str, object]:
    """Return the room that is left, and the largest volume that surely fits into it, thin or not."""
    largest = available_bytes - -(-available_bytes // _RESERVED_SHARE)
    return {
        "available_bytes": available_bytes,
        "maximum_volume_bytes": max(largest // _GRAIN * _GRAIN, 0),
    }
