"""One operation, interrupted before and after the effect of each command that it runs on the storage host."""

from __future__ import annotations

import difflib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from tests.faults.operations import Operation, Subject
from tests.faults.world import UNFINISHED, NotHealedError, World, masked

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVER = "driver killed"
# What happens, and how the simulated host is told so.
ACTIONS = {
    "command killed": {"action": "kill-client"},
    "module killed": {"action": "kill-module"},
    "SSH cut": {"action": "cut"},
    "host reboots": {"action": "reboot", "seconds": 0.3},
    DRIVER: {"action": "hang"},
}
MOMENTS = ("before", "after")
FIRING_SECONDS = 60.0


@dataclass(frozen=True)
class Clean:
    """How an operation goes when nothing happens: how many commands, the answer, and what there is afterwards."""

    commands: int
    answer: str
    shape: tuple[str, ...]


@dataclass(frozen=True)
class Interruption:
    """What is to happen at which command."""

    what: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.when} command {self.number}"


def interruptions(commands: int) -> Iterator[Interruption]:
    """Every way at every command."""
    for number in range(1, commands + 1):
        for when in MOMENTS:
            for what in ACTIONS:
                yield Interruption(what, when, number)


def clean_run(world: World, operation: Operation) -> Clean:
    """Run the operation undisturbed, and take everything away again."""
    subject = _prepared(world, operation)
    before = len(world.commands())
    answer = world.until_done(lambda cluster: operation.act(cluster, subject))
    commands = len(world.commands()) - before
    shape = world.shape()
    world.empty()
    return Clean(commands, masked(answer), shape)


def interrupted_run(world: World, operation: Operation, clean: Clean, interruption: Interruption) -> bool:
    """
    Interrupt the operation, repeat it until it succeeds, and compare with the undisturbed run.

    Returns whether the interruption came about: a run may be over sooner. Raises `NotHealedError`.
    """
    subject = _prepared(world, operation)
    world.arm(interruption.number, interruption.when, **ACTIONS[interruption.what])
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_first_answer, world, operation, subject)
        if interruption.what == DRIVER:
            happened = _kill_when_reached(world, first.done)
        status = first.result()
    if interruption.what != DRIVER:
        happened = world.fired()
    world.disarm()
    if status != "OK" and status.partition(":")[0] not in UNFINISHED:
        raise NotHealedError(f"the first answer is {status}: whoever asked believes that nothing was done")
    answer = world.until_done(lambda cluster: operation.act(cluster, subject))
    if masked(answer) != clean.answer:
        raise NotHealedError(f"the answer is {masked(answer)}, undisturbed it is {clean.answer}")
    shape = world.shape()
    if shape != clean.shape:
        difference = difflib.unified_diff(clean.shape, shape, "undisturbed", "interrupted", n=0, lineterm="")
        raise NotHealedError("\n".join(difference))
    world.empty()
    return happened


def _prepared(world: World, operation: Operation) -> Subject:
    subject = Subject()
    world.until_done(lambda cluster: operation.prepare(cluster, subject))
    return subject


def _first_answer(world: World, operation: Operation, subject: Subject) -> str:
    try:
        with world.cluster() as cluster:
            operation.act(cluster, subject)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


def _kill_when_reached(world: World, over: Any) -> bool:
    """Kill the driver while the command hangs, let the command go on without it, and start the driver again."""
    deadline = time.monotonic() + FIRING_SECONDS
    while not (reached := world.fired()) and not over() and time.monotonic() < deadline:
        time.sleep(0.01)
    world.kill_driver()
    world.disarm()
    world.start_driver()
    return reached
