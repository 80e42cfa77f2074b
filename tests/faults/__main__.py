"""
Interrupt every operation at every command, in every way, and show in a table what came of it.

    python -m tests.faults [--operation NAME] [--every N] [--write]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults import report
from tests.faults.boundaries import ACTIONS, Interruption, clean_run, interrupted_run, interruptions
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.world import World
from tests.harness.stack import Stack
from tests.harness.tally import Tally

WIDTH = 110
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


@dataclass
class Row:
    """One operation: its number of commands, how often which interruption healed, and what did not."""

    name: str
    commands: int
    seconds: float = 0.0
    healed: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[Interruption, str]] = field(default_factory=list)


def main() -> int:
    """Run what was chosen; the exit status is 0 when everything healed."""
    arguments = _arguments()
    chosen = [operation for operation in OPERATIONS if arguments.operation in (None, operation.name)]
    tally = Tally()
    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(lambda operation: _run(operation, arguments.every), chosen):
            _count(row, tally)
            rows.append(row)
    Console(width=WIDTH).print(_table(rows))
    if arguments.write:
        report.replace(PAGE, "interruptions", report.table(("operation", "commands", *ACTIONS), map(_cells, rows)))
    return tally.close()


def _run(operation: Operation, every: int) -> Row:
    began = time.monotonic()
    with Stack() as stack:
        row = Row(operation.name, clean_run(World(stack), operation).commands)
    todo = list(interruptions(row.commands))[::every]
    while todo:
        todo = _series(operation, todo, row)
    row.seconds = time.monotonic() - began
    return row


def _series(operation: Operation, todo: list[Interruption], row: Row) -> list[Interruption]:
    """Interrupt on one host until something does not heal; return what is left for a new host."""
    with Stack() as stack:
        world = World(stack)
        clean = clean_run(world, operation)
        for position, interruption in enumerate(todo):
            try:
                happened = interrupted_run(world, operation, clean, interruption)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is looked for
                row.problems.append((interruption, f"{type(error).__name__}: {error}"))
                return todo[position + 1 :]
            row.healed[interruption.what] += happened
    return []


def _count(row: Row, tally: Tally) -> None:
    print(f"== {row.name}: {row.commands} commands, {row.healed.total()} healed, {row.seconds:.0f} s", flush=True)
    tally.passed += row.healed.total()
    for interruption, problem in row.problems:
        tally.check(f"{row.name}: {interruption}", problem)


def _table(rows: list[Row]) -> Table:
    table = Table(title="Interrupted at every command, before and after its effect", expand=True)
    table.add_column("operation", ratio=1)
    table.add_column("commands", justify="right")
    for what in ACTIONS:
        table.add_column(what, justify="right")
    table.add_column("seconds", justify="right")
    for row in rows:
        table.add_row(*_cells(row), f"{row.seconds:.0f}")
    table.caption = "healed, of those that came about"
    return table


def _cells(row: Row) -> tuple[str, ...]:
    failed = Counter(interruption.what for interruption, _ in row.problems)
    healed = (f"{row.healed[what]}" + (f", {failed[what]} not" if failed[what] else "") for what in ACTIONS)
    return row.name, str(row.commands), *healed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--operation", choices=[operation.name for operation in OPERATIONS])
    parser.add_argument("--every", type=int, default=1, help="only every Nth interruption")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
