# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuses to judge what was seen and cannot be read, or is not finished. Pure."""

from __future__ import annotations

from .._state import Facts
from ..errors import HostError
from .model import Volume


def check_seen(facts: Facts, uuid: str) -> None:
    """Raise `HostError` if the volume or snapshot is there but is not known for what it is."""
    if uuid in facts.unreadable:
        raise _unreadable(facts.unreadable[uuid], "its properties")


def check_readable(facts: Facts, uuid: str) -> None:
    """Raise `HostError` if the volume is there but what is recorded of it cannot be read."""
    check_seen(facts, uuid)
    volume = facts.volumes.get(uuid)
    if volume is not None and volume.unreadable:
        raise _unreadable(volume.dataset, "a record of its publications")


def _unreadable(dataset: str, what: str) -> HostError:
    return HostError(
        "degraded",
        f"{dataset}: {what} cannot be read, so it was left alone: "
        "use the version of the driver that wrote it, or mend its org.freebsd.storage properties",
    )


def check_finished(facts: Facts, volume: Volume) -> None:
    """Raise the reason why a clone could not be finished, if so."""
    problem = facts.unmended.get(volume.uuid)
    if problem is not None:
        raise problem
