"""Native encryption: whose key a dataset needs, whether it is there, and how keys are read from standard input."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from tests.simulator.registry import Unmodelled
from tests.simulator.state import FILESYSTEM, Dataset
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import ZfsError
from tests.simulator.zfs.session import Session

RAW_BYTES = 32
_SHORTEST_PASSPHRASE, _LONGEST_PASSPHRASE = 8, 512
_ITERATIONS = "350000"
_SUITE_OF_ON = "aes-256-gcm"
_KEY_PROPERTIES = ("keyformat", "keylocation", "pbkdf2iters")


class BadKey(Exception):
    """The reason in libzfs's words."""


@dataclass(frozen=True)
class Keys:
    """
    The encryption of a new dataset; ``suite`` is empty where there is none.

    ``root`` is the encryption root it inherits, empty when it is its own, with ``wrapped`` to know its key by.
    """

    suite: str = ""
    root: str = ""
    keyformat: str = ""
    iterations: str = "0"
    wrapped: str = ""


def for_new(session: Session, name: str, parent: Dataset, properties: dict[str, str]) -> Keys:
    """
    Decide the encryption of a dataset below ``parent`` (zfs_crypto_create); raises ZfsError.

    What became of the properties that say so is taken out of them, but the ``keylocation`` of a new root.
    """
    try:
        return _for_new(session, parent, properties)
    except BadKey as error:
        raise ZfsError(messages.cannot_create(name, str(error))) from error


def _for_new(session: Session, parent: Dataset, properties: dict[str, str]) -> Keys:
    given = {key: properties[key] for key in ("encryption", *_KEY_PROPERTIES) if key in properties}
    suite = given.get("encryption") or parent.encryption or "off"
    for key in ("encryption", "keyformat", "pbkdf2iters"):
        properties.pop(key, None)
    if suite == "off":
        if given.keys() & {"keyformat", "pbkdf2iters"} or given.get("keylocation", "none") != "none":
            raise BadKey("Encryption must be turned on to set encryption properties.")
        properties.pop("keylocation", None)
        return Keys()
    suite = _SUITE_OF_ON if suite == "on" else suite
    keyformat = given.get("keyformat", "none")
    if keyformat == "none" and ("keylocation" in given or not parent.encryption):
        raise BadKey("Keyformat required for new encryption root.")
    if keyformat != "none":
        properties.setdefault("keylocation", "prompt")
        return _new_root(session, suite, keyformat, properties["keylocation"], given.get("pbkdf2iters"))
    if "pbkdf2iters" in given:
        raise Unmodelled("pbkdf2iters without a key")
    if is_locked(session, parent):
        raise BadKey(messages.KEY_NOT_LOADED)
    return Keys(suite, parent.encryption_root, parent.keyformat, parent.pbkdf2iters)


def _new_root(session: Session, suite: str, keyformat: str, location: str, iterations: str | None) -> Keys:
    material = _material(session, keyformat, location, new=True)
    if keyformat != "passphrase" and iterations is not None:
        raise BadKey("Cannot specify pbkdf2iters with a non-passphrase keyformat.")
    wrapped = _wrapped(secrets.token_hex(8), keyformat, material)
    return Keys(suite, "", keyformat, (iterations or _ITERATIONS) if keyformat == "passphrase" else "0", wrapped)


def load(session: Session, dataset: Dataset, location: str | None, *, verify: bool) -> None:
    """Load the key of an encryption root, or only see whether it is the right one (zfs_crypto_load_key); BadKey."""
    _check_root(dataset, "loaded")
    if dataset.key_loaded and not verify:
        raise BadKey(f"Key already loaded for '{dataset.name}'.")
    material = _material(session, dataset.keyformat, location or dataset.local["keylocation"], new=False)
    if not session.may(dataset, "load-key"):
        raise BadKey("Permission denied.")
    salt = dataset.wrapped.partition(":")[0]
    if _wrapped(salt, dataset.keyformat, material) != dataset.wrapped:
        raise BadKey(f"Incorrect key provided for '{dataset.name}'.")
    if verify:
        return
    dataset.key_loaded = True
    session.storage.changed(dataset)
    for below in session.tree.subtree(dataset):
        _make_nodes(session, below)


def _make_nodes(session: Session, dataset: Dataset) -> None:
    """zvol_create_minors_cb: a volume, and what was cloned of it, but not what was cloned of that."""
    session.storage.refresh_node(dataset)
    for snapshot in dataset.snapshots:
        for clone in session.tree.clones(snapshot):
            session.storage.refresh_node(clone)


def unload(session: Session, dataset: Dataset) -> None:
    """Forget the key of an encryption root (zfs_crypto_unload_key); raises BadKey."""
    _check_root(dataset, "unloaded")
    if not dataset.key_loaded:
        raise BadKey(f"Key already unloaded for '{dataset.name}'.")
    if not session.may(dataset, "load-key"):
        raise BadKey("Permission denied.")
    family = [other for other in session.tree.all() if other.encryption_root == dataset.name]
    if any(session.storage.is_open(other) or (other.kind == FILESYSTEM and other.mounted) for other in family):
        raise BadKey(f"'{dataset.name}' is busy.")
    dataset.key_loaded = False
    session.storage.changed(dataset)
    # Clones elsewhere keep their nodes, which cannot be opened any more.
    for below in session.tree.subtree(dataset):
        session.storage.refresh_node(below)


def _check_root(dataset: Dataset, done: str) -> None:
    if not dataset.encryption:
        raise BadKey(f"'{dataset.name}' is not encrypted.")
    if dataset.encryption_root != dataset.name:
        raise BadKey(f"Keys must be {done} for encryption root of '{dataset.name}' ({dataset.encryption_root}).")


def is_locked(session: Session, dataset: Dataset) -> bool:
    """Whether the dataset's content cannot be read for want of a key."""
    return session.storage.is_locked(dataset)


def _material(session: Session, keyformat: str, location: str, *, new: bool) -> bytes:
    """get_key_material, with a standard input that is no terminal: it is read once and never asked for again."""
    if location != "prompt":
        raise Unmodelled(f"keylocation {location}")
    said = session.call.read_stdin()
    material = said[: RAW_BYTES + 1] if keyformat == "raw" else said.partition(b"\n")[0]
    _check_material(keyformat, material, new=new)
    return material


def _check_material(keyformat: str, material: bytes, *, new: bool) -> None:
    """validate_key: the length of a passphrase matters only where it is new."""
    if keyformat == "passphrase":
        if new and len(material) > _LONGEST_PASSPHRASE:
            raise BadKey(f"Passphrase too long (max {_LONGEST_PASSPHRASE}).")
        if new and len(material) < _SHORTEST_PASSPHRASE:
            raise BadKey(f"Passphrase too short (min {_SHORTEST_PASSPHRASE}).")
        return
    name, size = ("Raw", RAW_BYTES) if keyformat == "raw" else ("Hex", 2 * RAW_BYTES)
    if len(material) != size:
        raise BadKey(f"{name} key too {'short' if len(material) < size else 'long'} (expected {size}).")
    if keyformat == "hex" and not re.fullmatch(rb"[0-9A-Fa-f]+", material):
        raise BadKey("Invalid hex character detected.")


def _wrapped(salt: str, keyformat: str, material: bytes) -> str:
    """What a key is known by again. Real ZFS derives a key and tries it on the dataset's own."""
    same = material.lower() if keyformat == "hex" else material
    return f"{salt}:{hashlib.sha256(salt.encode() + same).hexdigest()}"
