# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is only so where ctld reads UCL: two files that belong together, and a ctld 14 that believes too much."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import confile
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    WITH_UCL,
    Host,
    errors,
    nouns,
    publish,
    unpublish,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import ended

pytestmark = WITH_UCL
ADMIN = """
auth-group {{ mine {{ auth-type = "none" }} }}
target {{
  "iqn.2026-01.org.example:{name}" {{
    auth-group = "mine"
    portal-group = {{ name = "csi" }}
    lun = [ {{ number = 0, name = "{name}" }} ]
  }}
}}
lun {{ {name} {{ path = "/dev/zvol/tank/{name}" }} }}
"""


def test_the_exports_lie_in_a_private_file_and_ctl_conf_does_not_change_with_them(host: Host) -> None:
    first, second = host.make("a"), host.make("b")
    errors(host.apply(publish(first)), none=True)
    main = host.conf.read_text()
    assert main.endswith(f'.include(try=true,duplicate=merge) "{host.own}"\n# END freebsd.storage demo\n')
    assert (host.own.stat().st_mode & 0o777, host.own.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    errors(host.apply(publish(second)), none=True)
    errors(host.apply(unpublish(first)), none=True)
    assert host.conf.read_text() == main
    assert len(host.targets()) == 1
    host.clean(first, second)


@pytest.fixture
def mine(host: Host) -> str:
    """A disk of the administrator's, served by a target of the administrator's own."""
    host.run("zfs", "create", "-V", "64M", "tank/mine")
    return "iqn.2026-01.org.example:mine"


@pytest.mark.parametrize("before", [True, False])
def test_the_administrators_own_targets_stay_wherever_they_stand(host: Host, mine: str, *, before: bool) -> None:
    uuid = host.make("a")
    if before:
        host.conf.write_text(host.pristine + ADMIN.format(name="mine"))
    target = nouns(host.apply(publish(uuid)))[0]["target"]
    if not before:
        # What is written behind ours is out of ctld 14's sight, until ours moves behind it.
        host.conf.write_text(host.conf.read_text() + ADMIN.format(name="mine"))
        errors(host.apply(publish(uuid)), none=True)
    wait_for(host, mine, target)
    errors(host.apply(unpublish(uuid)), none=True)
    wait_for(host, mine)
    assert host.conf.read_text() == host.pristine + ADMIN.format(name="mine")
    host.conf.write_text(host.pristine)
    host.run("service", "ctld", "restart")
    host.run("zfs", "destroy", "tank/mine")
    host.clean(uuid)


def wait_for(host: Host, *targets: str) -> None:
    """Runs wait for what they were asked for, not for what others have written."""
    end = time.monotonic() + 5
    while sorted(host.targets()) != sorted(targets) and time.monotonic() < end:
        time.sleep(0.02)
    assert sorted(host.targets()) == sorted(targets)


def _without_block(host: Host) -> None:
    host.conf.write_text(host.pristine)


@pytest.mark.parametrize(
    "damage",
    [
        lambda host: host.own.unlink(),
        lambda host: host.own.write_text(""),
        lambda host: host.own.write_text('"target": {'),
        lambda host: host.own.write_text(host.own.read_text().replace('"serial"', '"seriel"')),
        lambda host: host.own.write_text(host.own.read_text().replace('{"name": "csi"}', '"csi"')),
        _without_block,
    ],
    ids=["deleted", "empty", "broken", "misspelt", "wrong form", "not included"],
)
def test_a_damaged_or_missing_part_is_made_right(host: Host, damage: Callable[[Host], None]) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    whole = host.own.read_text(), host.conf.read_text()
    damage(host)
    host.run("service", "ctld", "reload")
    errors(host.apply(publish(uuid)), none=True)
    assert (host.own.read_text(), host.conf.read_text()) == whole
    assert len(host.targets()) == 1
    host.clean(uuid)


@pytest.mark.parametrize("step", ["_swap_main", "_remove_own", "_flush_directory"])
@pytest.mark.parametrize("publishing", [True, False])
def test_a_crash_between_the_two_files_is_mended(
    host: Host, monkeypatch: pytest.MonkeyPatch, step: str, *, publishing: bool
) -> None:
    uuid = host.make("a")
    if not publishing:
        errors(host.apply(publish(uuid)), none=True)
    wish = publish(uuid) if publishing else unpublish(uuid)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(confile, step, lambda *_arguments: os._exit(9))
        host.apply(wish)
        os._exit(0)
    died = ended(child) != 0
    assert died or (publishing and step == "_remove_own")
    errors(host.apply(wish), none=True)
    assert len(host.targets()) == publishing
    assert Path(host.own).exists() == publishing
    host.clean(uuid)
