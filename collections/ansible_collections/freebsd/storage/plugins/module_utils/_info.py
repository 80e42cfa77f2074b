# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Answers what is asked about a host: its volumes, snapshots or groups, page by page, and its room. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypeVar

from . import _nouns
from ._apply.entry import check_common, release
from ._apply.sweeping import ours
from ._read import read_facts, read_parent
from ._state import Facts
from ._zfs.model import Group, Snapshot, Volume, groups_of
from ._zfs.trash import kept
from .command import Commands, SystemCommands
from .errors import HostError

# A volume that is not thin reserves its metadata too, about 1/64 of its size at 16 KiB blocks.
_RESERVED_SHARE = 64
_GRAIN = 1 << 20
_LISTED = {"volumes", "snapshots", "group_snapshots"}

_Listed = TypeVar("_Listed", Volume, Snapshot, Group)


def info(options: Mapping[str, Any]) -> dict[str, object]:
    """Return the module's result; raise `HostError` where the host cannot be judged."""
    _check(options)
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
    if _LISTED & set(options["kinds"]):
        facts = read_facts(
            commands,
            None,
            owner=options["owner"],
            parent=options["parent"],
            settings_dir=options["settings_dir"],
        )
        result.update(_page(facts, options))
        available = facts.available_bytes
        drift = _nouns.drift_nouns([*facts.drift, *kept(facts.trash, ours(facts, facts.trash))])
    else:
        available = read_parent(commands, options["parent"], options["settings_dir"])
    if "capacity" in options["kinds"]:
        result["capacity"] = capacity(available)
    result["host"] = {"release": release(), "commands": commands.count, "drift": list(drift)}
    return result


def _check(options: Mapping[str, Any]) -> None:
    check_common(options)
    listed = _LISTED & set(options["kinds"])
    if len(listed) > 1:
        msg = f"kinds: {' and '.join(sorted(listed))} are told page by page, so not at once"
        raise HostError("invalid", msg, option="kinds")


def _page(facts: Facts, options: Mapping[str, Any]) -> dict[str, object]:
    uuid, after, limit = options["uuid"], options["after"], options["limit"]
    if "snapshots" in options["kinds"]:
        wanted = snapshots_of(facts.snapshots, options["volume"])
        snapshots, following = page(wanted, uuid, after, limit)
        return {"snapshots": [_nouns.snapshot_noun(each) for each in snapshots], "next": following}
    if "group_snapshots" in options["kinds"]:
        groups, following = page(groups_of(facts.snapshots.values()), uuid, after, limit)
        return {"group_snapshots": [_nouns.group_noun(each) for each in groups], "next": following}
    volumes, following = page(facts.volumes, uuid, after, limit)
    return {"volumes": [_nouns.volume_noun(options["owner"], each) for each in volumes], "next": following}


def snapshots_of(snapshots: Mapping[str, Snapshot], volume: Optional[str]) -> dict[str, Snapshot]:
    """Return the snapshots of one volume, or of all; the volume may be gone."""
    return {uuid: each for uuid, each in snapshots.items() if volume is None or each.source == volume}


def page(
    known: Mapping[str, _Listed], uuid: Optional[str], after: Optional[str], limit: int
) -> tuple[list[_Listed], Optional[str]]:
    """
    Return those whose uuid sorts after `after`, at most `limit` (0: all), in that order.

    The second value is the last one's uuid when there are more. With `uuid`, that one alone.
    """
    if uuid is not None:
        return [known[uuid]] if uuid in known else [], None
    rest = sorted(each for each in known if after is None or each > after)
    chosen = rest[:limit] if limit else rest
    following = chosen[-1] if len(chosen) < len(rest) else None
    return [known[each] for each in chosen], following


def capacity(available_bytes: int) -> dict[str, object]:
    """Return the room that is left, and the largest volume that surely fits into it, thin or not."""
    largest = available_bytes - -(-available_bytes // _RESERVED_SHARE)
    return {
        "available_bytes": available_bytes,
        "maximum_volume_bytes": max(largest // _GRAIN * _GRAIN, 0),
    }
