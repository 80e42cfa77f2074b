"""What the driver takes: memory and descriptors while it works, and everything else when it has nothing to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from csi_driver.orchestrator.worker_process import MARK
from tests.bench.processes import megabytes, ours, resident_megabytes
from tests.harness.driver import DriverError
from tests.harness.stack import Stack
from tests.soak.troubles import worker
from tests.warm import processes
from tests.warm.storage import alive, descriptors, reading

SAMPLE_SECONDS = 2.0
# Python gives back memory in arenas, of which one use keeps the whole, and threads come with the load: what is flat
# wanders about so much. A leak of one request in each operation is more within minutes.
WANDER_FACTOR, WANDER_MEGABYTES = 1.15, 6.0
# Runs are forked and end: how many there are when one looks varies, and each has a few megabytes of its own.
ALL_FACTOR, ALL_MEGABYTES = 1.5, 60.0
# Each user has a connection as soon as he has something to ask. What stays open shows when nothing is asked.
WANDER_DESCRIPTORS = 60
LEAST_SAMPLES = 6
ALL = "all together"


@dataclass(frozen=True)
class Sample:
    """One look: who was there, and how much each had."""

    at: float
    pids: dict[str, int]
    megabytes: dict[str, float]
    descriptors: dict[str, int]


class Footprint:
    """Looks at the driver's processes now and then; remembers what they called their own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.samples: list[Sample] = []
        self.seen: dict[int, str] = {}
        self.directories: set[Path] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                self.samples.append(self._sample())
            except (DriverError, OSError, AssertionError, LookupError):
                continue  # killed while it was looked at

    def _sample(self) -> Sample:
        found = self._everything()
        self.seen |= {pid: reading(pid) for pid in found}
        self.directories |= set(_directories(found))
        lasting = dict(_lasting(self._stack))
        sizes = {name: resident_megabytes(pid) for name, pid in lasting.items()}
        return Sample(
            time.monotonic(),
            lasting,
            {**sizes, ALL: megabytes(found)},
            {name: descriptors(pid) for name, pid in lasting.items()},
        )

    def _everything(self) -> list[int]:
        hosts = [host._process.pid for host in self._stack.hosts.values() if host._process is not None]
        drivers = [driver.pid for driver in self._stack.drivers.values()]
        return sorted({pid for driver in drivers for host in hosts for pid in ours(driver, host)})

    def idle(self) -> dict[str, int]:
        """Everything that could grow, while nothing is asked: the most of a few looks, as pools are refilled."""
        looks = []
        for _ in range(4):
            found = [pid for pid in self._everything() if alive(pid)]
            counted = {f"descriptors of the {name}": descriptors(pid) for name, pid in _lasting(self._stack)}
            looks.append({"processes": len(found), "files of the driver": self._files(found), **counted})
            time.sleep(0.5)
        return {what: max(look[what] for look in looks) for what in looks[0]}

    def _files(self, found: list[int]) -> int:
        return len({path for directory in _directories(found) for path in directory.rglob("*")})

    def left(self) -> list[str]:
        """What is still there of a driver that has ended, and of all that were before it."""
        return [
            *(
                f"process {pid}: {what}"
                for pid, what in sorted(self.seen.items())
                if alive(pid) and reading(pid) == what
            ),
            *(f"{path}" for path in sorted(self.directories) if path.exists()),
        ]

    def grown(self, since: float) -> list[str]:
        """Whether anything of the processes that were there all the time since a moment became more, after a while."""
        lasting = [sample for sample in self.samples if sample.at >= since]
        lasting = [sample for sample in lasting if sample.pids == lasting[-1].pids]
        third = len(lasting) // 3
        if third < LEAST_SAMPLES // 2:
            return [f"only {len(lasting)} looks at processes that lasted"]
        return list(_differences(lasting[third : 2 * third], lasting[2 * third :]))


def _differences(early: list[Sample], late: list[Sample]) -> Iterator[str]:
    for name in early[0].megabytes:
        factor, more = (ALL_FACTOR, ALL_MEGABYTES) if name == ALL else (WANDER_FACTOR, WANDER_MEGABYTES)
        before, after = (sum(one.megabytes[name] for one in some) / len(some) for some in (early, late))
        if after > before * factor + more:
            yield f"{name}: {before:.0f} MB became {after:.0f} MB"
    for name in early[0].descriptors:
        before, after = (max(one.descriptors[name] for one in some) for some in (early, late))
        if after > before + WANDER_DESCRIPTORS:
            yield f"{name}: at most {before} descriptors, later {after}"


def _lasting(stack: Stack) -> Iterator[tuple[str, int]]:
    """The processes that are there as long as the driver is."""
    yield from ((role, driver.pid) for role, driver in stack.drivers.items())
    found = worker(stack)
    if found is not None:
        yield "worker", found.pid


def _directories(found: list[int]) -> Iterator[Path]:
    """The private directories that processes name in their environment, and those in which these lie."""
    for pid in found:
        for mark in processes.marks(pid):
            directory = Path(mark.removeprefix(f"{MARK}="))
            yield from (directory, directory.parent) if directory.parent.name.startswith("csi-") else (directory,)
