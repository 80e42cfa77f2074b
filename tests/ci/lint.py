"""
Run every linter, offline, and count them.

    python -m tests.ci.lint
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.ci.cache import cache_directory
from tests.harness.tally import Tally

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TIMEOUT = 300

LINTERS = {
    "ruff": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "--output-format=concise", "."),
    "mypy": ("mypy", "--no-error-summary"),
    "import-linter": ("lint-imports", "--no-cache"),
    "ansible-lint": ("ansible-lint", "--offline", "--profile=production", "--strict", "--nocolor", "-q"),
}


def main() -> int:
    """Run all linters even when one complains; the exit status is 0 when none did."""
    tally = Tally()
    for name, argv in LINTERS.items():
        tally.check(f"lint: {name}", _complaint(argv))
    return tally.close()


def _complaint(argv: tuple[str, ...]) -> str | None:
    """What the linter said, or None when it was content."""
    command = [str(BIN / argv[0]), *argv[1:]]
    try:
        result = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=_environment(),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {TIMEOUT} s"
    return None if result.returncode == 0 else f"status {result.returncode}\n{result.stdout}"


def _environment() -> dict[str, str]:
    """
    The caches go outside the tree, and Ansible's own settings are set aside.

    The collection is looked up in the tree alone, so an installed copy cannot hide a mistake.
    """
    cache = cache_directory("lint")
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **own,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_HOME": str(cache / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
        "ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles"),
        "MYPY_CACHE_DIR": str(cache / "mypy"),
        "RUFF_CACHE_DIR": str(cache / "ruff"),
        "XDG_CACHE_HOME": str(cache / "xdg"),
    }


if __name__ == "__main__":
    sys.exit(main())
