"""From the file behind a LUN to a block device: a loop device, or without root the file itself."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

_SYSTEM = "/usr/sbin:/sbin:/usr/bin:/bin"
_ATTEMPTS = 20


class AttachError(Exception):
    """The device could not be made."""


def attach(lun: dict[str, Any]) -> str:
    """Return the path of a device that shows the LUN."""
    if os.geteuid() != 0:
        return str(lun["path"])
    flags = ["-b", str(lun["blocksize"]), *(["-r"] if lun["readonly"] else [])]
    problem = ""
    for attempt in range(_ATTEMPTS):
        # `--find` and the attaching are two steps, and several processes do this at once.
        result = _run("losetup", "--find", "--show", *flags, lun["path"])
        if result.returncode == 0:
            device = result.stdout.strip()
            if not lun["readonly"]:
                _run("blockdev", "--setrw", device)  # a flag that survives an earlier use of it
            return device
        problem = result.stderr.strip()
        time.sleep(0.02 * (attempt + 1))
    raise AttachError(problem)


def release(device: str) -> None:
    """Let go of a loop device; one that is mounted goes when it is unmounted."""
    if device.startswith("/dev/loop"):
        _run("losetup", "--detach", device)


def resize(device: str) -> None:
    """Let a loop device show the new size of its file."""
    if device.startswith("/dev/loop"):
        result = _run("losetup", "--set-capacity", device)
        if result.returncode != 0:
            raise AttachError(f"{device} does not take its file's new size: {result.stderr.strip()}")


def serial_page(serial: str) -> bytes:
    """Return the unit serial number page (SPC-4, 7.8.15) as ctl(4) fills it in."""
    text = serial.encode("ascii").ljust(16)
    return bytes([0, 0x80]) + len(text).to_bytes(2, "big") + text


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": _SYSTEM, "LC_ALL": "C"}
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
