# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From a module's options to its result; the modules only declare options and exit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from .. import _names, _nouns
from .._ctl.local import LocalCtl
from .._ctl.locked import LockedCtl
from .._ctl.privileged import PrivilegedCtl
from .._ctl.seam import CtlHost
from ..command import Commands, SystemCommands
from ..errors import HostError
from .engine import Engine, Reply, Request
from .spec import items_of

BATCH_LIMIT = 256


def apply(options: Mapping[str, Any], *, check_mode: bool, diff: bool) -> dict[str, object]:
    """Bring the resources about and return the module's result; raise `HostError` if none could be."""
    check_common(options)
    if len(options["resources"]) > BATCH_LIMIT:
        msg = f"resources: {len(options['resources'])} are too many at once, {BATCH_LIMIT} are allowed"
        raise HostError("invalid", msg, option="resources")
    commands = SystemCommands(time.monotonic() + options["time_limit"])
    request = Request(
        owner=options["owner"],
        parent=options["parent"],
        settings_dir=options["settings_dir"],
        lock_timeout=min(options["lock_timeout"], options["time_limit"]),
        check_mode=check_mode,
    )
    with target_layer(options, commands) as ctl:
        reply = _run(Engine(request, commands, ctl), options)
    return _result(reply, commands, diff=diff)


def _run(engine: Engine, options: Mapping[str, Any]) -> Reply:
    try:
        return engine.run(items_of(options["resources"], options["secrets"]))
    except HostError:
        raise
    except Exception as error:
        # Nothing below expects this, so nothing is known of what was done, if anything was.
        code = "uncertain" if engine.begun else "internal"
        raise HostError(code, f"unexpected {type(error).__name__}: {error}") from error


def check_common(options: Mapping[str, Any]) -> None:
    """Raise `HostError` unless owner and parent are such that names can be made of them."""
    if not _names.OWNER.fullmatch(options["owner"]):
        msg = f"owner: {options['owner']!a} is not 1 to 32 of a-z, 0-9 and -, with no - first or last"
        raise HostError("invalid", msg, option="owner")
    parent = options["parent"]
    if not _names.PARENT.fullmatch(parent) or len(parent) > _names.PARENT_LIMIT:
        msg = f"parent: {parent!a} is not the name of a dataset of at most {_names.PARENT_LIMIT} bytes"
        raise HostError("invalid", msg, option="parent")


@contextmanager
def target_layer(options: Mapping[str, Any], commands: Commands) -> Iterator[CtlHost]:
    """Lend the target layer, reached in the way the host allows."""
    if options["privilege"] == "none":
        settings_dir = options["settings_dir"]
        yield LockedCtl(LocalCtl(commands, settings_dir), settings_dir, commands)
        return
    with closing(PrivilegedCtl(options["privilege"], options["owner"], commands)) as ctl:
        yield ctl


def release() -> str:
    """Return the release of the running kernel, as uname -r does."""
    return os.uname().release


def _result(reply: Reply, commands: Commands, *, diff: bool) -> dict[str, object]:
    result: dict[str, object] = {
        "changed": any(outcome.changed for outcome in reply.outcomes),
        "results": [outcome.as_dict() for outcome in reply.outcomes],
        "host": {
            "release": release(),
            "reloads": reply.reloads,
            "commands": commands.count,
            "drift": _nouns.drift_nouns(reply.drift),
        },
    }
    if diff:
        result["diff"] = [outcome.diff() for outcome in reply.outcomes]
    return result
