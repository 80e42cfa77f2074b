# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Reads ctld's configuration and puts another in its place, so that a crash leaves what the next run mends.

It is ctl.conf, and with UCL a file of our own that it includes. The file comes first: included or
not, it is whole at any time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple, Optional

from ..errors import HostError
from .conf import Draft, Place
from .ucl import include

STAGED_SUFFIX = ".freebsd-storage"
_PRIVATE = 0o600
_OWNERS, _ANY = 0o700, 0o777
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Files(NamedTuple):
    """
    The configuration as it was read, and where our part of it lies.

    `path` is that of ctl.conf itself, not of a link to it; `digest` None: it does not exist yet.
    """

    path: str
    draft: Draft
    digest: Optional[str]
    place: Place

    @property
    def staged(self) -> str:
        """Where a new ctl.conf is put to be tested; always the same, so that crashes leave one at most."""
        return self.path + STAGED_SUFFIX


def read(path: str, place: Place, *, create: bool = False) -> Files:
    """Read the configuration; `create`: a ctl.conf that does not exist is an empty one."""
    real = str(Path(path).resolve())
    main, own = _content(real), _content(place.file)
    if main is None and not create:
        raise HostError("degraded", f"{path} does not exist; run the role storage_host")
    digest = None if main is None else _digest(main)
    return Files(real, Draft(_text(main or b""), None if own is None else _text(own)), digest, place)


def stage(files: Files, draft: Draft) -> None:
    """Write a new version to where ctld can test it, readable by nobody else."""
    own = files.place
    discard(files)
    if draft.own is not None:
        make_folder(Path(own.file).parent)
        _write(own.staged, draft.own)
    _write(files.staged, draft.main.replace(include(own.file), include(own.staged)))


def swap(files: Files, draft: Draft, *, private: bool = False) -> bool:
    """
    Put a new version in place, on stable storage; ctl.conf keeps its mode and owner.

    `private`: it holds secrets, so nobody but its owner may read it from now on.

    Return False, with ctl.conf as it is, if somebody has edited it since it was read. What is not
    needed any more goes last, for it may be the only one to remember what people named.
    """
    if draft.own is not None and draft.own != files.draft.own:
        make_folder(Path(files.place.file).parent)
        put(files.place.file, files.place.staged, draft.own)
    if draft.main != files.draft.main and not _swap_main(files, draft.main, _OWNERS if private else _ANY):
        return False
    if draft.own is None and files.draft.own is not None:
        remove(files.place.file)
    return True


def parts_of_others(files: Files) -> str:
    """Return what other owners, and the host, have written for UCL."""
    mine = Path(files.place.file)
    others = sorted(path for path in mine.parent.glob("*.conf") if path != mine)
    return "".join(_text(_content(str(path)) or b"") for path in others)


def put(path: str, staged: str, text: str) -> None:
    """Put a file that nobody else may read in place, on stable storage; its folder has to be there."""
    try:
        Path(staged).unlink(missing_ok=True)
        _write(staged, text)
        _flush(staged)
        Path(staged).rename(path)
        _flush_directory(Path(path).parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def remove(path: str) -> None:
    """Remove a file of ours, on stable storage."""
    try:
        Path(path).unlink(missing_ok=True)
        _flush_directory(Path(path).parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder that nobody else may look into, on stable storage, unless it is there."""
    try:
        path.mkdir(mode=_OWNERS)
        _flush_directory(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise _unwritable(str(path), error) from error


def discard(files: Files) -> None:
    """Remove the staged version, if there is one."""
    try:
        Path(files.staged).unlink(missing_ok=True)
        Path(files.place.staged).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(files.staged, error) from error


def _swap_main(files: Files, text: str, mask: int) -> bool:
    path = Path(files.path)
    try:
        Path(files.staged).unlink(missing_ok=True)
        _write(files.staged, text)
        _flush(files.staged, like=path.stat() if files.digest else None, mask=mask)
        now = _content(files.path)
        if (None if now is None else _digest(now)) != files.digest:
            return False
        Path(files.staged).rename(path)
        _flush_directory(path.parent)
    except OSError as error:
        raise _unwritable(files.path, error) from error
    return True


def _content(path: str) -> Optional[bytes]:
    """Return what is in a file, or None where there is none."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise HostError(
            "denied", f"the SSH user may not read {path}: log in as root, or set privilege for this host"
        ) from None
    except OSError as error:
        raise HostError("degraded", f"{path}: {error.strerror}") from error


def _write(path: str, text: str) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, _PRIVATE), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _flush(path: str, like: Optional[os.stat_result] = None, mask: int = _ANY) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mine = os.fstat(descriptor)
        if like is not None and (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        if like is not None:
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode) & mask)
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


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _unwritable(path: str, error: OSError) -> HostError:
    if isinstance(error, PermissionError):
        remedy = "log in as root, or set privilege for this host"
        return HostError("denied", f"the SSH user may not write {path}: {remedy}")
    remedy = "; make room on its filesystem" if error.errno in _FULL else ""
    return HostError("degraded", f"{path} cannot be written: {error.strerror}{remedy}")
