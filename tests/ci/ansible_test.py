"""
Run the collection's own tests as ansible-test does, on a copy where it wants the collection to lie.

    python -m tests.ci.ansible_test

Each sanity test counts, and the unit tests as one. What ansible-test cannot do on this machine, or without fetching its
requirements, is skipped with what it says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ci.tiers import COLLECTION, REPOSITORY
from tests.harness.tally import Tally

ANSIBLE_TEST = Path(sys.executable).parent / "ansible-test"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TIMEOUT = 900
# What the built collection does not have: its tests on the simulated host need the repository.
LEFT_BEHIND = ("simulated", "__pycache__", "output")
SKIPPED = re.compile(r"^(?:WARNING: )?(Skipping sanity test .*)$", re.MULTILINE)
UNFETCHED = re.compile(
    r"Could not find a version|Failed to establish a new connection|urlopen error|No matching distribution"
)


def main() -> int:
    """Run everything; the exit status is 0 when nothing failed."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="ansible-test-") as directory:
        home = Path(directory, COLLECTION.partition("/")[2])
        shutil.copytree(REPOSITORY / COLLECTION, home, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
        listed = _run(home, "sanity", "--list-tests")
        names = listed.stdout.split()
        tally.check("ansible-test sanity --list-tests", None if names else listed.stderr)
        for name in names:
            _judge(tally, f"ansible-test sanity {name}", _run(home, "sanity", "--test", name, "--python", PYTHON))
        _judge(tally, "ansible-test units", _run(home, "units", "--venv", "--python", PYTHON))
    return tally.close()


def _judge(tally: Tally, name: str, done: subprocess.CompletedProcess[str]) -> None:
    said = done.stdout + done.stderr
    skipped = SKIPPED.search(said)
    if done.returncode == 0 and skipped:
        tally.skip(name, skipped[1])
    elif done.returncode != 0 and UNFETCHED.search(said):
        tally.skip(name, "its requirements cannot be fetched")
    else:
        tally.check(name, None if done.returncode == 0 else said[-4000:])


def _run(home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [str(ANSIBLE_TEST), *argv, *(() if "--list-tests" in argv else ("--color", "no"))],
        cwd=home,
        env={**own, "PATH": f"{ANSIBLE_TEST.parent}{os.pathsep}{os.environ['PATH']}"},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


if __name__ == "__main__":
    sys.exit(main())
