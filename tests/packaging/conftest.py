"""The wheel, and an environment that holds it and what its lock names, far from the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL_TIMEOUT = 240


def run(*argv: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, without this environment's Python settings; return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSIBLE_"))}
    result = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """A folder outside the tree, with a path short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="wheel-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def wheel(outside: Path) -> Path:
    """The wheel, built from the tree with the locked tools."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", outside, REPOSITORY, cwd=outside)
    (built,) = outside.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(outside: Path, wheel: Path) -> Path:
    """The `bin` folder of an environment made from the runtime lock and the wheel, and nothing else."""
    environment = outside / "venv"
    venv.create(environment, with_pip=True, symlinks=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    lock = REPOSITORY / "requirements.lock"
    run(*pip, "--require-hashes", "--only-binary=:all:", "--requirement", lock, cwd=outside)
    run(*pip, "--no-deps", "--no-index", wheel, cwd=outside)
    return environment / "bin"
