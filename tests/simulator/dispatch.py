"""Executes one call: faults before and after, the lock, the log, and loud failure for what is not modelled."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable

from tests.simulator.faults import Fault
from tests.simulator.machine import Machine
from tests.simulator.registry import COMMANDS, Call, Result, Unmodelled

UNMODELLED_STATUS = 2
DEFECT_STATUS = 70


class ClientGone(Exception):
    """The client process was killed by a fault; nobody is left to be answered."""


Actor = Callable[[Fault, Call], Result | None]
"""Carries out a fault: a Result replaces the command's, None lets it go on; may raise ClientGone."""


def execute(machine: Machine, call: Call, act: Actor | None = None) -> Result:
    """Run one call to its result; raises ClientGone only."""
    start = time.time()
    clock = time.perf_counter()
    result, outcome, text = _run(machine, call, act or fail_only)
    machine.log.add(call, result.rc, start, time.perf_counter() - clock, outcome, text)
    if outcome == "gone":
        raise ClientGone
    return result


def _run(machine: Machine, call: Call, act: Actor) -> tuple[Result, str, str]:
    try:
        if (replaced := _fault(machine, call, "before", act)) is not None:
            return replaced, "fault", ""
        result = _handle(machine, call)
        if (replaced := _fault(machine, call, "after", act)) is not None:
            return replaced, "fault", ""
        return result, "ok", ""
    except Unmodelled as error:
        text = f"simulator: {' '.join(call.argv)}: {error} is not modelled"
        return Result(UNMODELLED_STATUS, err=text + "\n"), "unmodelled", text
    except ClientGone:
        return Result(-1), "gone", ""
    except Exception:  # noqa: BLE001 - a defect of the simulator must reach the test that met it, whatever it is
        text = traceback.format_exc()
        return Result(DEFECT_STATUS, err=f"simulator: defect in {call.name}\n{text}"), "defect", text


def _handle(machine: Machine, call: Call) -> Result:
    entry = COMMANDS.get(call.name)
    if entry is None:
        raise Unmodelled("the command")
    with machine.storage.transaction() if entry.exclusive else contextlib.nullcontext():
        return entry.handler(machine, call)


def _fault(machine: Machine, call: Call, when: str, act: Actor) -> Result | None:
    attributes = {"command": call.name, "argv": " ".join(call.argv), "when": when, "user": call.user}
    fault = machine.faults.take("command", **attributes)
    return None if fault is None else act(fault, call)


def fail_only(fault: Fault, _call: Call) -> Result | None:
    """The faults that need no process or connection: ``fail`` with the given ``rc``, ``out`` and ``err``."""
    if fault.action != "fail":
        raise ValueError(f"unknown fault action {fault.action!r}")
    rc = fault.extra.get("rc", 1)
    assert isinstance(rc, int)
    return Result(rc, str(fault.extra.get("out", "")), str(fault.extra.get("err", "simulator: injected failure\n")))
