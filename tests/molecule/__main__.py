"""
Run every molecule scenario, and count its steps.

    python -m tests.molecule
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.harness.tally import Tally
from tests.molecule import throwaway

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTION = "collections/ansible_collections/freebsd/storage"
BIN = Path(sys.executable).parent
TIMEOUT = 1500
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"^(\S+) ➜ (\S+): Executed: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """A folder with scenarios; `kind` is that of the simulated host, None: a copy of this machine."""

    name: str
    folder: str
    kind: str | None
    words: tuple[str, ...] = ()


SUITES = (
    Suite("collection", COLLECTION, "prepared", ("--all",)),
    Suite("storage_host", "roles/storage_host", "bare"),
    Suite("csi_node", "roles/csi_node", None),
)


def main() -> int:
    """Run all suites even when one fails; the exit status is 0 when none did."""
    tally = Tally()
    for suite in SUITES:
        problem = throwaway.why_not() if suite.kind is None else None
        if problem:
            tally.skip(f"molecule: {suite.name}", problem)
        else:
            _run(suite, tally)
    return tally.close()


def _run(suite: Suite, tally: Tally) -> None:
    base = Path(tempfile.mkdtemp(prefix="molecule-", dir="/tmp"))
    prefix = [] if suite.kind else [sys.executable, "-m", "tests.molecule.throwaway", "env", "-C", suite.folder]
    try:
        result = subprocess.run(
            [*prefix, str(BIN / "molecule"), "test", *suite.words],
            cwd=REPOSITORY if prefix else REPOSITORY / suite.folder,
            env=_environment(base, suite),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
    finally:
        shutil.rmtree(base, ignore_errors=True)
    _count(suite, _COLOUR.sub("", result.stdout), result.returncode, tally)


def _count(suite: Suite, output: str, status: int, tally: Tally) -> None:
    """Each step of a scenario counts; molecule sums them up at its end."""
    _before, _heading, summary = output.partition("\nDETAILS")
    steps = _STEP.findall(summary)
    for scenario, step, outcome in steps:
        tally.check(f"molecule: {suite.name} {scenario} {step}", None if outcome == "Successful" else outcome)
    if status != 0 or not steps:
        print(output, flush=True)
        tally.check(f"molecule: {suite.name}", f"status {status}, {len(steps)} steps")


def _environment(base: Path, suite: Suite) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    return {
        **own,
        "ANSIBLE_HOME": str(base / "ansible"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(base / "molecule"),
        "PATH": f"{BIN}{os.pathsep}/usr/local/sbin{os.pathsep}{os.environ['PATH']}",
        "REPOSITORY": str(REPOSITORY),
        "SIMULATED_KIND": suite.kind or "",
        "SIMULATED_ROOT": str(base / "host"),
    }


if __name__ == "__main__":
    sys.exit(main())
