"""
Run a command on a copy of this very machine that is thrown away: a mount namespace whose root is an overlay in memory.

    python -m tests.molecule.throwaway COMMAND …

Whatever the command writes is gone when it ends. Processes, the network and the kernel are the machine's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_KERNELS = ("proc", "sys", "dev")
_CONTAINER = "CSI_THROWAWAY"  # set inside


def why_not() -> str | None:
    """Why this machine cannot do it, or None."""
    if os.geteuid() != 0:
        return "it needs root"
    done = subprocess.run(
        [sys.executable, "-m", "tests.molecule.throwaway", "true"],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return None if done.returncode == 0 else f"no overlay can be made: {done.stderr.strip()[-200:]}"


def main() -> int:
    """Enter a namespace, then a copy of the root, and become the command."""
    argv = sys.argv[1:]
    if _CONTAINER not in os.environ:
        os.environ[_CONTAINER] = "1"
        entering = ["unshare", "--mount", sys.executable, "-m", "tests.molecule.throwaway"]
        os.execvp("unshare", [*entering, *argv])  # noqa: S606 - it is what is wanted
    root, folder = _overlay(), Path.cwd()
    os.chroot(root)
    os.chdir(folder)
    os.execvp(argv[0], argv)  # noqa: S606 - likewise


def _overlay() -> Path:
    """Mount the copy over a folder that is there anyway; only this namespace sees it."""
    memory = Path("/mnt")
    _mount("-t", "tmpfs", "tmpfs", str(memory))
    upper, work, root = (memory / name for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir()
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", str(root))
    for name in _KERNELS:
        _mount("--rbind", f"/{name}", str(root / name))
    return root


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
