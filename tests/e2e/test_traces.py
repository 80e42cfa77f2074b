"""The watch finds what it is to find; else its silence would mean nothing."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.e2e.traces import Watch

if TYPE_CHECKING:
    from pathlib import Path

WAIT = "import time; time.sleep(30)"


def test_a_secret_is_found_in_arguments_environment_and_files(tmp_path: Path) -> None:
    """Even if it is there for a moment only."""
    secret = secrets.token_hex(16)
    with Watch([secret], tmp_path) as watch:
        assert not watch.found
        (tmp_path / "file").write_text(f"the key is {secret}")
        shown = subprocess.Popen([sys.executable, "-c", WAIT, secret])
        kept = subprocess.Popen([sys.executable, "-c", WAIT], env={**os.environ, "KEY": secret})
        wanted = {f"/proc/{shown.pid}/cmdline", f"/proc/{kept.pid}/environ", str(tmp_path / "file")}
        try:
            while not wanted <= watch.found:
                shown.poll()
        finally:
            for process in (shown, kept):
                process.kill()
                process.wait()
    assert wanted <= watch.found
