# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whatever happened to ctl.conf or to the kernel: what is recorded is exported again, and nothing else is touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    ON_EVERY_HOST,
    Host,
    errors,
    publish,
    unpublish,
)

pytestmark = ON_EVERY_HOST

EXPORTS = {"key": "exports", "kind": "exports"}
SOMEBODY = "iqn.1994-09.org.freebsd.csi:demo." + "ab" * 16
Damage = Callable[[Host, str], None]


def restored(host: Host, *, check_mode: bool = False) -> tuple[bool, list[str]]:
    """Bring the exports about; return whether that changed something, and what was amiss before."""
    reply = host.apply(EXPORTS, check_mode=check_mode)
    errors(reply, none=True)
    (outcome,) = reply.outcomes
    before: Any = outcome.before
    after: Any = outcome.noun
    assert after["amiss"] == []
    return outcome.changed, sorted({each["object"] for each in before["amiss"]})


def lose_the_part(host: Host, _target: str) -> None:
    host.conf.write_text(host.pristine)
    reload(host, lambda: not host.targets())


def reload(host: Host, done: Callable[[], bool]) -> None:
    """Have ctld read its configuration, which it does in its own time."""
    host.run("service", "ctld", "reload")
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def lose_the_file(host: Host, _target: str) -> None:
    host.own.write_text("" if host.ucl else host.pristine)


def edit_the_part(host: Host, _target: str) -> None:
    host.own.write_text(host.own.read_text().replace("demo:n1", "demo:n9"))


def restart_without_anything(host: Host, _target: str) -> None:
    host.conf.write_text(host.pristine)
    host.simulated.control("reboot")


def section(target: str) -> str:
    return (
        f'target "{target}" {{\n\tportal-group "csi"\n\tauth-group "no-authentication"\n'
        "\tlun 0 {\n\t\tpath /dev/zvol/tank/csi/mine\n\t}\n}\n"
    )


@pytest.fixture
def published(host: Host) -> Iterator[str]:
    """Return the uuid of a volume that is published, beside another one."""
    uuid, other = host.make("a"), host.make("b")
    errors(host.apply(publish(uuid), publish(other, "n2")), none=True)
    yield uuid
    host.clean(uuid, other)


@pytest.mark.parametrize("damage", [lose_the_part, lose_the_file, edit_the_part, restart_without_anything])
def test_what_was_lost_is_told_first_and_then_brought_back_once(host: Host, published: str, damage: Damage) -> None:
    """Check mode tells and changes nothing; the run mends; the next one finds nothing."""
    assert published
    targets, whole = sorted(host.targets()), (host.conf.read_text(), host.own.read_text())
    assert restored(host) == (False, [])
    damage(host, targets[0])
    damaged = (host.conf.read_text(), host.own.read_text(), host.targets())
    changed, amiss = restored(host, check_mode=True)
    assert changed
    assert amiss
    assert (host.conf.read_text(), host.own.read_text(), host.targets()) == damaged
    assert restored(host) == (True, amiss)
    assert sorted(host.targets()) == targets
    assert (host.conf.read_text(), host.own.read_text()) == whole
    assert restored(host) == (False, [])
    assert restored(host, check_mode=True) == (False, [])


def test_what_people_see_names_volumes_and_nodes_and_no_token(host: Host, published: str) -> None:
    assert published
    tokens = [target.rpartition(".")[2] for target in host.targets()]
    lose_the_part(host, "")
    (outcome,) = host.apply(EXPORTS, check_mode=True).outcomes
    told = str(outcome.diff())
    assert "tank/csi/a to n1" in told
    assert "the kernel shows no port for it" in told
    assert not any(token in told for token in tokens)


def test_a_port_that_nothing_recorded_asks_for_is_ended(host: Host, published: str) -> None:
    """Somebody put it into ctl.conf under our name; the administrator's own target beside it stays."""
    if host.ucl:
        return  # The sections below are classic.
    mine = "iqn.2026-01.org.example:mine"
    host.run("zfs", "create", "-V", "64M", "tank/csi/mine")
    text = host.conf.read_text()
    end = "# END freebsd.storage demo"
    host.conf.write_text(text.replace(end, section(SOMEBODY) + end) + section(mine))
    reload(host, lambda: {SOMEBODY, mine} <= set(host.targets()))
    changed, amiss = restored(host)
    assert changed
    assert amiss == ["iqn.1994-09.org.freebsd.csi:demo.********", "the configuration of ctld"]
    assert mine in host.targets()
    assert SOMEBODY not in host.targets()
    assert host.conf.read_text() == text + section(mine)
    assert restored(host) == (False, [])
    host.conf.write_text(text)
    reload(host, lambda: mine not in host.targets())
    host.run("zfs", "destroy", "tank/csi/mine")
    assert published


def test_what_people_named_comes_back_as_they_named_it(host: Host, published: str) -> None:
    """As long as the lines that remember it are there; that it was edited is told."""
    name = "iqn.2026-01.org.example:named"
    named: list[dict[str, Any]] = [
        {"key": "v", "kind": "zvol", "name": "named", "size": "64M"},
        {"key": "g", "kind": "ctl_auth_group", "name": "clients", "initiators": ["iqn.2026-01.org.example:a"]},
        {"key": "t", "kind": "iscsi_target", "name": name, "auth_group": "clients", "portal_groups": ["csi"]},
    ]
    named[2]["luns"] = [{"number": 0, "zvol": "named"}]
    errors(host.apply(*named), none=True)
    whole = host.own.read_text()
    lines = whole.splitlines(keepends=True)
    host.own.write_text("".join(line.replace(name, f"{name}2") if "#:" not in line else line for line in lines))
    reload(host, lambda: name not in host.targets())
    changed, amiss = restored(host, check_mode=True)
    assert changed
    assert name in amiss
    assert restored(host) == (True, amiss)
    assert name in host.targets()
    assert host.own.read_text() == whole
    assert restored(host) == (False, [])
    gone = [{"key": each["key"], "kind": each["kind"], "name": each["name"], "state": "absent"} for each in named]
    errors(host.apply(*reversed(gone)), none=True)
    assert published


def test_without_ctld_nothing_can_be_restored(host: Host, published: str) -> None:
    host.run("service", "ctld", "stop")
    assert errors(host.apply(EXPORTS)) == ["degraded"]
    host.run("service", "ctld", "start")
    assert restored(host) == (False, [])
    assert published


def test_it_goes_with_publications_in_one_batch(host: Host, published: str) -> None:
    """Whatever changes a publication restores the rest on its way."""
    lose_the_part(host, "")
    reply = host.apply(unpublish(published, "n1"), EXPORTS)
    errors(reply, none=True)
    assert [outcome.changed for outcome in reply.outcomes] == [True, False]
    assert len(host.targets()) == 1
    assert restored(host) == (False, [])
