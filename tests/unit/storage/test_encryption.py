"""What a StorageClass may say of encryption, and which key goes with it."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import keys
from csi_driver.storage.model import Encryption, EncryptionKey, NewVolume
from csi_driver.storage.parameters import parse
from tests.unit.storage.answers import Answers, service

KEY = EncryptionKey("correct horse")


def test_encryption_is_off_unless_it_is_asked_for() -> None:
    """Then it is by passphrase, and the key stays loaded."""
    assert parse({}, {}).spec.encryption is None
    assert parse({"encryption": "off"}, {"encryption": "on"}).spec.encryption is None
    asked = parse({"encryption": "aes-256-gcm"}, {}).spec.encryption
    assert asked == Encryption(cipher="aes-256-gcm", keyformat="passphrase", unload_key=False)
    other = parse({"encryption": "on", "keyFormat": "raw", "unloadKey": "true"}, {}).spec.encryption
    assert other == Encryption(cipher="on", keyformat="raw", unload_key=True)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"encryption": "aes-512-gcm"}, "encryption"),
        ({"encryption": "on", "keyFormat": "none"}, "keyFormat"),
        ({"encryption": "on", "unloadKey": "yes"}, "unloadKey"),
        ({"keyFormat": "passphrase"}, "keyFormat"),
        ({"unloadKey": "true"}, "unloadKey"),
        ({"encryption": "on", "copies": "3"}, "copies"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: dict[str, str], option: str) -> None:
    """Settings of a key without encryption look like a mistake that would leave data in the clear."""
    with pytest.raises(DriverError) as caught:
        parse(given, {})
    assert (caught.value.code, caught.value.option) == (ErrorCode.INVALID, f"parameters.{option}")
    assert option in caught.value.message


@pytest.mark.parametrize(("parameters", "key"), [({"encryption": "on"}, None), ({}, KEY)])
def test_a_key_and_encryption_go_together(parameters: dict[str, str], key: EncryptionKey | None) -> None:
    """One without the other is refused before any host is asked."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        service(answers).create(NewVolume(name="n", parameters=parameters, key=key), deadline=0)
    assert (caught.value.code, caught.value.option) == (ErrorCode.INVALID, "secrets.encryptionKey")
    assert "correct horse" not in caught.value.message
    assert answers.calls == []


def test_a_class_that_declines_encryption_may_have_a_key_beside() -> None:
    """One Secret may serve several classes."""
    answers = Answers()
    service(answers).create(NewVolume(name="n", parameters={"encryption": "off"}, key=KEY), deadline=0)
    assert [call[0] for call in answers.calls].count("create") == 1


def test_a_key_is_found_by_its_entry_and_shows_nothing() -> None:
    """Other secrets are none of ours; an empty key is one, for the host to refuse."""
    assert keys.given({"password": "x"}) is None
    assert keys.given({"encryptionKey": ""}) == EncryptionKey("")
    assert "correct horse" not in f"{NewVolume(name='n', key=KEY)!r}"
