"""Secrets on their way to a storage host: beside the items of a request, which refer to them by name."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from csi_driver.storage.keys import ENTRY

if TYPE_CHECKING:
    from csi_driver.orchestrator.lanes import Operation
    from csi_driver.storage.model import EncryptionKey

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
        # A text from protobuf is UTF-8 always.
        digest = hmac.new(self._salt, key.text.encode(), hashlib.sha256).hexdigest()
        name = f"{ENTRY}/{digest[:_NAME_LENGTH]}"
        resource = {**operation.resource, "encryption_key": name}
        return replace(operation, resource=resource, secrets={name: key.text})
