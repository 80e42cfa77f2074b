"""
Run tiers, twice as many at once as there are cores, and close with their sum.

    python -m tests.ci [TIER …]      without a name: what `make test` runs

Much of a tier's time is waiting: for processes to start, for connections to be found dead. The output of
one tier alone passes through as it comes; of several, that of each is shown when it has ended. A tier
that fails, or that ends without the closing line, fails the run; the others still run.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.ci.prepare import prepare
from tests.ci.tiers import REPOSITORY, TEST, TIERS, Tier

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 2 * (os.cpu_count() or 1)
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


@dataclass(frozen=True)
class Outcome:
    """How one tier ended."""

    tier: str
    seconds: float
    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        counts = f"{self.passed:>6} passed {self.failed:>4} failed {self.skipped:>4} skipped"
        return f"  {self.tier:<14}{self.seconds:>7.1f} s {counts}"


def main() -> int:
    """Run the tiers named on the command line; return the exit status."""
    names = sys.argv[1:] or list(TEST)
    unknown = [name for name in names if name not in TIERS]
    if unknown:
        print(f"No such tier: {', '.join(unknown)}. There are: {', '.join(TIERS)}.", file=sys.stderr)
        return 2
    prepare()
    tiers = [TIERS[name] for name in names]
    outcomes = _side_by_side(tiers) if len(tiers) > 1 else [_run(tiers[0], functools.partial(print, flush=True))]
    return _close(outcomes)


def _side_by_side(tiers: list[Tier]) -> list[Outcome]:
    shown = threading.Lock()

    def run(tier: Tier) -> Outcome:
        lines: list[str] = []
        print(f"... {tier.name}", flush=True)
        outcome = _run(tier, lines.append)
        with shown:
            print("\n".join(lines), flush=True)
            print(f"{outcome}", flush=True)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, tiers))


def _run(tier: Tier, tell: Callable[[str], object]) -> Outcome:
    tell(f"\n=== {tier.name}")
    began = time.monotonic()
    if not tier.present:
        tell(f"FAILED  {tier.name}: {' '.join(tier.argv[2:])} is not there")
        return Outcome(tier.name, 0.0, 0, 1, 0)
    closing, status = _stream(tier.argv, tell)
    seconds = time.monotonic() - began
    if closing is None:
        tell(f"FAILED  {tier.name}: ended with status {status} and no closing line")
        return Outcome(tier.name, seconds, 0, 1, 0)
    passed, failed, skipped = closing
    if status != 0 and failed == 0:
        tell(f"FAILED  {tier.name}: ended with status {status}")
        failed = 1
    return Outcome(tier.name, seconds, passed, failed, skipped)


def _stream(argv: tuple[str, ...], tell: Callable[[str], object]) -> tuple[tuple[int, int, int] | None, int]:
    """Run a command, pass its output on line by line, and return its last closing line and its exit status."""
    closing = None
    with subprocess.Popen(
        argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            tell(line.rstrip("\n"))
            if match := CLOSING.match(line.rstrip()):
                closing = (int(match[1]), int(match[2]), int(match[3]))
    return closing, process.returncode


def _close(outcomes: list[Outcome]) -> int:
    print("\n=== seconds per tier", flush=True)
    for outcome in outcomes:
        print(outcome)
    passed, failed, skipped = (
        sum(getattr(outcome, count) for outcome in outcomes) for count in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
