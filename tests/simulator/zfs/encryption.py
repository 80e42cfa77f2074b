"""Native encryption: which dataset is the encryption root and whether its key is there."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulator.registry import Unmodelled
from tests.simulator.state import Dataset
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import ZfsError
from tests.simulator.zfs.session import Session


@dataclass(frozen=True)
class Keys:
    """``root`` is the encryption root a new dataset inherits; empty when it is its own."""

    encrypted: bool
    root: str = ""


def for_new(session: Session, name: str, parent: Dataset, properties: dict[str, str]) -> Keys:
    """Decide the encryption of a dataset below ``parent``; raises ZfsError when a key is missing."""
    if properties.get("encryption", "off") != "off" or "keyformat" in properties:
        raise Unmodelled("creating an encryption root")
    if not parent.encryption_root:
        return Keys(encrypted=False)
    root = session.tree.get(parent.encryption_root)
    if root is None or not root.key_loaded:
        raise ZfsError(messages.cannot_create(name, messages.KEY_NOT_LOADED))
    return Keys(encrypted=True, root=parent.encryption_root)
