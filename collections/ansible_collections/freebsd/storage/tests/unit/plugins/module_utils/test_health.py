# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _health, _names
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Kernel, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils._facts import facts_of
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Record
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.pools import Pool
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    TOKENS,
    UUIDS,
    parent_text,
    record,
    volume_text,
)

SIZE = 1 << 30
WELL = Pool("tank", "ONLINE", 10)
RECORDS = [record(), record("node2", TOKENS[1])]


def kernel(*records: Record, blocks: int = SIZE // 512, pid: Optional[int] = 7) -> Kernel:
    """The kernel of a host that exports the first volume by these records."""
    ports = tuple(
        Port(
            number,
            "iscsi",
            True,
            _names.target_of(OWNER, each.token),
            {0: 0},
            (each.initiator,),
            portal_group=each.portal_group,
        )
        for number, each in enumerate(records)
    )
    uuid = UUIDS[0]
    path = f"/dev/zvol/{PARENT}/pvc-1"
    luns = (Lun(0, _names.lun_of(OWNER, uuid), path, blocks, 512, _names.serial_of(uuid), uuid),)
    return Kernel(Daemon(pid), ports, luns if records else ())


def reasons(seen: Kernel, *records: Record, pool: Pool = WELL, limit: int = 90, available: int = SIZE) -> list[str]:
    text = parent_text(available=available) + volume_text(records=records)
    facts = facts_of(parse.inventory(text, PARENT, OWNER), OWNER, seen)
    return [f"{each.status} {each.reason}" for each in _health.health_of(facts, pool, limit)[UUIDS[0]]]


def test_a_volume_that_is_exported_as_recorded_is_well() -> None:
    assert reasons(kernel(*RECORDS), *RECORDS) == []


def test_a_volume_that_no_node_can_reach_is_inaccessible_and_one_that_some_can_degraded() -> None:
    assert reasons(kernel(), *RECORDS) == ["inaccessible NotExported"]
    assert reasons(kernel(RECORDS[0]), *RECORDS) == ["degraded NotExported"]
    assert reasons(kernel(), record(leaving=True)) == []


def test_luns_have_to_have_a_medium_of_the_right_size() -> None:
    assert reasons(kernel(*RECORDS, blocks=0), *RECORDS) == ["inaccessible LunWithoutMedium"]
    assert reasons(kernel(*RECORDS, blocks=8), *RECORDS) == ["degraded LunTooSmall"]


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        (WELL._replace(health="DEGRADED"), "degraded PoolDegraded"),
        (WELL._replace(health="SUSPENDED"), "inaccessible PoolSuspended"),
        (WELL._replace(health="UNAVAIL"), "inaccessible PoolFaulted"),
        (WELL._replace(health="something new"), "inaccessible PoolFaulted"),
        (WELL._replace(damage="2 data errors"), "degraded PoolDataErrors"),
        (WELL._replace(used_percent=90), "degraded PoolNearlyFull"),
    ],
)
def test_the_state_of_the_pool_is_the_volumes(pool: Pool, told: str) -> None:
    assert reasons(kernel(), pool=pool) == [told]


def test_the_room_below_the_parent_counts_too() -> None:
    assert reasons(kernel(), available=10000) == ["degraded ParentNearlyFull"]
    assert reasons(kernel(), available=10000, limit=99) == []


def test_the_daemon_has_to_run() -> None:
    assert reasons(kernel(*RECORDS, pid=None), *RECORDS) == ["degraded TargetDaemonDown"]


def test_reasons_are_camel_case_and_told_once_for_a_volume() -> None:
    bad = Pool("tank", "SUSPENDED", 99, damage="x", damaged=frozenset({f"{PARENT}/pvc-1"}))
    told = reasons(kernel(pid=None), *RECORDS, pool=bad, available=1)
    assert len(told) == len(set(told)) == 7
    assert all(each.split()[1].isalnum() and each.split()[1][0].isupper() for each in told)


def test_no_secret_is_told() -> None:
    text = parent_text() + volume_text(records=RECORDS)
    facts = facts_of(parse.inventory(text, PARENT, OWNER), OWNER, kernel())
    assert TOKENS[0] not in str(_health.health_of(facts, WELL, 90))
