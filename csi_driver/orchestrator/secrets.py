"""Secrets on their way to a storage host: beside the items of a request, which refer to them by name."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from csi_driver.storage.keys import ENTRY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.orchestrator.lanes import Operation
    from csi_driver.storage.model import Chap, EncryptionKey

_NAME_LENGTH = 16


class Secrets:
    """
    Names secrets so that the same one has the same name, which tells nothing of it.

    So requests that are equal, key and all, share an answer, and others do not.
    """

    def __init__(self) -> None:
        self._salt = os.urandom(32)

    def with_key(self, operation: Operation, key: EncryptionKey | None) -> Operation:
        """Return the operation with the key of its volume."""
        if key is None:
            return operation
        name = self._name(ENTRY, key.text)
        return _with(operation, {"encryption_key": name}, {name: key.text})

    def with_chap(self, operation: Operation, chap: Chap | None) -> Operation:
        """Return the operation with the CHAP secrets of its publication."""
        if chap is None:
            return operation
        secret = self._name("chap", chap.secret)
        told = {"user": chap.user, "secret": secret}
        secrets = {secret: chap.secret}
        if chap.mutual_user:
            mutual = self._name("chap", chap.mutual_secret)
            told |= {"mutual_user": chap.mutual_user, "mutual_secret": mutual}
            secrets[mutual] = chap.mutual_secret
        return _with(operation, {"chap": told}, secrets)

    def _name(self, what: str, secret: str) -> str:
        # A text from protobuf is UTF-8 always.
        digest = hmac.new(self._salt, secret.encode(), hashlib.sha256).hexdigest()
        return f"{what}/{digest[:_NAME_LENGTH]}"


def _with(operation: Operation, options: Mapping[str, object], secrets: Mapping[str, str]) -> Operation:
    resource = {**operation.resource, **options}
    return replace(operation, resource=resource, secrets={**operation.secrets, **secrets})
