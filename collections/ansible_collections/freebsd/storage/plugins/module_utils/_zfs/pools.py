# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What zpool(8) says of a pool, as a value. The only place that knows its texts.

Pure functions. Output is that of `zpool list -Hp -o health,capacity` and `zpool status -v` in the C locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..command import Completed
from ..errors import HostError

ONLINE, DEGRADED = "ONLINE", "DEGRADED"

_PARAGRAPH = re.compile(r"^ *(state|status|action|errors): ?(.*(?:\n\t.*)*)$", re.MULTILINE)
_NO_ERRORS = "No known data errors"
_LISTED = "Permanent errors have been detected"
# zpool_obj_to_path(3): what is in no mounted filesystem is told by its dataset and object number.
_OBJECT = re.compile(r"^ {8}(.+):<0x[0-9a-f]+>$", re.MULTILINE)
_SAID_LIMIT = 300


class Pool(NamedTuple):
    """
    A pool. `health` is ZFS's own word; `said` what ZFS says of it and advises, empty when all is well.

    `damaged` are the datasets of which data is lost for good, as far as ZFS tells; `damage` says that there is any
    in the pool. `used_percent` is how much of the pool is allocated.
    """

    name: str
    health: str
    used_percent: int
    said: str = ""
    damage: str = ""
    damaged: frozenset[str] = frozenset()

    @property
    def works(self) -> bool:
        """Whether it can be read and written."""
        return self.health in (ONLINE, DEGRADED)


def list_pool(name: str) -> list[str]:
    """Read how a pool is and how full."""
    return ["zpool", "list", "-Hp", "-o", "health,capacity", name]


def pool_status(name: str) -> list[str]:
    """Read what ZFS says about a pool, with everything that is damaged in it."""
    return ["zpool", "status", "-v", name]


def pool_of(dataset: str) -> str:
    """Return the name of the pool in which a dataset is."""
    return dataset.partition("/")[0]


def parse(name: str, listed: Completed, status: Completed) -> Pool:
    """Return the pool; raise `HostError` where it was not shown: nothing is known of it then."""
    for done in (listed, status):
        if done.unstarted is not None:
            raise done.unstarted
        if done.late or done.rc != 0:
            said = " ".join(done.err.split())[:_SAID_LIMIT] or "it said nothing in time"
            raise HostError("degraded", f"{' '.join(done.argv[:2])}: {said}; look at zpool status {name}")
    try:
        health, capacity = listed.out.rstrip("\n").split("\t")
        used_percent = int(capacity)
    except ValueError:
        raise HostError("degraded", f"zpool list did not tell how {name} is: {listed.out[:_SAID_LIMIT]!a}") from None
    paragraphs = dict(_paragraphs(status.out))
    return Pool(
        name=name,
        health=health,
        used_percent=used_percent,
        said=" ".join(paragraphs[key] for key in ("status", "action") if key in paragraphs),
        damage=_damage(paragraphs.get("errors", ""), status.err),
        damaged=frozenset(_OBJECT.findall(status.out)),
    )


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    for found in _PARAGRAPH.finditer(text):
        yield found[1], " ".join(found[2].split())


def _damage(errors: str, complaint: str) -> str:
    if errors == _NO_ERRORS:
        return ""
    if errors.startswith(_LISTED):
        return "permanent errors were detected"
    return errors or " ".join(complaint.split())[:_SAID_LIMIT] or "ZFS does not say whether data is damaged"
