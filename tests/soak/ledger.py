"""What the users were promised. Whoever works on a thing has it for himself, as a sidecar sees to it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TypeVar

from tests.properties.model import Group, Model, Snapshot, Volume

Thing = TypeVar("Thing", Volume, Snapshot, Group)


class Ledger:
    """
    The model of all that there is to be, for many users at once.

    A thing stands in it from the answer that it was made to the call that deletes it; `gone` are the ids of which
    the deletion was answered. Names are in use from the first call to the answer that the thing is deleted.
    """

    def __init__(self) -> None:
        self.model = Model()
        self.gone: set[str] = set()
        self._names: set[str] = set()
        self._busy: set[str] = set()
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def borrowed(self, things: Iterable[Thing]) -> Iterator[list[Thing]]:
        """Have these things for oneself, as far as nobody else has them."""
        with self._lock:
            mine = [thing for thing in things if thing.id not in self._busy]
            self._busy |= {thing.id for thing in mine}
        try:
            yield mine
        finally:
            with self._lock:
                self._busy -= {thing.id for thing in mine}

    def volume(
        self, random: Random, fits: Callable[[Volume], bool] = lambda _: True
    ) -> contextlib.AbstractContextManager[list[Volume]]:
        """Borrow one volume at random; none if there is none."""
        return self._one(random, lambda: [one for one in self.model.volumes.values() if fits(one)])

    def snapshot(self, random: Random) -> contextlib.AbstractContextManager[list[Snapshot]]:
        """Borrow one snapshot at random that is not one of a group's; none if there is none."""
        return self._one(random, lambda: [one for one in self.model.snapshots.values() if not one.group])

    def group(self, random: Random) -> contextlib.AbstractContextManager[list[Group]]:
        """Borrow one group at random; none if there is none."""
        return self._one(random, lambda: list(self.model.groups.values()))

    def _one(self, random: Random, those: Callable[[], list[Thing]]) -> contextlib.AbstractContextManager[list[Thing]]:
        with self._lock:
            free = [thing for thing in those() if thing.id not in self._busy]
            return self.borrowed([random.choice(free)] if free else [])

    def some_volumes(self, random: Random, most: int) -> contextlib.AbstractContextManager[list[Volume]]:
        """Borrow a few volumes of one host."""
        with self._lock:
            free = [volume for volume in self.model.volumes.values() if volume.id not in self._busy]
            host = host_of(random.choice(free).id) if free else ""
            those = [volume for volume in free if host_of(volume.id) == host]
            return self.borrowed(random.sample(those, min(most, len(those))))

    def take_name(self, prefix: str) -> str:
        """Return the first free name, so that names are used again as soon as they can be."""
        with self._lock:
            number = 0
            while (name := f"{prefix}-{number}") in self._names:
                number += 1
            self._names.add(name)
            return name

    def free_name(self, name: str) -> None:
        """Let others have the name."""
        with self._lock:
            self._names.discard(name)

    @contextlib.contextmanager
    def changed(self) -> Iterator[Model]:
        """Change the model, all at once for those that look at it."""
        with self._lock:
            yield self.model

    def ids(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The ids of the volumes and of the snapshots that there are, and of all that are gone."""
        with self._lock:
            return frozenset(self.model.volumes), frozenset(self.model.snapshots), frozenset(self.gone)


def host_of(identity: str) -> str:
    """The storage host that an id names."""
    return identity.partition(":")[0]
