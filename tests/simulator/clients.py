"""Fills DIR/bin: one client executable per simulated command, and a python3 that believes it runs on FreeBSD."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.simulator import registry
from tests.simulator.machine import Machine

_SOURCE = Path(__file__).with_name("client.c")
_FALLBACK = Path(__file__).with_name("client.py")
_PYTHON_NAMES = ("python3", "python3.11")
GUARDED = (
    "camcontrol",
    "ctladm",
    "ctld",
    "chpass",
    "diskinfo",
    "doas",
    "fsck_ffs",
    "fstyp",
    "geom",
    "gmultipath",
    "gpart",
    "growfs",
    "iscsictl",
    "iscsid",
    "jail",
    "kldload",
    "kldunload",
    "mdconfig",
    "mdo",
    "mount",
    "mount_nfs",
    "mountd",
    "newfs",
    "nfsd",
    "nvmecontrol",
    "pfctl",
    "pkg",
    "pw",
    "reboot",
    "service",
    "showmount",
    "shutdown",
    "sudo",
    "sysrc",
    "umount",
    "visudo",
    "zdb",
    "zfs",
    "zpool",
)
"""Commands that must never fall through to the machine's own: where nobody simulates them, they fail loudly."""


def install(machine: Machine, *, compiled: bool | None = None) -> Path:
    """Make DIR/bin for every registered command; ``compiled`` None means: when there is a compiler. Returns DIR/bin."""
    directory = machine.root / "bin"
    directory.mkdir(parents=True, exist_ok=True)
    client = compile_client() if compiled in (None, True) else None
    if client is None and compiled:
        raise RuntimeError("no C compiler for the simulator's client")
    for name in {*registry.COMMANDS, *GUARDED}:
        _install_client(machine, directory / name, client)
    _install_python(machine, directory)
    return directory


def _install_client(machine: Machine, target: Path, client: Path | None) -> None:
    target.unlink(missing_ok=True)
    if client is not None:
        shutil.copyfile(client, target)
    else:
        python = sys.executable
        command = f'exec "{python}" -I -S "{_FALLBACK}" "{machine.root}" {target.name} "$@"'
        target.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    target.chmod(0o755)


def compile_client() -> Path | None:
    """The compiled client from a cache outside the tree; None without a working compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    digest = hashlib.sha256(_SOURCE.read_bytes() + compiler.encode()).hexdigest()[:16]
    target = _cache() / f"client-{digest}"
    if target.exists():
        return target
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    done = subprocess.run(
        [compiler, "-D_GNU_SOURCE", "-O2", "-o", str(fresh), str(_SOURCE)], check=False, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        return None
    fresh.replace(target)
    return target


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "freebsd-simulator"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="freebsd-simulator-"))
    return path


_SITE = '''"""Lets Python programs on the simulated host see FreeBSD {release} on {hostname}."""

import os

_FIELDS = ("FreeBSD", "{hostname}", "{uname_release}", "FreeBSD {uname_release} releng/{release} GENERIC", "amd64")
os.uname = lambda: os.uname_result(_FIELDS)
'''


def _install_python(machine: Machine, directory: Path) -> None:
    """The base interpreter, not a virtual environment's: no package of ours may be found there by accident."""
    site = machine.root / "libexec" / "python"
    site.mkdir(parents=True, exist_ok=True)
    text = _SITE.format(
        release=machine.release.name, hostname=machine.hostname, uname_release=machine.release.uname_release
    )
    (site / "sitecustomize.py").write_text(text, encoding="utf-8")
    interpreter = getattr(sys, "_base_executable", sys.executable) or sys.executable
    script = f'#!/bin/sh\nPYTHONPATH="{site}" exec "{interpreter}" "$@"\n'
    for name in _PYTHON_NAMES:
        _install_script(directory / name, script)


def _install_script(target: Path, text: str) -> None:
    target.unlink(missing_ok=True)
    target.write_text(text, encoding="utf-8")
    target.chmod(0o755)
