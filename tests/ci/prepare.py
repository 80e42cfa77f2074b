"""
Install the system packages the tests use, where that can be done without asking anybody.

That is: as root on a system with apt-get, or anywhere the package is already there. Elsewhere
each missing command is named with what will be skipped for want of it. `NO_INSTALL=1` in the
environment forbids installing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
APT_TIMEOUT = 300


@dataclass(frozen=True)
class Need:
    """A command, the Debian package that brings it, and what is not tried without it."""

    command: str
    package: str
    purpose: str


NEEDS = (
    Need("ssh", "openssh-client", "everything that reaches a storage host"),
    Need("sshd", "openssh-server", "the runs over OpenSSH's server (the embedded one is used alone)"),
    Need("losetup", "mount", "attaching volumes as block devices"),
    Need("blkid", "util-linux", "recognising filesystems"),
    Need("mkfs.ext4", "e2fsprogs", "formatting ext4"),
    Need("mkfs.xfs", "xfsprogs", "formatting xfs"),
)


def missing() -> list[Need]:
    """The needs this machine does not meet."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_DIRECTORIES))
    return [need for need in NEEDS if shutil.which(need.command, path=path) is None]


def prepare() -> None:
    """Install what is missing if possible; say loudly what still is."""
    lacking = missing()
    if lacking and _may_install():
        _install(sorted({need.package for need in lacking}))
        lacking = missing()
    for need in lacking:
        print(f"MISSING {need.command} (Debian: {need.package}): without it no {need.purpose}", flush=True)


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and not os.environ.get("NO_INSTALL")


def _install(packages: list[str]) -> None:
    print(f"Installing {' '.join(packages)} …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    for argv in (install, ["apt-get", "update", "--quiet"], install):
        result = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            text=True,
            timeout=APT_TIMEOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        if argv is install and result.returncode == 0:
            return
    print(result.stdout + result.stderr, flush=True)
