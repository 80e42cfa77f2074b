"""What goes wrong meanwhile: one trouble after the other, at random, until there is to be peace."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.harness.stack import Stack
from tests.simulator.host import SimulatedHost
from tests.warm import processes

# What takes effect at a command of the host takes it at one of the next so many: those of a run or two.
COMMANDS = 25
FILLER = "tank/somebody-else"
POOL_BYTES = 100 << 30
FOREVER = float("inf")


class NothingToHurtError(Exception):
    """What the trouble is for is not there at this moment."""


@dataclass(frozen=True)
class Trouble:
    """How often it comes compared with others; whether it ends processes of ours, by which their memory is new."""

    weight: int
    cause: Callable[[Troubles, SimulatedHost], None]
    ours: bool = False


class Troubles:
    """A thread that makes trouble about every `pause` seconds; `calm` says to leave our own processes alone."""

    def __init__(self, stack: Stack, random: Random, pause: float) -> None:
        self.stack = stack
        self.random = random
        self.calm = False
        self.happened: Counter[str] = Counter()
        self.problems: list[str] = []
        self._pause = pause
        self._short: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to make trouble."""
        self._over.clear()
        self._thread = threading.Thread(target=self._make, name="troubles")
        self._thread.start()

    def wane(self) -> None:
        """Make no new trouble; what is armed may still happen."""
        self._over.set()

    def stop(self) -> None:
        """Have peace: everything runs, nothing more is going to happen."""
        self.wane()
        if self._thread is not None:
            self._thread.join()
        for host in self.stack.hosts.values():
            host.control("clear-faults")

    def scarce(self, since: float) -> bool:
        """Whether there was no room at some time since that moment."""
        return any(end >= since for _, end in self._short)

    def _make(self) -> None:
        while not self._over.wait(self.random.expovariate(1 / self._pause)):
            chosen = {name: one for name, one in TROUBLES.items() if not (self.calm and one.ours)}
            name = self.random.choices(list(chosen), [one.weight for one in chosen.values()])[0]
            host = self.random.choice(list(self.stack.hosts.values()))
            try:
                chosen[name].cause(self, host)
            except NothingToHurtError:
                continue
            except Exception as error:  # noqa: BLE001 - trouble that cannot be made is a finding, and no end
                self.problems.append(f"{name}: {type(error).__name__}: {error}")
            self.happened[name] += 1

    # The troubles

    def at_a_command(self, host: SimulatedHost, *, action: str, seconds: float = 0.0) -> None:
        """Before or after the effect of some command."""
        number, when = self.random.randint(1, COMMANDS), self.random.choice(["before", "after"])
        host.control("fault", nth=number, when=when, action=action, seconds=seconds)

    def reload(self, host: SimulatedHost, *, action: str) -> None:
        """The next reload of ctld is lost, or comes late."""
        host.control("fault", point="ctld.reload", action=action, ms=self.random.randint(200, 3000))

    def no_room(self, host: SimulatedHost) -> None:
        """Somebody takes nearly all that is left in the pool, and gives it back."""
        here = [time.monotonic(), FOREVER]
        self._short.append((here[0], here[1]))
        free = int(host.run("zfs", "get", "-Hpo", "value", "available", "tank")["out"])
        reservation = f"reservation={free - (self.random.randint(1, 16) << 20)}"
        told = host.run("zfs", "create", "-o", reservation, FILLER)
        self._over.wait(self.random.uniform(1, 6))
        gone = host.run("zfs", "destroy", FILLER)
        # What is under way now may still have been planned without room.
        self._short[-1] = (here[0], time.monotonic() + 15)
        if told["rc"] or gone["rc"]:
            raise RuntimeError(f"{told}, {gone}")

    def no_pool(self, host: SimulatedHost) -> None:
        """The pool is not imported for a while, as after a reboot without one of its disks."""
        host.control("pool", name="tank", imported=False)
        self._over.wait(self.random.uniform(0.5, 3))
        host.control("pool", name="tank", imported=True)

    def cut_all(self, host: SimulatedHost) -> None:
        """Every SSH connection breaks."""
        host.control("cut")

    def killed(self, _: SimulatedHost, *, find: Callable[[Stack], list[int]]) -> None:
        """SIGKILL."""
        victims = find(self.stack)
        if not victims:
            raise NothingToHurtError
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def restarted(self, _: SimulatedHost, *, role: str, gently: bool = False) -> None:
        """The driver is gone, and is started again."""
        driver = self.stack.drivers[role]
        if gently:
            driver.stop()
        else:
            driver.kill()
        self._over.wait(self.random.uniform(0, 1))
        driver.start()


@dataclass(frozen=True)
class Worker:
    """The worker of the controller that runs now."""

    pid: int


def worker(stack: Stack) -> Worker | None:
    """The controller's worker; None while there is none."""
    found = processes.workers(stack.controller.pid)
    return Worker(found[0]) if found else None


def _worker(stack: Stack) -> list[int]:
    found = worker(stack)
    return [] if found is None else [found.pid]


def _of_the_worker(find: Callable[[Worker], list[int]]) -> Callable[[Stack], list[int]]:
    def victims(stack: Stack) -> list[int]:
        found = worker(stack)
        return [] if found is None else find(found)

    return victims


def _agents(stack: Stack) -> list[int]:
    return [agent for host in stack.hosts.values() for agent in processes.agents(host)]


def _killed(weight: int, find: Callable[[Stack], list[int]]) -> Trouble:
    return Trouble(weight, functools.partial(Troubles.killed, find=find), ours=True)


def _command(weight: int, action: str, seconds: float = 0.0) -> Trouble:
    return Trouble(weight, functools.partial(Troubles.at_a_command, action=action, seconds=seconds))


TROUBLES = {
    "command killed": _command(8, "kill-client"),
    "module killed": _command(8, "kill-module"),
    "command hangs": _command(3, "hang", 3.0),
    "SSH cut": _command(6, "cut"),
    "all SSH cut": Trouble(3, Troubles.cut_all),
    "host reboots": _command(4, "reboot", 0.5),
    "reload lost": Trouble(5, functools.partial(Troubles.reload, action="lost")),
    "reload late": Trouble(5, functools.partial(Troubles.reload, action="late")),
    "no room": Trouble(4, Troubles.no_room),
    "no pool": Trouble(3, Troubles.no_pool),
    "controller killed": Trouble(4, functools.partial(Troubles.restarted, role="controller"), ours=True),
    "controller ended": Trouble(2, functools.partial(Troubles.restarted, role="controller", gently=True), ours=True),
    "node plugin killed": Trouble(2, functools.partial(Troubles.restarted, role="node"), ours=True),
    "worker killed": _killed(3, _worker),
    "fork server killed": _killed(3, _of_the_worker(processes.fork_servers)),
    "runs killed": _killed(3, _of_the_worker(processes.runs)),
    "ssh clients killed": _killed(3, _of_the_worker(processes.channels)),
    "agents killed": _killed(3, _agents),
}
