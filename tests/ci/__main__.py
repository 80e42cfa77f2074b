"""
Run tiers one after the other and close with their sum.

    python -m tests.ci [TIER …]      without a name: what `make test` runs

Each tier's output passes through unchanged. A tier that fails, or that ends without the closing
line, fails the run; the others still run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.ci.prepare import prepare
from tests.ci.tiers import REPOSITORY, TEST, TIERS, Tier

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
    outcomes = [_run(TIERS[name]) for name in names]
    return _close(outcomes)


def _run(tier: Tier) -> Outcome:
    print(f"\n=== {tier.name}", flush=True)
    began = time.monotonic()
    if not tier.present:
        print(f"FAILED  {tier.name}: {' '.join(tier.argv[2:])} is not there", flush=True)
        return Outcome(tier.name, 0.0, 0, 1, 0)
    closing, status = _stream(tier.argv)
    seconds = time.monotonic() - began
    if closing is None:
        print(f"FAILED  {tier.name}: ended with status {status} and no closing line", flush=True)
        return Outcome(tier.name, seconds, 0, 1, 0)
    passed, failed, skipped = closing
    if status != 0 and failed == 0:
        print(f"FAILED  {tier.name}: ended with status {status}", flush=True)
        failed = 1
    return Outcome(tier.name, seconds, passed, failed, skipped)


def _stream(argv: tuple[str, ...]) -> tuple[tuple[int, int, int] | None, int]:
    """Run a command, pass its output on, and return its last closing line and its exit status."""
    closing = None
    with subprocess.Popen(
        argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
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
