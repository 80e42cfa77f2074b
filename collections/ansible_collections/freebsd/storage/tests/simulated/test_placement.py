# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A volume that other hosts may have: what this one makes, refuses, and keeps of that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.tests.simulated.conftest import OWNER, SIZE, Host, delete, errors, volume

REFUSAL = _names.refusal_property(OWNER, "pvc-1")
PEERS = _names.peers_property(OWNER)


def placed(*seen: str, unseen: tuple[str, ...] = (), **placement: Any) -> dict[str, Any]:
    """A volume that is not thin, among other hosts."""
    return volume(thin=False, placement={"seen": list(seen), "unseen": list(unseen), **placement})


@pytest.fixture
def parent(host: Host) -> Iterator[str]:
    """The parent dataset, of which nothing is kept afterwards."""
    name = str(host.info["parent"])
    yield name
    host.run("zfs", "inherit", REFUSAL, name)
    host.run("zfs", "inherit", PEERS, name)
    host.run("zfs", "set", "quota=none", name)


def noted(host: Host, parent: str, name: str) -> str:
    """A property that is kept on the parent; '-' if it is not."""
    return host.run("zfs", "get", "-H", "-o", "value", name, parent).strip()


def fill(host: Host, parent: str) -> None:
    host.run("zfs", "set", f"quota={SIZE // 2}", parent)


def empty(host: Host, parent: str) -> None:
    host.run("zfs", "set", "quota=none", parent)


def test_a_refusal_is_kept_when_another_host_is_asked_next_and_only_then(host: Host, parent: str) -> None:
    """A refusal that nobody relies on is forgotten."""
    fill(host, parent)
    assert errors(host.apply(placed("b"))) == ["out_of_space"]
    assert noted(host, parent, REFUSAL) == "-"
    assert errors(host.apply(placed("b", passes_on=True))) == ["out_of_space"]
    assert noted(host, parent, REFUSAL).startswith(f"{OWNER}:")


def test_a_kept_refusal_stands_though_there_is_room_again(host: Host, parent: str) -> None:
    """While a host cannot be asked, and while one that was asked may still be making the volume."""
    host.apply(placed("b"))
    host.clean(*[str(host.apply(placed("b")).outcomes[0].noun["uuid"])])  # type: ignore[index]
    fill(host, parent)
    host.apply(placed("b", passes_on=True))
    empty(host, parent)
    assert errors(host.apply(placed("b"))) == ["out_of_space"]
    assert errors(host.apply(placed(unseen=("b",)))) == ["out_of_space"]
    host.run("zfs", "set", f"{REFUSAL}={OWNER}:{int(time.time()) - 3600}", parent)
    assert errors(host.apply(placed(unseen=("b",)))) == ["out_of_space"]
    reply = host.apply(placed("b"))
    assert errors(reply) == [None]
    host.clean(str(reply.outcomes[0].noun["uuid"]))  # type: ignore[index]


def test_the_only_host_goes_by_what_room_there_is(host: Host, parent: str) -> None:
    """Others that refused or were asked are none any more."""
    fill(host, parent)
    host.apply(placed("b", passes_on=True))
    empty(host, parent)
    reply = host.apply(volume())
    assert errors(reply) == [None]
    host.clean(str(reply.outcomes[0].noun["uuid"]))  # type: ignore[index]


def test_a_volume_that_is_there_is_there_whatever_was_refused(host: Host, parent: str) -> None:
    """Nor does it matter that the host is closed, or that others cannot be asked."""
    uuid = str(host.apply(placed("b")).outcomes[0].noun["uuid"])  # type: ignore[index]
    host.run("zfs", "set", f"{REFUSAL}={OWNER}:{int(time.time())}", parent)
    for wish in (placed("b", closed=True), placed(unseen=("z",)), placed("b", passes_on=True)):
        reply = host.apply(wish)
        assert errors(reply) == [None]
        assert reply.outcomes[0].noun["uuid"] == uuid  # type: ignore[index]
    host.clean(uuid)


def test_a_closed_host_refuses_and_keeps_it(host: Host, parent: str) -> None:
    """So that it does not make the volume once it is open again."""
    assert errors(host.apply(placed(closed=True))) == ["out_of_space"]
    assert noted(host, parent, REFUSAL) == "-"
    assert errors(host.apply(placed("b", closed=True, passes_on=True))) == ["out_of_space"]
    assert errors(host.apply(placed(unseen=("b",)))) == ["degraded"]
    host.run("zfs", "set", f"{PEERS}=b", parent)
    assert errors(host.apply(placed(unseen=("b",)))) == ["out_of_space"]
    assert host.datasets() == []


def test_a_host_never_seen_together_with_this_one_may_have_been_asked_before(host: Host, parent: str) -> None:
    """Once seen, it is known: whoever was asked since then has kept it."""
    assert errors(host.apply(placed("c", unseen=("b",)))) == ["degraded"]
    uuid = str(host.apply(placed("b", "c")).outcomes[0].noun["uuid"])  # type: ignore[index]
    assert noted(host, parent, PEERS) == "b,c"
    errors(host.apply(delete(uuid)), none=True)
    reply = host.apply(placed("c", unseen=("b",)))
    assert errors(reply) == [None]
    host.clean(str(reply.outcomes[0].noun["uuid"]))  # type: ignore[index]


def test_a_batch_keeps_all_refusals_at_once_and_old_ones_are_dropped(host: Host, parent: str) -> None:
    """One command for all of them; what nobody asked for in a week is not waited for."""
    fill(host, parent)
    old = _names.refusal_property(OWNER, "old")
    host.run("zfs", "set", f"{old}={OWNER}:{int(time.time()) - 8 * 24 * 3600}", parent)
    wishes = [dict(placed("b", passes_on=True), key=str(number), name=f"many-{number}") for number in range(5)]
    assert errors(host.apply(*wishes)) == ["out_of_space"] * 5
    kept = [_names.refusal_property(OWNER, wish["name"]) for wish in wishes]
    assert all(noted(host, parent, name).startswith(f"{OWNER}:") for name in kept)
    assert noted(host, parent, old) == "-"
    for name in kept:
        host.run("zfs", "inherit", name, parent)


def test_a_refusal_that_cannot_be_kept_is_none(host: Host, parent: str) -> None:
    """Nobody may be asked then, so it must not look like one."""
    fill(host, parent)
    host.fault(command="zfs", match=REFUSAL, when="before", action="fail", rc=1, err="out of space\n")
    assert errors(host.apply(placed("b", passes_on=True))) == ["uncertain"]


@pytest.mark.parametrize("name", ["UPPER", "a b", "{{ x }}", ""])
def test_a_name_that_no_host_can_have_is_refused(host: Host, parent: str, name: str) -> None:
    """It would end up in a property."""
    assert errors(host.apply(placed(name))) == ["invalid"]
    assert noted(host, parent, PEERS) == "-"
