# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Reads ctl.conf and puts another in its place, so that a crash leaves the one or the other."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from ..errors import HostError

STAGED_SUFFIX = ".freebsd-storage"


class ConfFile(NamedTuple):
    """The configuration as it was read. `path` is that of the file itself, not of a link to it."""

    path: str
    text: str
    digest: str

    @property
    def staged(self) -> str:
        """Where a new version is put to be tested; always the same, so that crashes leave one at most."""
        return self.path + STAGED_SUFFIX


def read(path: str) -> ConfFile:
    """Read the configuration."""
    try:
        real = Path(path).resolve()
        data = real.read_bytes()
    except FileNotFoundError:
        raise HostError("degraded", f"{path} does not exist; run the role storage_host") from None
    except PermissionError:
        raise HostError(
            "denied", f"the SSH user may not read {path}: log in as root, or set privilege for this host"
        ) from None
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}") from error
    return ConfFile(str(real), data.decode("utf-8", "surrogateescape"), _digest(data))


def stage(conf: ConfFile, text: str) -> None:
    """Write a new version beside the configuration, readable by nobody else."""
    try:
        discard(conf)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(conf.staged, flags, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise _unwritable(conf.staged, error) from error


def swap(conf: ConfFile) -> bool:
    """
    Put the staged version in place of the configuration, on stable storage, with mode and owner kept.

    Return False, with nothing changed, if somebody has edited the configuration since it was read.
    """
    try:
        path = Path(conf.path)
        _flush_as(conf.staged, path.stat())
        if _digest(path.read_bytes()) != conf.digest:
            return False
        Path(conf.staged).rename(path)
        _flush_directory(path.parent)
    except OSError as error:
        raise _unwritable(conf.path, error) from error
    return True


def discard(conf: ConfFile) -> None:
    """Remove the staged version, if there is one."""
    Path(conf.staged).unlink(missing_ok=True)


def _flush_as(path: str, like: os.stat_result) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mine = os.fstat(descriptor)
        if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unwritable(path: str, error: OSError) -> HostError:
    if isinstance(error, PermissionError):
        remedy = "log in as root, or set privilege for this host"
        return HostError("denied", f"the SSH user may not write {path}: {remedy}")
    return HostError("degraded", f"{path} cannot be written: {error.strerror}")
