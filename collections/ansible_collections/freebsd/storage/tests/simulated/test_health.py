# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What goes wrong on a host is told of the volumes it strikes, and of no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._info import info
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.simulated.conftest import OWNER, Host, errors, publish, volume


@pytest.fixture(autouse=True)
def mended(host: Host) -> Iterator[None]:
    yield
    host.simulated.control("pool", name="tank", health="ONLINE", damaged=[])


def ask(host: Host, **options: Any) -> dict[str, Any]:
    defaults = {
        "owner": OWNER,
        "parent": host.info["parent"],
        "settings_dir": host.info["settings_dir"],
        "kinds": ["health"],
        "uuid": None,
        "names": None,
        "volume": None,
        "after": None,
        "limit": 0,
        "nearly_full_percent": 90,
        "privilege": "none",
        "time_limit": 30,
    }
    return info({**defaults, **options})


def found(host: Host, uuid: str, **options: Any) -> list[tuple[str, str]]:
    """What ails one volume."""
    (noun,) = ask(host, uuid=uuid, **options)["health"]
    assert noun["volume"] == uuid
    return [(each["status"], each["reason"]) for each in noun["conditions"]]


def published(host: Host, name: str) -> str:
    uuid = host.make(name)
    errors(host.apply(publish(uuid)), none=True)
    return uuid


def test_what_is_well_is_told_only_when_asked_for(host: Host) -> None:
    uuid = published(host, "a")
    told = ask(host)
    assert (told["health"], told["next"], told["summary"], told["changed"]) == ([], None, [], False)
    assert found(host, uuid) == []
    assert ask(host, uuid="f" * 32)["health"] == []
    host.clean(uuid)


def test_a_degraded_pool_strikes_every_volume_and_is_told_page_by_page(host: Host) -> None:
    uuids = sorted(host.make(name) for name in "abc")
    host.simulated.control("pool", name="tank", health="DEGRADED")
    first = ask(host, limit=2)
    assert [each["volume"] for each in first["health"]] == uuids[:2]
    assert first["next"] == uuids[1]
    (condition,) = first["health"][0]["conditions"]
    assert (condition["status"], condition["reason"]) == ("degraded", "PoolDegraded")
    assert "zpool online" in condition["msg"]
    assert first["summary"] == [{"status": "degraded", "reason": "PoolDegraded", "volumes": 3}]
    last = ask(host, limit=2, after=first["next"])
    assert ([each["volume"] for each in last["health"]], last["next"]) == (uuids[2:], None)
    host.clean(*uuids)


def test_a_suspended_pool_is_told_of_the_volume_asked_for_and_otherwise_an_error(host: Host) -> None:
    uuid = host.make("a")
    host.simulated.control("pool", name="tank", health="SUSPENDED")
    assert found(host, uuid)[0] == ("inaccessible", "PoolSuspended")
    with pytest.raises(HostError) as caught:
        ask(host)
    assert caught.value.code == "degraded"
    assert "suspended" in caught.value.msg
    host.simulated.control("pool", name="tank", health="ONLINE")
    host.clean(uuid)


def test_lost_data_is_told_of_the_volume_that_lost_it(host: Host) -> None:
    struck, spared = host.make("a"), host.make("b")
    host.simulated.control("pool", name="tank", damaged=["tank/csi/a:<0x1>", "tank/csi/b@s:<0x1>"])
    assert found(host, struck) == [("degraded", "PoolDataErrors"), ("data_loss", "DataErrors")]
    assert found(host, spared) == [("degraded", "PoolDataErrors")]
    host.clean(struck, spared)


def test_room_is_of_no_interest_to_a_volume_that_has_its_own(host: Host) -> None:
    errors(host.apply(volume("thick", thin=False), volume("thin", thin=True)), none=True)
    uuids = {each["name"]: each["uuid"] for each in ask(host, kinds=["volumes"])["volumes"]}
    host.run("zfs", "set", "quota=80M", "tank/csi")
    assert found(host, uuids["thin"], nearly_full_percent=70) == [("degraded", "ParentNearlyFull")]
    assert found(host, uuids["thick"], nearly_full_percent=70) == []
    host.run("zfs", "set", "quota=none", "tank/csi")
    assert found(host, uuids["thin"]) == []
    host.clean(*uuids.values())


def test_a_volume_whose_device_went_away_is_inaccessible(host: Host) -> None:
    uuid = host.make("a")
    host.run("zfs", "set", "volmode=none", "tank/csi/a")
    assert found(host, uuid) == [("inaccessible", "DeviceMissing")]
    host.run("zfs", "set", "volmode=dev", "tank/csi/a")
    host.clean(uuid)


def test_a_publication_that_the_kernel_does_not_show_is_inaccessible(host: Host) -> None:
    uuid, other = published(host, "a"), host.make("b")
    host.conf.write_text(host.pristine)
    host.run("service", "ctld", "restart")
    assert found(host, uuid) == [("inaccessible", "NotExported")]
    assert found(host, other) == []
    errors(host.apply(publish(uuid)), none=True)
    assert found(host, uuid) == []
    host.clean(uuid, other)


def test_ctld_that_does_not_run_is_told_of_every_volume(host: Host) -> None:
    uuid, other = published(host, "a"), host.make("b")
    host.run("service", "ctld", "stop")
    assert found(host, uuid) == [("degraded", "TargetDaemonDown"), ("inaccessible", "NotExported")]
    assert found(host, other) == [("degraded", "TargetDaemonDown")]
    host.run("service", "ctld", "start")
    host.clean(uuid, other)


def test_a_record_that_cannot_be_read_is_told(host: Host) -> None:
    uuid = host.make("a")
    name = "org.freebsd.storage:publication.676b8bb84ce7"
    host.run("zfs", "set", f"{name}=nonsense", "tank/csi/a")
    assert found(host, uuid) == [("degraded", "RecordUnreadable")]
    host.run("zfs", "inherit", name, "tank/csi/a")
    host.clean(uuid)


def test_a_volume_whose_properties_cannot_be_read_is_not_called_well(host: Host) -> None:
    uuid = host.make("a")
    kept = host.run("zfs", "get", "-Hp", "-o", "value", "org.freebsd.storage:parameters", "tank/csi/a").strip()
    host.run("zfs", "set", "org.freebsd.storage:parameters=?", "tank/csi/a")
    assert found(host, uuid) == [("degraded", "PropertiesUnreadable")]
    host.run("zfs", "set", f"org.freebsd.storage:parameters={kept}", "tank/csi/a")
    host.clean(uuid)


@pytest.mark.parametrize(("command", "match"), [("zpool", "list"), ("zpool", "status"), ("ctladm", "portlist")])
def test_what_cannot_be_looked_at_is_an_error(host: Host, command: str, match: str) -> None:
    uuid = published(host, "a")
    host.fault(command=command, match=match, action="fail", rc=1, err="no\n")
    with pytest.raises(HostError):
        ask(host, uuid=uuid)
    host.clean(uuid)


def test_nothing_is_asked_that_only_root_may_where_nothing_is_exported(host: Host) -> None:
    uuid = host.make("a")
    assert found(host, uuid, privilege="doas") == []
    errors(host.apply(publish(uuid)), none=True)
    with pytest.raises(HostError) as caught:
        ask(host, uuid=uuid, privilege="doas")
    assert caught.value.code == "unsupported"
    host.clean(uuid)
