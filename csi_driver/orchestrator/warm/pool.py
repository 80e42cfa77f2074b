"""
Runs that wait parked for jobs, so that a job finds all but its own work done.

One is kept for every playbook on every host that is used, one more while they do not suffice. None gets
old: what a run has read of playbooks, inventory and collection is as old as the run.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from csi_driver.orchestrator.warm.run import WarmRun

OLDEST_SECONDS = 300.0
# How long a host without jobs keeps its runs, and a playbook whose runs did not suffice one more.
USED_SECONDS = 600.0
SHORT_SECONDS = 20.0
MOST_RUNS = 16
PARK_SECONDS = 20.0

Place = tuple[str, str]


@dataclass
class _Spot:
    """What is known of a playbook on a host: its parked runs, and when it was asked for."""

    runs: list[WarmRun] = field(default_factory=list)
    used: float = 0.0
    missed: float = float("-inf")
    starting: bool = False
    awaited: bool = False

    def first(self, now: float) -> WarmRun | None:
        """Take out the first run that is fit for use."""
        while self.runs:
            run = self.runs.pop(0)
            if not run.ended and now - run.born < OLDEST_SECONDS:
                return run
            run.abandon()
        return None

    def wanted(self, now: float) -> int:
        if now - self.used > USED_SECONDS:
            return 0
        return 2 if now - self.missed < SHORT_SECONDS else 1


class Pool:
    """Parked runs by playbook and host; `start` begins a run. `tend` is for one thread, the rest for all."""

    def __init__(self, start: Callable[[str, str], WarmRun]) -> None:
        self._start = start
        self._lock = threading.Condition()
        self._spots: dict[Place, _Spot] = defaultdict(_Spot)

    def expect(self, playbook: str, host: str) -> None:
        """Keep runs for this from now on."""
        with self._lock:
            self._spots[playbook, host].used = time.monotonic()

    def take(self, playbook: str, host: str) -> WarmRun | None:
        """
        Return a parked run, which is then the caller's, or None.

        One that is just about to be parked is waited for: it is there sooner than another would be.
        """
        now = time.monotonic()
        with self._lock:
            spot = self._spots[playbook, host]
            spot.used = now
            if run := spot.first(now):
                return run
            spot.missed = now
            if not spot.starting or spot.awaited:
                return None
            spot.awaited = True
            self._lock.wait_for(lambda: not spot.starting, PARK_SECONDS)
            spot.awaited = False
            return spot.first(time.monotonic())

    def tend(self) -> bool:
        """Drop what is old and start what is missing; False if a run could not be parked."""
        self._drop()
        while (place := self._short()) is not None:
            spot = self._spots[place]
            spot.starting = True
            parked = False
            try:
                run = self._start(*place)
                parked = run.park(PARK_SECONDS)
            finally:
                with self._lock:
                    spot.starting = False
                    if parked:
                        spot.runs.append(run)
                    self._lock.notify_all()
            if not parked:
                run.abandon()
                return False
        return True

    def clear(self) -> None:
        """Drop all parked runs; what is expected stays."""
        with self._lock:
            runs = [run for spot in self._spots.values() for run in spot.runs]
            for spot in self._spots.values():
                spot.runs = []
        for run in runs:
            run.abandon()

    def _drop(self) -> None:
        now = time.monotonic()
        with self._lock:
            for spot in self._spots.values():
                kept = [run for run in spot.runs if not run.ended and now - run.born < OLDEST_SECONDS]
                kept = kept[: spot.wanted(now)]
                dropped = [run for run in spot.runs if run not in kept]
                spot.runs = kept
                for run in dropped:
                    run.abandon()

    def _short(self) -> Place | None:
        """Return the place most lately used that has fewer runs than it should."""
        now = time.monotonic()
        with self._lock:
            if sum(len(spot.runs) for spot in self._spots.values()) >= MOST_RUNS:
                return None
            short = [place for place, spot in self._spots.items() if len(spot.runs) < spot.wanted(now)]
            # An empty place before one that only wants a second run.
            return min(short, key=lambda place: (len(self._spots[place].runs), -self._spots[place].used), default=None)
