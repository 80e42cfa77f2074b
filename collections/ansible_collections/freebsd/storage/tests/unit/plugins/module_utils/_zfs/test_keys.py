# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What becomes a key, what is refused, and that nothing shows it."""

from __future__ import annotations

import base64
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import Item, items_of
from ansible_collections.freebsd.storage.plugins.module_utils._secrets import Secret
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import keys
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Encryption, Parameters, Volume
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan import VolumeWanted
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import UUIDS, parameters

RAW = bytes(range(32))
ENCRYPTED = {"cipher": "aes-256-gcm"}


def item(secrets: dict[str, str], **options: Any) -> Item:
    return items_of([{"key": "k", "kind": "volume", "name": "pvc-1", **options}], secrets)[0]


@pytest.mark.parametrize(
    ("keyformat", "text", "said"),
    [
        ("passphrase", "correct horse", b"correct horse\n"),
        ("passphrase", "correct horse\n", b"correct horse\n"),
        ("passphrase", "ü" * 256, "ü".encode() * 256 + b"\n"),
        ("hex", "aB" * 32, b"aB" * 32 + b"\n"),
        ("raw", base64.b64encode(RAW).decode(), RAW),
        ("raw", base64.b64encode(b"\n" * 32).decode() + "\n", b"\n" * 32),
    ],
)
def test_a_key_is_said_as_zfs_reads_it(keyformat: str, text: str, said: bytes) -> None:
    assert keys.material(Secret("s", text), keyformat) == said


@pytest.mark.parametrize(
    ("keyformat", "text", "problem"),
    [
        ("passphrase", "", "is empty"),
        ("passphrase", "\n", "is empty"),
        ("passphrase", "seven77", "it has 7 bytes, allowed are 8 to 512"),
        ("passphrase", "ü" * 257, "it has 514 bytes"),
        ("passphrase", "first line\nsecond line", "it holds a line end"),
        ("passphrase", "zero\0terminated", "it holds a line end or a NUL"),
        ("hex", "a" * 63, "is no hex key"),
        ("hex", "g" * 64, "is no hex key"),
        ("raw", base64.b64encode(RAW[1:]).decode(), "it has 31 bytes once base64 is undone, not 32"),
        ("raw", "not base64!", "it is not base64"),
        ("raw", "ü" * 44, "it is not base64"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name_and_not_shown(keyformat: str, text: str, problem: str) -> None:
    with pytest.raises(HostError) as caught:
        keys.material(Secret("the-key", text), keyformat)
    assert (caught.value.code, caught.value.option) == ("invalid", "encryption_key")
    assert "'the-key'" in caught.value.msg
    assert problem in caught.value.msg
    assert not text.strip() or text.strip() not in caught.value.msg


def test_a_secret_shows_its_name_alone() -> None:
    wish = item({"s": "correct horse"}, encryption=ENCRYPTED, encryption_key="s").wish
    assert isinstance(wish, VolumeWanted)
    assert wish.secret is not None
    assert wish.secret.reveal() == "correct horse"
    assert "correct horse" not in f"{wish!r} {wish}"
    assert wish.parameters.encryption == Encryption("aes-256-gcm", "passphrase", unload_key=False)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"encryption": {"cipher": "off"}}, "encryption"),
        ({"encryption": {"cipher": "aes-256-gcm", "keyformat": "none"}}, "encryption"),
        ({"encryption": {**ENCRYPTED, "iterations": 1}}, "encryption"),
        ({"encryption": {}}, "encryption"),
        ({"encryption": ENCRYPTED, "encryption_key": "missing"}, "encryption_key"),
        ({"encryption_key": "s"}, "encryption_key"),
        ({"encryption": ENCRYPTED, "encryption_key": "s", "properties": {"copies": "3"}}, "properties"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], option: str) -> None:
    wish = item({"s": "correct horse"}, **options).wish
    assert isinstance(wish, HostError)
    assert (wish.code, wish.option) == ("invalid", option)


def test_encryption_is_part_of_what_is_kept_and_its_absence_leaves_no_trace() -> None:
    plain, encrypted = parameters(), parameters(encryption=Encryption("on", "raw", unload_key=True))
    assert "encryption" not in plain.to_json()
    assert Parameters.from_json(plain.to_json()) == plain
    assert Parameters.from_json(encrypted.to_json()) == encrypted
    assert plain.digest() != encrypted.digest()


def volume(encryption: Any = None, **changes: Any) -> Volume:
    wanted = parameters(encryption=encryption)
    made = Volume("tank/csi/v", UUIDS[0], "v", 1 << 30, 0, 16384, 0, wanted, wanted.digest())
    return made._replace(**changes)


GCM = Encryption("aes-256-gcm", "passphrase")
KEY = Secret("s", "correct horse")


def steps(*given: Any) -> list[str]:
    return [type(step).__name__ for step in given]


def test_what_a_publication_needs() -> None:
    """The key where it is new or gone, the device of a clone in any case, nothing for a plain volume."""
    root = volume(GCM, root="tank/csi/v")
    clone = volume(GCM, root="tank/csi/trash_/x")
    assert steps(*keys.to_publish(volume(), None, new=True)) == []
    assert steps(*keys.to_publish(root, KEY, new=True)) == ["UnlockVolume"]
    assert steps(*keys.to_publish(root, None, new=False)) == []
    assert steps(*keys.to_publish(root._replace(locked=True), KEY, new=False)) == ["UnlockVolume"]
    assert steps(*keys.to_publish(clone, KEY, new=True)) == ["UnlockVolume", "ShowDevice"]
    assert steps(*keys.to_publish(clone, None, new=False)) == ["ShowDevice"]


@pytest.mark.parametrize(
    ("given", "secret", "code"),
    [
        (volume(GCM, root="tank/csi/v"), None, "invalid"),
        (volume(GCM, root="tank/csi/v"), Secret("s", "short"), "invalid"),
        (volume(GCM), KEY, "degraded"),
        (volume(root="tank/csi", locked=True), None, "degraded"),
    ],
)
def test_what_cannot_be_published(given: Volume, secret: Optional[Secret], code: str) -> None:
    """Without its key; not encrypted any more; and below a dataset whose key somebody else has to load."""
    with pytest.raises(HostError) as caught:
        keys.to_publish(given, secret, new=True)
    assert caught.value.code == code


def test_what_lies_below_an_encrypted_parent_is_no_volume_with_a_key() -> None:
    inherited = volume(root="tank/csi")
    assert not inherited.shares_key
    assert keys.to_publish(inherited, None, new=True) == ()
    assert keys.to_resize(inherited, None) == ()
    assert keys.to_clone(inherited, inherited, None, finish=True) == ()
