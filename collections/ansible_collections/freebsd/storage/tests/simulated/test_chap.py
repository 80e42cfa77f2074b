# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Publications with CHAP: who gets in, where the secrets lie, and what happens when they are lost."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Reply
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    ON_EVERY_HOST,
    OWNER,
    Host,
    errors,
    nouns,
    publish,
    unpublish,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import killed

pytestmark = ON_EVERY_HOST

EXPORTS = {"key": "exports", "kind": "exports"}
SECRETS = {"one": "first/secret+1=", "other": "second~secret!", "back": "answer-secret:", "short": "elevenchars"}
ONE_WAY = {"user": "node", "secret": "one"}
MUTUAL = {**ONE_WAY, "mutual_user": "host", "mutual_secret": "back"}


def apply(host: Host, *resources: dict[str, Any], **options: Any) -> Reply:
    return host.apply(*resources, secrets=SECRETS, **options)


def good(host: Host, *resources: dict[str, Any]) -> Reply:
    reply = apply(host, *resources)
    errors(reply, none=True)
    return reply


def made(host: Host, name: str = "a", chap: Optional[str] = "one-way") -> str:
    return host.make(name, **({"chap": chap} if chap else {}))


def published(host: Host, uuid: str, chap: Optional[dict[str, str]] = None, node: str = "n1") -> str:
    """Publish a volume; return its target."""
    return str(nouns(good(host, publish(uuid, node, chap=chap or ONE_WAY)))[0]["target"])


def login(host: Host, target: str, chap: Optional[dict[str, str]], node: str = "n1") -> Optional[tuple[int, int]]:
    """Log in as a node; return the status of the refusal, None if it is let in."""
    address, _, port = host.info["portals"][0].rpartition(":")
    told = {field: SECRETS.get(value, value) for field, value in (chap or {}).items()}
    initiator = f"iqn.1994-09.org.freebsd.csi:{OWNER}:{node}"
    question = {"op": "login", "initiator": initiator, "target": target, "chap": told or None}
    with socket.create_connection((address, int(port)), 10) as connection, connection.makefile("rw") as lines:
        lines.write(json.dumps(question) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
    return None if answer["ok"] else (answer["class"], answer["detail"])


def comes_to_be(answer: Callable[[], Any], expected: Any) -> None:
    """Wait until it is so: ctld reads its configuration when it gets round to it, and no table shows secrets."""
    end = time.monotonic() + 10
    while answer() != expected:
        assert time.monotonic() < end, answer()
        time.sleep(0.01)


def store(host: Host) -> Path:
    return Path(host.info["settings_dir"], "chap", OWNER)


def kept(host: Host) -> list[str]:
    return sorted(path.name for path in store(host).glob("*")) if store(host).exists() else []


def drift(reply: Reply) -> list[str]:
    return [each.kind for each in reply.drift]


@pytest.fixture(autouse=True)
def secrets_gone(host: Host) -> Iterator[None]:
    """However it went, no secret outlives its publication."""
    yield
    for path in store(host).glob("*"):
        path.unlink()


def test_only_who_knows_the_secret_gets_in(host: Host) -> None:
    uuid = made(host)
    target = published(host, uuid)
    assert login(host, target, ONE_WAY) is None
    for wrong in (None, {**ONE_WAY, "secret": "other"}, {**ONE_WAY, "user": "nod"}):
        assert login(host, target, wrong) == (2, 1)
    assert login(host, target, ONE_WAY, node="n2") == (2, 2)
    host.clean(uuid)
    assert kept(host) == []


def test_the_host_proves_itself_too(host: Host) -> None:
    uuid = made(host, chap="mutual")
    target = published(host, uuid, MUTUAL)
    assert login(host, target, MUTUAL) is None
    assert login(host, target, {**MUTUAL, "mutual_secret": "other"}) == (0, 0)
    host.clean(uuid)


def test_secrets_lie_in_files_of_root_alone(host: Host) -> None:
    host.conf.chmod(0o644)
    uuid = made(host)
    token = published(host, uuid).rpartition(".")[2]
    assert kept(host) == [token]
    assert stat.S_IMODE((store(host) / token).stat().st_mode) == 0o600
    assert [stat.S_IMODE(path.stat().st_mode) for path in (store(host), store(host).parent)] == [0o700, 0o700]
    holding = [path for path in Path(host.simulated.root).rglob("*") if _holds(path, SECRETS["one"])]
    assert set(holding) == {store(host) / token, host.own}
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in holding)
    host.clean(uuid)
    assert [path for path in Path(host.simulated.root).rglob("*") if _holds(path, SECRETS["one"])] == []


def _holds(path: Path, text: str) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and path.stat().st_size < 1 << 20
        and text.encode() in path.read_bytes()
    )


def test_the_same_again_changes_nothing(host: Host) -> None:
    uuid = made(host)
    target = published(host, uuid)
    reply = good(host, publish(uuid, chap=ONE_WAY))
    assert (reply.outcomes[0].changed, reply.reloads, nouns(reply)[0]["target"]) == (False, 0, target)
    assert nouns(reply)[0]["chap"] == "one-way"
    host.clean(uuid)


def test_another_secret_takes_the_place_of_the_first(host: Host) -> None:
    uuid, other = made(host), made(host, "b")
    target, untouched = published(host, uuid), published(host, other)
    reply = good(host, publish(uuid, chap={**ONE_WAY, "secret": "other"}))
    assert (reply.outcomes[0].changed, reply.reloads, nouns(reply)[0]["target"]) == (True, 1, target)
    comes_to_be(lambda: login(host, target, ONE_WAY), (2, 1))
    assert login(host, target, {**ONE_WAY, "secret": "other"}) is None
    assert login(host, untouched, ONE_WAY) is None
    assert SECRETS["one"] not in "".join(path.read_text() for path in store(host).glob(target.rpartition(".")[2]))
    host.clean(uuid, other)


@pytest.mark.parametrize(
    ("chap", "given"),
    [
        ("one-way", None),
        ("one-way", MUTUAL),
        ("mutual", None),
        ("mutual", ONE_WAY),
        (None, ONE_WAY),
        ("one-way", {"user": "node", "secret": "short"}),
        ("one-way", {"user": "node", "secret": "missing"}),
        ("one-way", {"user": 'no"de', "secret": "one"}),
        ("mutual", {**ONE_WAY, "mutual_user": "host"}),
        ("mutual", {**ONE_WAY, "mutual_user": "host", "mutual_secret": "one"}),
    ],
)
def test_what_is_not_as_the_volume_asks_is_refused(host: Host, chap: Optional[str], given: Any) -> None:
    uuid, plain = made(host, chap=chap), host.make("plain")
    reply = apply(host, publish(uuid, chap=given), publish(plain))
    assert errors(reply) == ["invalid", None], [str(each.error) for each in reply.outcomes]
    error = reply.outcomes[0].error
    assert error is not None
    assert error.option == "chap"
    assert not any(secret in str(error.as_dict()) for secret in SECRETS.values())
    assert len(host.targets()) == 1
    assert kept(host) == []
    host.clean(uuid, plain)


def test_a_volume_without_chap_can_be_told_to_mind_no_secrets(host: Host) -> None:
    uuid = made(host, chap="none")
    target = published(host, uuid)
    assert login(host, target, None) is None
    assert kept(host) == []
    host.clean(uuid)


def test_a_publication_whose_secret_is_lost_is_left_out_until_it_is_made_again(host: Host) -> None:
    uuid, other, plain = made(host), made(host, "b"), host.make("plain")
    target, untouched = published(host, uuid), published(host, other)
    (store(host) / target.rpartition(".")[2]).write_text("{")
    (store(host) / target.rpartition(".")[2]).unlink()
    reply = good(host, publish(plain))
    assert sorted(host.targets()) == sorted([untouched, nouns(reply)[0]["target"]])
    assert "lost_secret" in drift(reply)
    assert login(host, target, None) == (2, 3)
    assert published(host, uuid) == target
    assert login(host, target, ONE_WAY) is None
    assert "lost_secret" not in drift(good(host, publish(uuid, chap=ONE_WAY)))
    host.clean(uuid, other, plain)


def test_a_secret_that_cannot_be_read_is_lost(host: Host) -> None:
    uuid, plain = made(host), host.make("plain")
    target = published(host, uuid)
    (store(host) / target.rpartition(".")[2]).write_text('{"user": 1}')
    assert "lost_secret" in drift(good(host, publish(plain)))
    assert target not in host.targets()
    assert published(host, uuid) == target
    host.clean(uuid, plain)


def test_a_reboot_and_the_next_change_keep_the_secrets(host: Host) -> None:
    uuid, plain = made(host), host.make("plain")
    target = published(host, uuid)
    host.simulated.control("reboot")
    assert login(host, target, None) == (2, 1)
    assert login(host, target, ONE_WAY) is None
    good(host, publish(plain))
    assert login(host, target, ONE_WAY) is None
    host.clean(uuid, plain)


def test_restoring_brings_back_what_has_its_secret_and_tells_of_what_has_not(host: Host) -> None:
    uuid, other = made(host), made(host, "b")
    target, lost = published(host, uuid), published(host, other)
    host.own.write_text("" if host.ucl else host.pristine)
    errors(host.apply(EXPORTS), none=True)
    assert login(host, target, ONE_WAY) is None
    assert host.apply(EXPORTS).outcomes[0].changed is False
    (store(host) / lost.rpartition(".")[2]).unlink()
    (outcome,) = host.apply(EXPORTS).outcomes
    assert "CHAP secret is lost" in str(outcome.error)
    assert host.targets() == [target]
    host.clean(uuid, other)


def test_what_is_predicted_is_what_comes(host: Host) -> None:
    uuid = made(host)
    wanted = publish(uuid, chap=ONE_WAY)
    (foreseen,) = apply(host, wanted, check_mode=True).outcomes
    (done,) = good(host, wanted).outcomes
    assert foreseen.changed is done.changed is True
    assert {**(foreseen.noun or {}), "target": ""} == {**(done.noun or {}), "target": ""}
    assert SECRETS["one"] not in str(foreseen.diff()) + str(done.diff())
    host.clean(uuid)


def test_a_secret_of_which_ctld_was_not_told_is_an_error_until_it_is(host: Host) -> None:
    uuid = made(host)
    target = published(host, uuid)
    host.fault(command="service", match="reload", action="fail", rc=1, err="ctld is not running?\n", times=1)
    other = {**ONE_WAY, "secret": "other"}
    reply = apply(host, publish(uuid, chap=other))
    assert errors(reply) == ["degraded"]
    assert "ctld has not read its new CHAP secret" in str(reply.outcomes[0].error)
    assert good(host, publish(uuid, chap=other)).reloads == 1
    comes_to_be(lambda: login(host, target, other), None)
    assert good(host, publish(uuid, chap=other)).reloads == 0
    host.clean(uuid)


def test_what_somebody_left_is_swept(host: Host) -> None:
    uuid, plain = made(host), host.make("plain")
    target = published(host, uuid)
    (store(host) / ("0" * 32)).write_text("{}")
    (store(host) / f".{'1' * 32}.staged").write_text("half")
    good(host, publish(plain))
    assert kept(host) == [target.rpartition(".")[2]]
    host.clean(uuid, plain)


def test_a_failed_publication_leaves_no_secret(host: Host) -> None:
    uuid = made(host)
    host.run("service", "ctld", "stop")
    assert errors(apply(host, publish(uuid, chap=ONE_WAY))) == ["degraded"]
    assert kept(host) == []
    host.run("service", "ctld", "start")
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_wherever_a_change_of_secrets_is_killed_the_next_run_completes_it(host: Host, moment: str) -> None:
    uuid = made(host)
    target = published(host, uuid)
    secrets = ["one", "other"]
    number = 0
    for number in count(1):
        secrets.reverse()
        wanted = publish(uuid, chap={**ONE_WAY, "secret": secrets[0]})
        if not killed(host, number, moment, [wanted], SECRETS):
            break
        good(host, wanted)
        comes_to_be(partial(login, host, target, {**ONE_WAY, "secret": secrets[1]}), (2, 1))
        assert login(host, target, {**ONE_WAY, "secret": secrets[0]}) is None
    assert number > 3
    host.clean(uuid)
    assert kept(host) == []
    good(host, unpublish(uuid))
