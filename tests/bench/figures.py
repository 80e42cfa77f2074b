"""Times of calls, and what is left of them when the storage host's own work is taken away."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulator.host import SimulatedHost


@dataclass(frozen=True)
class Figures:
    """The wall times of some calls and their overheads, in milliseconds."""

    name: str
    walls: tuple[float, ...]
    overheads: tuple[float, ...]

    @property
    def overhead(self) -> float:
        """The middle overhead."""
        return statistics.median(self.overheads)

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.name, self.walls + other.walls, self.overheads + other.overheads)

    def row(self, base: Figures) -> str:
        """Return a line of the table; `base` is what the last column is a multiple of."""
        numbers = (
            statistics.median(self.walls),
            percentile(self.walls, 95),
            self.overhead,
            percentile(self.overheads, 95),
            self.overhead / base.overhead,
        )
        return " | ".join(
            (f"| {self.name}", str(len(self.walls)), *(f"{number:.1f}" for number in numbers), "")
        ).strip()


HEADER = (
    "| what | n | wall p50 ms | p95 | overhead p50 ms | p95 | ÷ bare ssh |",
    "|---|--:|--:|--:|--:|--:|--:|",
)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by so many of a hundred."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def last_number(host: SimulatedHost) -> int:
    """The number of the last command that the host has run."""
    entries = host.control("log", since=0)["entries"]
    return int(entries[-1]["number"]) if entries else 0


def paced(name: str, host: SimulatedHost, call: Callable[[int], None], *, numbers: range, seconds: float) -> Figures:
    """Call with each of the numbers, one begun every `seconds`; a call that lasts longer delays the next."""
    walls, overheads = [], []
    number = last_number(host)
    for index in numbers:
        begun = time.perf_counter()
        call(index)
        wall = (time.perf_counter() - begun) * 1000
        entries = host.control("log", since=number)["entries"]
        if not entries:
            raise RuntimeError(f"{name}: the call had no command run on the host")
        number = entries[-1]["number"]
        walls.append(wall)
        overheads.append(wall - sum(entry["microseconds"] for entry in entries) / 1000)
        time.sleep(max(0.0, begun + seconds - time.perf_counter()))
    return Figures(name, tuple(walls), tuple(overheads))
