# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The host's portal group, and a host that changes the grammar of its ctl.conf."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._portal_group import portal_group
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.simulated.conftest import ON_EVERY_HOST, Host, errors, nouns, publish

pytestmark = ON_EVERY_HOST


def bring_about(host: Host, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    options = {
        "name": "csi",
        "listen": host.info["portals"],
        "state": "present",
        "config": str(host.conf),
        "settings_dir": host.info["settings_dir"],
        "lock_timeout": 0,
        "time_limit": 30,
    }
    return portal_group({**options, **changes}, check_mode=check_mode)


@pytest.fixture
def kept(host: Host) -> Any:
    """What the host has of its own is as it was afterwards."""
    files = [host.conf, *host.included.glob("portal-group_.conf")]
    before = {file: file.read_text() for file in files}
    yield
    for file, text in before.items():
        file.write_text(text)


@pytest.mark.usefixtures("kept")
def test_the_portal_group_is_written_once_and_serves(host: Host) -> None:
    assert bring_about(host, check_mode=True)["changed"]
    assert host.conf.read_text() == host.pristine
    first = bring_about(host)
    assert (first["changed"], first["grammar"]) == (True, "ucl" if host.ucl else "classic")
    assert not bring_about(host)["changed"]
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    assert not bring_about(host)["changed"]
    assert not bring_about(host, check_mode=True)["changed"]


@pytest.mark.usefixtures("kept")
def test_one_that_is_in_use_is_not_taken_away(host: Host) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    with pytest.raises(HostError) as caught:
        bring_about(host, state="absent")
    assert "csi" in caught.value.msg
    assert len(host.targets()) == 1


@pytest.mark.usefixtures("kept")
def test_nothing_is_left_of_one_that_is_taken_away(host: Host) -> None:
    assert bring_about(host, state="absent")["changed"]
    assert host.conf.read_text() == ""
    assert list(host.included.glob("*")) == []
    assert not bring_about(host, state="absent")["changed"]


def test_it_waits_for_the_lock_of_the_runs(host: Host) -> None:
    with Path(host.info["settings_dir"], "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HostError) as caught:
            bring_about(host, listen=["192.0.2.77"])
    assert caught.value.code == "busy"


@pytest.mark.usefixtures("kept")
def test_a_host_that_changes_its_grammar_gets_everything_back(host: Host) -> None:
    first, second = host.make("a"), host.make("b")
    targets = [noun["target"] for noun in nouns(host.apply(publish(first), publish(second)))]
    named = {"key": "clients", "kind": "ctl_auth_group", "name": "clients", "initiators": ["iqn.2026-01.org.example:a"]}
    errors(host.apply(named), none=True)
    flags = f"-f {host.conf}"
    old, new = (f"-u {flags}", flags) if host.ucl else (flags, f"-u {flags}")
    try:
        change(host, new)
        assert host.targets() == []
        errors(host.apply(publish(first)), none=True)
        assert not host.apply(named).outcomes[0].changed
        assert sorted(host.targets()) == sorted(targets)
        assert (host.included / "demo.conf").exists() != host.ucl
        change(host, old)
        errors(host.apply(publish(first)), none=True)
        assert not host.apply(named).outcomes[0].changed
        assert sorted(host.targets()) == sorted(targets)
    finally:
        host.run("sysrc", f"ctld_flags={old}")


def change(host: Host, flags: str) -> None:
    """Do what an administrator does, and the role."""
    host.run("service", "ctld", "stop")
    host.run("sysrc", f"ctld_flags={flags}")
    assert bring_about(host)["changed"]
    host.run("service", "ctld", "start")
