"""
Small disks for what a storage host writes beside ZFS, so that they can be filled.

They are there before the host starts: its SSH server has mounts of its own, and sees no later ones.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.stack import mounts_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stack import Stack

SIZE = "256k"


def places(stack: Stack) -> list[Path]:
    """Where ctl.conf lies on the host, and what it includes."""
    root = stack.host.root
    return [root / "etc", root / "usr/local/etc/freebsd-storage/ctl"]


def can_be() -> bool:
    """Whether this process may mount a disk: that takes Linux and root."""
    with tempfile.TemporaryDirectory() as place:
        if sys.platform != "linux" or _mount(Path(place)) != 0:
            return False
        subprocess.run(["umount", place], check=True)
        return True


@contextlib.contextmanager
def put_in(stack: Stack) -> Iterator[None]:
    """Give the host, which must not run yet, its disks, if that can be; take them away when it has stopped."""
    try:
        if can_be():
            for place in places(stack):
                place.mkdir(parents=True)
                if _mount(place) != 0:
                    raise OSError(f"no disk can be mounted at {place}")
        yield
    finally:
        for path in reversed(mounts_below(stack.directory)):
            subprocess.run(["umount", path], check=True)
        shutil.rmtree(stack.directory, ignore_errors=True)


def _mount(place: Path) -> int:
    argv = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none", str(place)]
    return subprocess.run(argv, check=False, capture_output=True).returncode
