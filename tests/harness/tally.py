"""Count what passed, failed and was skipped, and close with the one line every target ends with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ALLOWED_SKIPS = Path(__file__).resolve().parents[1] / "allowed-skips"


@dataclass
class Tally:
    """A running count. With CI=true a skip that `tests/allowed-skips` does not name is a failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def skip(self, name: str, reason: str) -> None:
        """Note that `name` was not tried, and say why, loudly."""
        print(f"SKIPPED {name}: {reason}", flush=True)
        if os.environ.get("CI") == "true" and name not in allowed_skips():
            print(f"FAILED  {name}: skipped in CI but not named in tests/allowed-skips", flush=True)
            self.failed += 1
            return
        self.skipped += 1

    def check(self, name: str, problem: str | None) -> None:
        """Note that `name` passed, or failed because of `problem`."""
        if problem is None:
            self.passed += 1
            return
        print(f"FAILED  {name}: {problem}", flush=True)
        self.failed += 1

    def close(self) -> int:
        """Print the closing line; return the exit status."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return 1 if self.failed or not self.passed else 0


def allowed_skips() -> frozenset[str]:
    """The names in `tests/allowed-skips`: one a line, `name: reason`; `#` begins a comment."""
    if not ALLOWED_SKIPS.exists():
        return frozenset()
    lines = (line.strip() for line in ALLOWED_SKIPS.read_text().splitlines())
    return frozenset(line.split(": ")[0] for line in lines if line and not line.startswith("#"))
