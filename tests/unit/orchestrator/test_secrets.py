"""Keys travel beside the items of a request, which name them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from csi_driver.storage.model import (
    AccessMode,
    Chap,
    ChapKind,
    Encryption,
    EncryptionKey,
    PublicationRequest,
    VolumeRequest,
    VolumeSpec,
)
from tests.unit.orchestrator.test_backend import NODE, VOLUME_ID, Runs, backend, each, soon, until
from tests.unit.orchestrator.test_results import PUBLICATION, VOLUME

KEY = EncryptionKey("correct horse")
SPEC = VolumeSpec(encryption=Encryption(cipher="aes-256-gcm", keyformat="hex", unload_key=True))


def test_a_volume_names_its_key_which_is_beside() -> None:
    """The item itself can be shown."""
    runs = Runs(each(volume=VOLUME))
    request = VolumeRequest(name="n", spec=SPEC, required_bytes=1, key=KEY)
    backend(runs).create_volume("a", request, deadline=soon())
    sent = runs.requests[0][2]
    (item,) = sent["resources"]
    assert item["encryption"] == {"cipher": "aes-256-gcm", "keyformat": "hex", "unload_key": True}
    assert sent["secrets"] == {item["encryption_key"]: "correct horse"}
    assert item["encryption_key"].startswith("encryptionKey/")
    assert "correct horse" not in json.dumps(sent["resources"])


def test_growth_and_publication_carry_the_key_and_without_one_nothing_is_sent() -> None:
    """What is not encrypted looks as it always did."""
    runs = Runs(each(publication=PUBLICATION, volume=VOLUME))
    it = backend(runs)
    for key in (KEY, None):
        publication = PublicationRequest(node=NODE, mode=AccessMode.SINGLE_NODE_WRITER, readonly=False, key=key)
        it.publish(VOLUME_ID, publication, deadline=soon())
        it.expand_volume(VOLUME_ID, required_bytes=1, limit_bytes=0, key=key, deadline=soon())
    sent = [request for _, _, request in runs.requests]
    assert [list(request.get("secrets", {}).values()) for request in sent] == [["correct horse"]] * 2 + [[]] * 2
    assert "encryption_key" not in sent[2]["resources"][0]


def test_requests_with_the_same_key_share_a_run_and_those_with_another_do_not() -> None:
    """Nobody gets an answer by someone else's key."""
    runs = Runs(each(publication=PUBLICATION))
    runs.gate.clear()
    it = backend(runs)

    def publish(text: str) -> None:
        key = EncryptionKey(text)
        request = PublicationRequest(node=NODE, mode=AccessMode.SINGLE_NODE_WRITER, readonly=False, key=key)
        it.publish(VOLUME_ID, request, deadline=soon())

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(publish, "right")]
        until(lambda: len(runs.requests) == 1)
        futures += [pool.submit(publish, text) for text in ("right", "wrong")]
        until(lambda: len(it._hosts["a"].lane._queue) == 1)
        runs.gate.set()
        for future in futures:
            future.result()
    assert [list(request["secrets"].values()) for _, _, request in runs.requests] == [["right"], ["wrong"]]
    assert repr(it._hosts["a"].lane).find("right") < 0


def test_a_publication_names_its_chap_secrets_which_are_beside() -> None:
    """Together with the key of the volume, if there is one; users are no secrets."""
    runs = Runs(each(publication={**PUBLICATION, "chap": "mutual"}))
    chap = Chap("node", "first/secret+1=", "host", "second~secret!")
    request = PublicationRequest(node=NODE, mode=AccessMode.SINGLE_NODE_WRITER, readonly=False, key=KEY, chap=chap)
    assert backend(runs).publish(VOLUME_ID, request, deadline=soon()).chap is ChapKind.MUTUAL
    sent = runs.requests[0][2]
    item, secrets = sent["resources"][0], sent["secrets"]
    assert {field: secrets.get(value, value) for field, value in item["chap"].items()} == {
        "user": "node",
        "secret": "first/secret+1=",
        "mutual_user": "host",
        "mutual_secret": "second~secret!",
    }
    assert secrets[item["encryption_key"]] == "correct horse"
    assert not any(secret in json.dumps(sent["resources"]) for secret in secrets.values())
