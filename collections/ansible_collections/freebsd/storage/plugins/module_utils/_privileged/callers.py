# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Who may ask for what: the file `callers.json` in the settings directory, written by the role.

The file and the directories above it are believed only if nobody but root could have written them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .._settings import REMEDY
from ..errors import HostError

CALLERS = "callers.json"
_FIELDS = ("owners", "parents", "portal_groups")


class Caller(NamedTuple):
    """One user, whose exports may be of these owners, of volumes below these parents, at these portal groups."""

    owners: frozenset[str]
    parents: frozenset[str]
    portal_groups: frozenset[str]


def caller_of(name: str, settings_dir: str) -> Caller:
    """Return what the user may ask for; raise `HostError` where that is nothing."""
    path = Path(settings_dir, CALLERS)
    told = _read(path).get(name)
    if not isinstance(told, dict):
        raise HostError("denied", f"the user {name!a} is not among the callers in {path}; {REMEDY} with this user")
    values = [told.get(field) for field in _FIELDS]
    if not all(isinstance(value, list) and all(isinstance(each, str) for each in value) for value in values):
        raise HostError("degraded", f"{path} does not say what {name} may ask for; {REMEDY}")
    return Caller(*(frozenset(value) for value in values if isinstance(value, list)))


def _read(path: Path) -> Mapping[str, object]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            check_ours(path, os.fstat(file.fileno()))
            for above in path.parents:
                check_ours(above, above.stat())
            data: object = json.loads(file.read())
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}; {REMEDY}") from error
    except ValueError:
        raise HostError("degraded", f"{path} is not JSON; {REMEDY}") from None
    if not isinstance(data, dict):
        raise HostError("degraded", f"{path} does not hold an object; {REMEDY}")
    return data


def check_ours(path: Path, found: os.stat_result) -> None:
    """Raise `HostError` if another than root could change it; in a sticky directory others cannot."""
    open_to_all = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_uid not in (0, os.geteuid()) or (open_to_all and not sticky):
        raise HostError("denied", f"{path} can be changed by others than root, so it is not believed; {REMEDY}")
