# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Encrypted volumes: their keys are there when they are published, and nowhere else."""

from __future__ import annotations

import base64
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Reply
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    delete,
    errors,
    forget,
    grow,
    modify,
    nouns,
    publish,
    snapshot,
    unpublish,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import killed
from ansible_collections.freebsd.storage.tests.simulated.test_health import found

KEYS = {"right": "correct horse", "wrong": "battery staple", "short": "seven77", "empty": ""}
GCM = {"cipher": "aes-256-gcm"}
UNLOADED = {"cipher": "aes-256-gcm", "unload_key": True}


def wanted(name: str = "a", key: Optional[str] = "right", encryption: Any = None, **options: Any) -> dict[str, Any]:
    return volume(name, encryption=encryption or GCM, encryption_key=key, **options)


def apply(host: Host, *resources: dict[str, Any], **options: Any) -> Reply:
    return host.apply(*resources, secrets=KEYS, **options)


def made(host: Host, *resources: dict[str, Any]) -> str:
    reply = apply(host, *resources)
    errors(reply, none=True)
    return str(nouns(reply)[0]["uuid"])


def good(host: Host, *resources: dict[str, Any]) -> Reply:
    reply = apply(host, *resources)
    errors(reply, none=True)
    return reply


def key_of(host: Host, dataset: str) -> str:
    return host.run("zfs", "get", "-H", "-o", "value", "keystatus", f"{host.info['parent']}/{dataset}").strip()


def statuses(host: Host) -> list[str]:
    return host.run("zfs", "get", "-H", "-r", "-t", "volume", "-o", "value", "keystatus", host.info["parent"]).split()


def reboot(host: Host) -> None:
    host.simulated.control("reboot")


def test_a_volume_is_encrypted_and_published_with_its_key(host: Host) -> None:
    uuid = made(host, wanted())
    dataset = f"{host.info['parent']}/a"
    found = host.run("zfs", "get", "-Hp", "-o", "value", "encryption,keyformat,keylocation,encryptionroot", dataset)
    assert found.split() == ["aes-256-gcm", "passphrase", "prompt", dataset]
    assert good(host, wanted()).outcomes[0].changed is False
    first = good(host, publish(uuid, encryption_key="right"))
    assert len(host.targets()) == 1
    again = good(host, publish(uuid))
    assert (again.outcomes[0].changed, nouns(again)) == (False, nouns(first))
    good(host, unpublish(uuid))
    assert key_of(host, "a") == "available"
    host.clean(uuid)


@pytest.mark.parametrize(("keyformat", "key"), [("raw", base64.b64encode(b"\n\0" * 16).decode()), ("hex", "0aF1" * 16)])
def test_keys_that_are_no_passphrases(host: Host, keyformat: str, key: str) -> None:
    encryption = {"cipher": "on", "keyformat": keyformat}
    reply = host.apply(volume("a", encryption=encryption, encryption_key="k"), secrets={"k": key})
    errors(reply, none=True)
    uuid = nouns(reply)[0]["uuid"]
    reboot(host)
    errors(host.apply(publish(uuid, encryption_key="k"), secrets={"k": key}), none=True)
    host.clean(uuid)


@pytest.mark.parametrize("key", [None, "missing", "short", "empty"])
def test_without_a_proper_key_nothing_is_made(host: Host, key: Optional[str]) -> None:
    reply = apply(host, wanted(key=key), volume("plain"))
    assert errors(reply) == ["invalid", None]
    error = reply.outcomes[0].error
    assert error is not None
    assert error.option == "encryption_key"
    assert host.datasets() == [f"{host.info['parent']}/plain"]
    host.clean(nouns(reply)[1]["uuid"])


def test_a_wrong_key_publishes_nothing_whether_the_right_one_is_loaded_or_not(host: Host) -> None:
    uuid = made(host, wanted())
    for _again in range(2):
        reply = apply(host, publish(uuid, encryption_key="wrong"))
        assert errors(reply) == ["denied"]
        assert "Incorrect key provided" in str(reply.outcomes[0].error)
        assert "battery" not in str(reply.outcomes[0].as_dict())
        assert errors(apply(host, publish(uuid))) == ["invalid"]
        assert (host.targets(), reply.reloads) == ([], 0)
        reboot(host)
    host.clean(uuid)


def test_an_existing_volume_with_or_without_encryption_is_another_one(host: Host) -> None:
    uuids = [made(host, wanted("a")), made(host, volume("b"))]
    others = [volume("a"), wanted("b"), wanted("a", encryption=UNLOADED), wanted("a", encryption={"cipher": "on"})]
    for other in others:
        reply = apply(host, other)
        assert errors(reply) == ["exists_differently"]
        assert reply.outcomes[0].as_dict()["error"]["option"] == "encryption"  # type: ignore[index]
    host.clean(*uuids)


def test_after_a_reboot_the_others_are_served_and_the_key_brings_the_volume_back(host: Host) -> None:
    locked, plain, third = made(host, wanted("a")), made(host, volume("b")), made(host, volume("c"))
    before = good(host, publish(locked, encryption_key="right"), publish(plain))
    reboot(host)
    assert statuses(host) == ["unavailable", "-", "-"]
    reply = good(host, publish(plain), publish(third, "n2"))
    assert nouns(reply)[0] == nouns(before)[1]
    assert [reason for _status, reason in found(host, locked)] == ["KeyNotLoaded", "LunWithoutMedium"]
    assert errors(apply(host, publish(locked))) == ["invalid"]
    assert errors(apply(host, publish(locked, encryption_key="wrong"))) == ["denied"]
    reply = good(host, publish(locked, encryption_key="right"))
    assert nouns(reply)[0] == nouns(before)[0]
    assert found(host, locked) == []
    assert len(host.targets()) == 3
    host.clean(locked, plain, third)


def test_a_key_goes_with_the_last_publication_where_that_is_asked_for(host: Host) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    assert key_of(host, "a") == "unavailable"
    mode = {"mode": "multi_node_multi_writer"}
    good(host, publish(uuid, "n1", encryption_key="right", **mode), publish(uuid, "n2", encryption_key="right", **mode))
    good(host, unpublish(uuid, "n1"))
    assert key_of(host, "a") == "available"
    good(host, unpublish(uuid, "n2"))
    assert key_of(host, "a") == "unavailable"
    assert len(host.targets()) == 0
    host.clean(uuid)


def test_a_key_stays_while_a_clone_is_published_and_goes_with_it(host: Host) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    clone = made(host, wanted("b", encryption=UNLOADED, source={"volume": uuid}))
    assert statuses(host) == ["unavailable", "unavailable"]
    good(host, publish(uuid, encryption_key="right"), publish(clone, encryption_key="right"))
    good(host, unpublish(uuid))
    assert statuses(host) == ["available", "available"]
    good(host, unpublish(clone))
    assert statuses(host) == ["unavailable", "unavailable"]
    host.clean(uuid, clone)


def test_a_key_somebody_uses_stays_and_is_told_of(host: Host) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    good(host, publish(uuid, encryption_key="right"))
    busy = f"Key unload error: '{host.info['parent']}/a' is busy.\n"
    host.fault(command="zfs", match="unload-key", when="before", action="fail", rc=255, err=busy)
    reply = good(host, unpublish(uuid))
    assert [drift.kind for drift in reply.drift] == ["loaded_key"]
    assert key_of(host, "a") == "available"
    made(host, volume("b"))
    assert key_of(host, "a") == "unavailable"
    host.clean(uuid, made(host, volume("b")))


def test_growth_needs_the_key_only_where_it_is_not_loaded(host: Host) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    assert errors(apply(host, grow(uuid, 2 * SIZE))) == ["invalid"]
    assert errors(apply(host, grow(uuid, 2 * SIZE, encryption_key="wrong"))) == ["denied"]
    assert nouns(good(host, grow(uuid, 1)))[0]["size_bytes"] == SIZE
    assert nouns(good(host, grow(uuid, 2 * SIZE, encryption_key="right")))[0]["size_bytes"] == 2 * SIZE
    assert key_of(host, "a") == "unavailable"
    good(host, publish(uuid, encryption_key="right"))
    assert nouns(good(host, grow(uuid, 3 * SIZE)))[0]["size_bytes"] == 3 * SIZE
    host.clean(uuid)


@pytest.mark.parametrize("locked", [False, True])
def test_the_life_of_volume_snapshot_and_clones(host: Host, locked: bool) -> None:
    """With and without a loaded key, in the order that leaves most behind."""
    encryption = UNLOADED if locked else GCM
    uuid = made(host, wanted(encryption=encryption))
    taken = made(host, snapshot("s", uuid))
    restored = made(host, wanted("b", encryption=encryption, source={"snapshot": taken}))
    larger = made(host, wanted("c", encryption=encryption, source={"volume": uuid}, required_bytes=2 * SIZE))
    errors(apply(host, delete(uuid)), none=True)
    nested = made(host, wanted("d", encryption=encryption, source={"volume": restored}))
    of_clone = made(host, snapshot("t", restored))
    reboot(host)
    for each in (nested, larger, restored):
        good(host, publish(each, encryption_key="right"))
        good(host, publish(each))
        good(host, unpublish(each))
    assert errors(apply(host, publish(uuid, encryption_key="right"))) == ["not_found"]
    good(host, delete(restored))
    again = made(host, wanted("b", encryption=encryption, source={"snapshot": taken}))
    assert again != restored
    good(host, forget(taken))
    last = made(host, wanted("e", encryption=encryption, source={"snapshot": of_clone}))
    good(host, forget(of_clone))
    good(host, publish(last, encryption_key="right"))
    host.clean(last, nested, larger, again)


def test_what_a_clone_cannot_share_is_refused_and_nothing_is_made(host: Host) -> None:
    secret, plain = made(host, wanted("a")), made(host, volume("b"))
    ccm, raw = {"cipher": "aes-128-ccm"}, {"cipher": "aes-256-gcm", "keyformat": "hex"}
    source = {"volume": secret}
    reply = apply(
        host,
        volume("c", source=source),
        wanted("d", encryption=ccm, source=source),
        wanted("e", encryption=raw, source=source),
        wanted("f", source={"volume": plain}),
        wanted("g", key="wrong", source=source),
        wanted("h", key=None, source=source),
    )
    assert errors(reply) == ["unsupported", "unsupported", "unsupported", "unsupported", "denied", "invalid"]
    assert len(host.datasets()) == 2
    assert host.snapshots() == []
    same = made(host, wanted("i", encryption={"cipher": "on"}, source=source))
    host.clean(same, secret, plain)


def test_items_of_one_batch_share_a_key_and_not_each_others_mistakes(host: Host) -> None:
    uuid = made(host, wanted())
    clones = [made(host, wanted(name, source={"volume": uuid})) for name in ("b", "c")]
    reboot(host)
    reply = apply(
        host,
        publish(clones[0], encryption_key="wrong"),
        publish(clones[1], encryption_key="right"),
        publish(uuid, encryption_key="right"),
    )
    assert errors(reply) == ["denied", None, None]
    assert len(host.targets()) == 2
    host.clean(*clones, uuid)


def test_check_mode_needs_the_key_and_changes_nothing(host: Host) -> None:
    assert errors(apply(host, wanted(key=None), check_mode=True)) == ["invalid"]
    predicted = apply(host, wanted(), check_mode=True).outcomes[0]
    assert predicted.changed
    assert predicted.noun is not None
    assert predicted.noun["encryption"] == {"cipher": "aes-256-gcm", "keyformat": "passphrase", "unload_key": False}
    assert host.datasets() == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_clone_killed_anywhere_is_completed_by_the_next_run(host: Host, moment: str) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    number = 1
    while True:
        item = wanted(f"c{number}", encryption=UNLOADED, source={"volume": uuid}, required_bytes=2 * SIZE)
        died = killed(host, number, moment, [item], secrets=KEYS)
        clone = made(host, item)
        assert nouns(good(host, item))[0]["size_bytes"] == 2 * SIZE
        assert set(statuses(host)) == {"unavailable"}
        for each in (publish(clone, encryption_key="right"), unpublish(clone), delete(clone)):
            good(host, each)
        if not died:
            break
        number += 1
    assert number > 6
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_publication_killed_anywhere_leaves_the_key_as_it_should_be_after_the_next_run(host: Host, moment: str) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    for item, left, key in (
        (publish(uuid, encryption_key="right"), 1, "available"),
        (unpublish(uuid), 0, "unavailable"),
    ):
        number = 1
        while killed(host, number, moment, [item], secrets=KEYS):
            good(host, item)
            assert (len(host.targets()), key_of(host, "a")) == (left, key)
            good(host, *([unpublish(uuid)] if left else [publish(uuid, encryption_key="right")]))
            number += 1
        assert number > 6
        assert (len(host.targets()), key_of(host, "a")) == (left, key)
    host.clean(uuid)


def test_what_can_be_changed_without_the_key_and_what_no_encrypted_volume_can_have(host: Host) -> None:
    uuid = made(host, wanted(encryption=UNLOADED))
    good(host, modify(uuid, properties={"compression": "zstd"}, thin=False))
    good(host, modify(uuid, thin=True))
    assert errors(apply(host, modify(uuid, properties={"copies": "3"}))) == ["invalid"]
    copies = host.run("zfs", "get", "-H", "-o", "value", "copies,keystatus", f"{host.info['parent']}/a")
    assert copies.split() == ["1", "unavailable"]
    host.clean(uuid)


def test_no_full_copy_leaves_data_in_the_clear(host: Host) -> None:
    """They are refused, of encrypted volumes and as such; a clone of a detached snapshot is what that is: plain."""
    secret, plain = made(host, wanted("a")), made(host, volume("b"))
    detached = made(host, snapshot("s", plain, detached=True))
    reply = apply(
        host,
        volume("c", source={"volume": secret}, clone_mode="copy"),
        wanted("d", source={"volume": secret}, clone_mode="copy"),
        wanted("e", source={"volume": plain}, clone_mode="copy"),
        wanted("f", source={"snapshot": detached}),
        wanted("g", source={"snapshot": detached}, clone_mode="copy"),
        snapshot("t", secret, detached=True),
    )
    assert errors(reply) == ["unsupported"] * 6
    good(host, forget(detached))
    assert len(host.datasets()) == 2
    host.clean(secret, plain)
