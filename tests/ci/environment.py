"""
Make `.venv` from the hashed lock, unless it is already what the lock asks for.

    python tests/ci/environment.py

Runs on a bare Python with the standard library only. The environment is keyed by the lock, the
project's metadata and the interpreter; when any of them changes it is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "requirements-dev.lock"
PROJECT = REPOSITORY / "pyproject.toml"
VENV = REPOSITORY / ".venv"
KEY = VENV / "key"


def main() -> int:
    """Make the environment when it is missing or stale; return the exit status."""
    key = _key()
    with Path(__file__).open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two makes at once: the second finds it done
        if KEY.exists() and KEY.read_text() == key:
            return 0
        return _make(key)


def _key() -> str:
    project = tomllib.loads(PROJECT.read_text())["project"]
    parts = (LOCK.read_text(), json.dumps(project), sys.version, sys.executable, str(REPOSITORY))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make(key: str) -> int:
    began = time.monotonic()
    print(f"Making .venv with Python {sys.version.split()[0]} from {LOCK.name} …", flush=True)
    venv.create(VENV, clear=True, with_pip=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for arguments in (
        ["--require-hashes", "--only-binary=:all:", "--requirement", str(LOCK)],
        ["--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY)],
    ):
        result = subprocess.run([*pip, *arguments], check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            print("Installing failed; see pip's message above.", file=sys.stderr)
            return result.returncode
    KEY.write_text(key)
    print(f"Made .venv in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
