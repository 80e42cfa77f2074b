"""
The keys of encrypted volumes, which come with the requests that need them.

Whether a text can be a key, and is the right one, is for the storage host to say: it knows how
the volume was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import EncryptionKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.storage.model import VolumeSpec

ENTRY = "encryptionKey"
"""The entry of a Kubernetes Secret that holds the key."""


def given(secrets: Mapping[str, str]) -> EncryptionKey | None:
    """Return the key among the secrets of a request."""
    return EncryptionKey(secrets[ENTRY]) if ENTRY in secrets else None


def check(spec: VolumeSpec, key: EncryptionKey | None, *, declined: bool) -> None:
    """
    Refuse a volume that would be encrypted without a key, or not be encrypted although there is one.

    `declined`: the StorageClass says that there is to be no encryption.
    """
    if spec.encryption is not None and key is None:
        message = (
            f"secrets.{ENTRY}: required by the StorageClass parameter 'encryption', but not given; name a Secret with "
            f"the entry {ENTRY} by csi.storage.k8s.io/provisioner-secret-name and -namespace"
        )
        raise DriverError(ErrorCode.INVALID, message, option=f"secrets.{ENTRY}")
    if spec.encryption is None and key is not None and not declined:
        message = (
            f"secrets.{ENTRY}: given, but the StorageClass does not ask for encryption; set its parameter "
            "'encryption', to 'off' if the volume is not to be encrypted"
        )
        raise DriverError(ErrorCode.INVALID, message, option=f"secrets.{ENTRY}")
