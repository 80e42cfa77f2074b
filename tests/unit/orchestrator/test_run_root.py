from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from csi_driver.orchestrator.run_root import run_root

HOLDER = """
import pathlib, sys, time
from csi_driver.orchestrator.run_root import run_root
with run_root(pathlib.Path(sys.argv[1])) as directory:
    (directory / "inventory").touch()
    print(directory, flush=True)
    time.sleep(60)
"""


def test_it_is_private_and_removed_with_all_it_holds(tmp_path: Path) -> None:
    with run_root(tmp_path) as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "something").touch()
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_driver_that_runs_is_left_alone_and_that_of_a_killed_one_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        others = Path(other.stdout.readline().strip())
        with run_root(tmp_path):
            assert (others / "inventory").exists()
        other.kill()
        other.wait()
    assert others.exists()
    with run_root(tmp_path) as directory:
        assert list(tmp_path.iterdir()) == [directory]


def test_a_directory_that_nobody_locked_is_not_ours_to_remove(tmp_path: Path) -> None:
    foreign = tmp_path / "csi-driver-x"
    foreign.mkdir()
    with run_root(tmp_path):
        assert foreign.exists()
