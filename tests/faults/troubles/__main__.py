"""
Get a storage host into every trouble there is, one by one, and show in a table what came of it.

    python -m tests.faults.troubles [--trouble TEXT] [--release 15.0] [--grammar ucl] [--write]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults import report
from tests.faults.troubles import company, disks, storage, target
from tests.faults.troubles.scene import WATCHED, Scene
from tests.faults.troubles.trial import EVERYWHERE, Answer, Trouble, tried, undisturbed
from tests.harness.stack import Stack
from tests.harness.tally import Tally

Ground = tuple[str, str]

TROUBLES = (*storage.TROUBLES, *target.TROUBLES, *company.TROUBLES)
WIDTH = 150
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reliability.md"
SECTION = "troubles"
HEAD = ("trouble", "asked meanwhile", "answered", "others", "healed by itself")


@dataclass
class Trial:
    """A trouble on one kind of host: the answers, and why it is not as it should be, if so."""

    trouble: Trouble
    ground: Ground
    answers: list[Answer] = field(default_factory=list)
    problem: str | None = None

    def __str__(self) -> str:
        return f"{self.trouble.name} ({' '.join(self.ground)})"


def main() -> int:
    """Try what was chosen; the exit status is 0 when everything was as promised."""
    arguments = _arguments()
    tally = Tally()
    grounds = [ground for ground in EVERYWHERE if arguments.release in (None, ground[0])]
    grounds = [ground for ground in grounds if arguments.grammar in (None, ground[1])]
    chosen = _possible([trouble for trouble in TROUBLES if arguments.trouble in trouble.name], tally)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trials = [trial for found in pool.map(lambda ground: _on(ground, chosen), grounds) for trial in found]
    for trial in trials:
        tally.check(str(trial), trial.problem)
    Console(width=WIDTH).print(_shown(trials))
    if arguments.write:
        report.replace(PAGE, SECTION, report.table(HEAD, _rows(trials, whole=True)))
    return tally.close()


def _possible(troubles: list[Trouble], tally: Tally) -> list[Trouble]:
    impossible = [trouble for trouble in troubles if not trouble.possible()]
    for trouble in impossible:
        tally.skip(trouble.name, "this machine does not allow it")
    return [trouble for trouble in troubles if trouble not in impossible]


def _on(ground: Ground, chosen: list[Trouble]) -> list[Trial]:
    """Try all that can be tried on one kind of host."""
    todo = [Trial(trouble, ground) for trouble in chosen if ground in trouble.grounds]
    done: list[Trial] = []
    while len(done) < len(todo):
        done += _series(ground, todo[len(done) :])
    return done


def _series(ground: Ground, todo: list[Trial]) -> list[Trial]:
    """Try on the same hosts until something is not as promised; return what was tried."""
    expected: dict[tuple[object, ...], tuple[str, ...]] = {}
    release, grammar = ground
    stack = Stack(hosts=2, release=release, grammar=grammar)
    with disks.put_in(stack), stack:
        scene = Scene(stack)
        for position, trial in enumerate(todo):
            _try(scene, trial, expected)
            if trial.problem is not None:
                return todo[: position + 1]
    return todo


def _try(scene: Scene, trial: Trial, expected: dict[tuple[object, ...], tuple[str, ...]]) -> None:
    began = time.monotonic()
    what = (trial.trouble.requests, trial.trouble.attached)
    try:
        if what not in expected:
            expected[what] = undisturbed(scene, trial.trouble)
        trial.answers = tried(scene, trial.trouble, expected[what])
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is looked for
        trial.problem = f"{type(error).__name__}: {error}"
    outcome = "as promised" if trial.problem is None else "NOT as promised"
    print(f"== {trial}: {outcome}, {time.monotonic() - began:.0f} s", flush=True)


def _rows(trials: list[Trial], *, whole: bool) -> list[tuple[str, ...]]:
    """One row for each trouble, with the answers of the first host it was tried on."""
    rows = []
    for trouble in dict.fromkeys(trial.trouble for trial in trials):
        each = [trial for trial in trials if trial.trouble == trouble]
        good = all(trial.problem is None for trial in each)
        answers = each[0].answers
        for position, answer in enumerate(answers):
            first = position == 0
            message = answer.message if whole else answer.message[:60]
            rows.append(
                (
                    f"{trouble.name} ({', '.join(' '.join(trial.ground) for trial in each)})" if first else "",
                    answer.asked,
                    f"{answer.code}: {message}" if message else answer.code,
                    _others(trouble) if first and good else "",
                    ("yes" if good else "NO") if first else "",
                )
            )
        if not answers:
            rows.append((trouble.name, "", "", "", "yes" if good else "NO"))
    return rows


def _others(trouble: Trouble) -> str:
    return "another host, a session" if trouble.spares and WATCHED in trouble.attached else "another host"


def _shown(trials: list[Trial]) -> Table:
    table = Table(title="What can be wrong on a storage host", expand=True, show_lines=False)
    for name, ratio in zip(HEAD, (3, 1, 5, 1, 1), strict=True):
        table.add_column(name, ratio=ratio)
    for row in _rows(trials, whole=False):
        table.add_row(*row)
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.troubles", description=__doc__)
    parser.add_argument("--trouble", default="", help="only those with this in their names")
    parser.add_argument("--release", choices=sorted({ground[0] for ground in EVERYWHERE}))
    parser.add_argument("--grammar", choices=sorted({ground[1] for ground in EVERYWHERE}))
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
