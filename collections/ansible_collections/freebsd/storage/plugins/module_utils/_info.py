# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Answers what is asked about a host: what it has, or what ails it, page by page, and its room. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Optional, TypeVar

from . import _nouns
from ._apply.entry import check_common, release, target_layer
from ._apply.sweeping import ours
from ._checkup import checkup
from ._health import Health, abnormal, health_noun, summary
from ._read import read_facts, read_parent
from ._state import Facts
from ._zfs.model import Group, Snapshot, Volume, groups_of
from ._zfs.trash import keepers, kept
from .command import Commands, SystemCommands
from .errors import HostError

# A volume that is not thin reserves its metadata too, about 1/64 of its size at 16 KiB blocks.
_RESERVED_SHARE = 64
_GRAIN = 1 << 20
_LISTED = {"volumes", "snapshots", "group_snapshots", "health"}
_READ = {*_LISTED, "trash"}

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
    told, facts = _listed(options, commands)
    result.update(told)
    if facts is not None:
        drift = _nouns.drift_nouns([*facts.drift, *kept(facts.trash, ours(facts, facts.trash))])
    if "capacity" in options["kinds"]:
        result["capacity"] = capacity(_available(options, commands, facts))
    result["host"] = {"release": release(), "commands": commands.count, "drift": list(drift)}
    return result


def _available(options: Mapping[str, Any], commands: Commands, facts: Optional[Facts]) -> int:
    if facts is not None:
        return facts.available_bytes
    return read_parent(commands, options["parent"], options["settings_dir"])


def _listed(options: Mapping[str, Any], commands: Commands) -> tuple[dict[str, object], Optional[Facts]]:
    """Return what is told page by page, and what was read for it."""
    kinds = set(options["kinds"])
    if "health" in kinds:
        with target_layer(options, commands) as ctl:
            found = checkup(commands, ctl, options)
        return {**_health_page(found.health, options), **_trash(found.facts, options)}, found.facts
    if not _READ & kinds:
        return {}, None
    facts = read_facts(
        commands,
        None,
        owner=options["owner"],
        parent=options["parent"],
        settings_dir=options["settings_dir"],
    )
    pages = _page(facts, options) if _LISTED & kinds else {}
    return {**pages, **_trash(facts, options)}, facts


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
    volumes, following = page(volumes_of(facts.volumes, options["names"]), uuid, after, limit)
    return {"volumes": [_nouns.volume_noun(options["owner"], each) for each in volumes], "next": following}


def _trash(facts: Optional[Facts], options: Mapping[str, Any]) -> dict[str, object]:
    """Return the deleted volumes that are kept, all of them: they are few."""
    if facts is None or "trash" not in options["kinds"]:
        return {}
    deleted = sorted(facts.trash.volumes, key=lambda volume: volume.dataset)
    return {"trash": [_nouns.trash_noun(each, keepers(facts.trash, each)) for each in deleted]}


def _health_page(health: Health, options: Mapping[str, Any]) -> dict[str, object]:
    """Return a page of what is not well; of the volume that is asked about alone, that it is well."""
    uuid = options["uuid"]
    known = health if uuid is not None else abnormal(health)
    chosen, following = _uuids(known, uuid, options["after"], options["limit"])
    nouns = [health_noun(each, known[each]) for each in chosen]
    return {"health": nouns, "next": following, "summary": summary(health)}


def volumes_of(volumes: Mapping[str, Volume], names: Optional[Sequence[str]]) -> Mapping[str, Volume]:
    """Return the volumes that have one of these names, or all."""
    if names is None:
        return volumes
    return {uuid: each for uuid, each in volumes.items() if each.name in frozenset(names)}


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
    chosen, following = _uuids(known, uuid, after, limit)
    return [known[each] for each in chosen], following


def _uuids(
    known: Collection[str], uuid: Optional[str], after: Optional[str], limit: int
) -> tuple[list[str], Optional[str]]:
    if uuid is not None:
        return [uuid] if uuid in known else [], None
    rest = sorted(each for each in known if after is None or each > after)
    chosen = rest[:limit] if limit else rest
    return chosen, chosen[-1] if len(chosen) < len(rest) else None


def capacity(available_bytes: int) -> dict[str, object]:
    """Return the room that is left, and the largest volume that surely fits into it, thin or not."""
    largest = available_bytes - -(-available_bytes // _RESERVED_SHARE)
    return {
        "available_bytes": available_bytes,
        "maximum_volume_bytes": max(largest // _GRAIN * _GRAIN, 0),
    }
