"""Troubles with ZFS: no room, no pool, no parent, and what cannot be read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from tests.faults.troubles.scene import KEPT, MIB, PUBLISHED, SPARE
from tests.faults.troubles.trial import (
    CREATE,
    CREATE_THICK,
    DELETE,
    EXPAND,
    EXPAND_PUBLISHED,
    ON_BOTH,
    PUBLISH,
    REPUBLISH,
    SNAPSHOT,
    UNPUBLISH,
    Ask,
    Trouble,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.faults.troubles.scene import Scene

OURS = "org.freebsd.storage"
ROOM = 256 * 1024
YEAR = 365 * 24 * 3600.0


def _number(scene: Scene, key: str, dataset: str) -> int:
    return int(scene.run("zfs", "get", "-Hp", "-o", "value", key, dataset))


def write(scene: Scene) -> None:
    """Fill the volume of which there will be a snapshot: then that needs room."""
    device = scene.host.root / "dev" / "zvol" / scene.parent / KEPT
    device.write_bytes(os.urandom(MIB))


@contextlib.contextmanager
def pool_full(scene: Scene) -> Iterator[None]:
    """Something else on the pool sets all room aside."""
    write(scene)
    left = _number(scene, "available", "tank") - ROOM
    scene.run("zfs", "create", "-o", f"refreservation={left}", "tank/backups")
    yield
    scene.run("zfs", "destroy", "tank/backups")


@contextlib.contextmanager
def quota_reached(scene: Scene) -> Iterator[None]:
    """The parent may use hardly more than it does."""
    write(scene)
    scene.run("zfs", "set", f"quota={_number(scene, 'used', scene.parent) + ROOM}", scene.parent)
    yield
    scene.run("zfs", "set", "quota=none", scene.parent)


@contextlib.contextmanager
def pool_missing(scene: Scene) -> Iterator[None]:
    """The pool was not found when the host booted."""
    scene.host.control("pool", name="tank", imported=False)
    yield
    scene.host.control("pool", name="tank", imported=True)


@contextlib.contextmanager
def parent_missing(scene: Scene) -> Iterator[None]:
    """Somebody has renamed the parent."""
    scene.run("zfs", "rename", scene.parent, "tank/aside")
    yield
    scene.run("zfs", "rename", "tank/aside", scene.parent)


@contextlib.contextmanager
def parent_replaced(scene: Scene) -> Iterator[None]:
    """There is a dataset of that name, and it is another one."""
    with parent_missing(scene):
        scene.run("zfs", "create", scene.parent)
        yield
        scene.run("zfs", "destroy", scene.parent)


@contextlib.contextmanager
def properties_unreadable(scene: Scene) -> Iterator[None]:
    """Somebody has overwritten what is recorded of a volume."""
    with scene.set_property(SPARE, f"{OURS}:parameters", "nonsense"):
        yield


@contextlib.contextmanager
def published_unreadable(scene: Scene) -> Iterator[None]:
    """The same of one that is published."""
    with scene.set_property(PUBLISHED, f"{OURS}:parameters", "nonsense"):
        yield


@contextlib.contextmanager
def record_unreadable(scene: Scene) -> Iterator[None]:
    """Somebody has overwritten what is recorded of a publication."""
    key, _record = scene.record_of(PUBLISHED)
    with scene.set_property(PUBLISHED, key, "nonsense"):
        yield


def clock(offset: float) -> Callable[[Scene], AbstractContextManager[None]]:
    """The host's clock jumps; back again, later."""

    @contextlib.contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        scene.host.control("clock", offset=offset)
        yield
        scene.host.control("clock", offset=0.0)

    return cause


_NO_ROOM = (
    Ask(CREATE_THICK, "RESOURCE_EXHAUSTED", ("tank/csi", "space")),
    Ask(EXPAND, "OUT_OF_RANGE", ("space",)),
    Ask(SNAPSHOT, "RESOURCE_EXHAUSTED", ("space",)),
    Ask(PUBLISH),
    Ask(UNPUBLISH),
)


_ALL_WELL = tuple(Ask(request) for request in (CREATE, PUBLISH, UNPUBLISH, EXPAND, SNAPSHOT))


_MEND = ("mend its org.freebsd.storage properties",)
# No change may end an export of which nobody knows whose it is.
_EXPORTS_STAY = (
    Ask(REPUBLISH, "UNAVAILABLE", ("tank/csi/published", *_MEND)),
    Ask(PUBLISH, "UNAVAILABLE", ("tank/csi/published", *_MEND)),
    Ask(CREATE),
    Ask(SNAPSHOT),
    Ask(DELETE),
)


def _nothing_read(*words: str) -> tuple[Ask, ...]:
    requests = (CREATE, PUBLISH, UNPUBLISH, EXPAND, SNAPSHOT)
    return tuple(Ask(request, "UNAVAILABLE", words) for request in requests)


TROUBLES = (
    Trouble("the pool is full", pool_full, _NO_ROOM, ON_BOTH),
    Trouble("the parent's quota is reached", quota_reached, _NO_ROOM, ON_BOTH),
    Trouble("the pool is not imported", pool_missing, _nothing_read("tank", "import the pool"), ON_BOTH),
    Trouble(
        "the parent dataset is missing",
        parent_missing,
        _nothing_read("tank/csi", "role storage_host"),
        ON_BOTH,
        attached=(),
    ),
    Trouble(
        "another dataset has the parent's name",
        parent_replaced,
        _nothing_read("tank/csi", "GUID", "bring the right one back"),
        ON_BOTH,
        attached=(),
    ),
    Trouble(
        "what is recorded of a volume cannot be read",
        properties_unreadable,
        (
            Ask(EXPAND, "UNAVAILABLE", ("tank/csi/spare", *_MEND)),
            Ask(CREATE),
            Ask(PUBLISH),
            Ask(UNPUBLISH),
        ),
        ON_BOTH,
    ),
    Trouble(
        "what is recorded of a volume in use cannot be read",
        published_unreadable,
        (Ask(EXPAND_PUBLISHED, "UNAVAILABLE", _MEND), *_EXPORTS_STAY),
        ON_BOTH,
    ),
    Trouble("what is recorded of a publication cannot be read", record_unreadable, _EXPORTS_STAY, ON_BOTH),
    Trouble("the clock jumps ten years ahead", clock(10 * YEAR), _ALL_WELL, ON_BOTH),
    Trouble("the clock jumps ten years back", clock(-10 * YEAR), _ALL_WELL, ON_BOTH),
)
