# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Keys of encrypted volumes: which one is needed when, and what zfs reads of it. Pure.

A clone shares its origin's encryption root, for good. So a key is loaded for the root, and serves
every volume of that family.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Optional

from .._secrets import Secret
from .._state import ShowDevice, Step, UnlockVolume
from ..errors import HostError
from .model import Encryption, Volume

OPTION = "encryption_key"
CIPHERS = tuple(f"aes-{bits}-{mode}" for mode in ("ccm", "gcm") for bits in (128, 192, 256))
KEYFORMATS = ("passphrase", "hex", "raw")
RAW_BYTES = 32
SHORTEST_PASSPHRASE, LONGEST_PASSPHRASE = 8, 512  # bytes: libzfs_crypto.c

_ON = "aes-256-gcm"  # what encryption=on has meant since OpenZFS 0.8.4
_HEX = re.compile(r"[0-9A-Fa-f]{64}")


def material(secret: Secret, keyformat: str) -> bytes:
    """
    Return what zfs is to read on its standard input; raise `HostError` for what cannot be such a key.

    zfs takes the first line of a passphrase, so there has to be one only; one line end, which files
    tend to have, is none of it. A raw key is given in base64, for secrets are text.
    """
    text = secret.reveal()
    text = text.removesuffix("\n")
    if not text:
        raise _bad(secret, "is empty")
    if keyformat == "raw":
        return _raw(secret, text)
    if keyformat == "hex":
        if not _HEX.fullmatch(text):
            raise _bad(secret, f"is no hex key: that has {2 * RAW_BYTES} hexadecimal digits")
        return text.encode("ascii") + b"\n"
    return _passphrase(secret, text)


def _passphrase(secret: Secret, text: str) -> bytes:
    if re.search(r"[\n\0]", text):
        raise _bad(secret, "is no passphrase: it holds a line end or a NUL")
    said = text.encode("utf-8", "surrogatepass")
    if not SHORTEST_PASSPHRASE <= len(said) <= LONGEST_PASSPHRASE:
        what = f"it has {len(said)} bytes, allowed are {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE}"
        raise _bad(secret, f"is no passphrase: {what}")
    return said + b"\n"


def _raw(secret: Secret, text: str) -> bytes:
    try:
        said = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _bad(secret, "is no raw key: it is not base64") from None
    if len(said) != RAW_BYTES:
        raise _bad(secret, f"is no raw key: it has {len(said)} bytes once base64 is undone, not {RAW_BYTES}")
    return said


def _bad(secret: Secret, problem: str) -> HostError:
    return HostError("invalid", f"{OPTION}: the secret {secret.name!a} {problem}", option=OPTION)


def needed(volume: Volume, secret: Optional[Secret]) -> Secret:
    """Return the secret, if it can be this volume's key; raise `HostError` otherwise."""
    encryption = volume.parameters.encryption
    if encryption is None:
        raise ValueError(f"{volume.dataset} has no key")
    if secret is None:
        raise HostError(
            "invalid",
            f"{OPTION}: volume {volume.name!a} is encrypted, and this needs its key, but none was given; "
            "have the StorageClass name the secret that holds it, or load the key with zfs load-key",
            option=OPTION,
        )
    material(secret, encryption.keyformat)
    return secret


def to_publish(volume: Volume, secret: Optional[Secret], *, new: bool) -> tuple[Step, ...]:
    """
    Return what has to be done before a volume's device can be exported.

    Whoever publishes has to know the key, even if it is loaded. A publication that exists needs it
    only where it is gone, as after a reboot.
    """
    _check_encrypted(volume)
    if volume.parameters.encryption is None:
        _check_parent(volume)
        return ()
    steps: list[Step] = []
    if new or volume.locked:
        steps.append(UnlockVolume(volume, needed(volume, secret), load=True))
    if volume.shares_key:
        steps.append(ShowDevice(volume))
    return tuple(steps)


def to_resize(volume: Volume, secret: Optional[Secret]) -> tuple[Step, ...]:
    """Return what has to be done before a volume can be given another size."""
    if volume.parameters.encryption is None or not volume.locked:
        return ()
    return (UnlockVolume(volume, needed(volume, secret), load=True),)


def to_clone(clone: Volume, source: Volume, secret: Optional[Secret], *, finish: bool) -> tuple[Step, ...]:
    """Return what has to be done before a volume is cloned; raise `HostError` unless it can be encrypted as wanted."""
    _check_encrypted(source)
    wanted, there = clone.parameters.encryption, source.parameters.encryption
    if _kind(wanted) != _kind(there):
        raise HostError(
            "unsupported",
            f"encryption: a clone shares its source's encryption, which is {_told(there)}, not {_told(wanted)}; "
            "use a StorageClass that asks for the same",
            option="encryption",
            expected=_told(wanted),
            actual=_told(there),
        )
    return () if wanted is None else (UnlockVolume(clone, needed(clone, secret), load=finish),)


def _check_encrypted(volume: Volume) -> None:
    """Raise `HostError` for one that was asked to be encrypted and, by whatever was done to it, is not."""
    if volume.parameters.encryption is not None and not volume.root:
        msg = f"{volume.dataset} was made encrypted and is not encrypted now; it was left alone"
        raise HostError("degraded", msg)


def _check_parent(volume: Volume) -> None:
    """Raise `HostError` for one that has its key from the dataset it lies below, where that is not loaded."""
    if volume.locked:
        msg = f"{volume.dataset} cannot be read, for the key of {volume.root} is not loaded: zfs load-key {volume.root}"
        raise HostError("degraded", msg)


def _kind(encryption: Optional[Encryption]) -> tuple[str, str]:
    if encryption is None:
        return ("off", "")
    return (_ON if encryption.cipher == "on" else encryption.cipher, encryption.keyformat)


def _told(encryption: Optional[Encryption]) -> str:
    return " with keyformat ".join(part for part in _kind(encryption) if part)
