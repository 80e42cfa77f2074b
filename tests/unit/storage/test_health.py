"""Health over several storage hosts: whole pages, or an error; never a part taken for all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.health import HealthService
from csi_driver.storage.ids import VolumeId
from csi_driver.storage.model import Condition, HealthStatus, Page, VolumeHealth
from tests.unit.storage.test_placement import config

BAD = Condition(status=HealthStatus.DEGRADED, reason="PoolDegraded", message="replace the device")


def uuid(number: int) -> str:
    return f"{number:032x}"


@dataclass
class Hosts:
    """Storage hosts with so many volumes that are not well; some cannot be asked."""

    ailing: dict[str, int]
    away: set[str] = field(default_factory=set)

    def volume_health(self, volume: VolumeId, *, deadline: float) -> VolumeHealth:
        self._reach(volume.host)
        return VolumeHealth(id=volume, conditions=())

    def list_volume_health(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page[VolumeHealth]:
        self._reach(host)
        rest = [uuid(each) for each in range(self.ailing[host]) if after is None or uuid(each) > after]
        chosen = rest[:limit] if limit else rest
        items = tuple(VolumeHealth(id=VolumeId(host, each), conditions=(BAD,)) for each in chosen)
        return Page(items=items, next_after=items[-1].id if len(chosen) < len(rest) else None)

    def _reach(self, host: str) -> None:
        if host in self.away:
            raise DriverError(ErrorCode.DEGRADED, f"{host} is away")


def service(hosts: Hosts) -> HealthService:
    return HealthService(config(**dict.fromkeys(hosts.ailing, "tank/csi")), hosts)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_pages_of_any_size_hold_everything_once(size: int) -> None:
    """In order, over all hosts, also those with nothing to tell."""
    health, token, seen = service(Hosts({"a": 3, "b": 0, "c": 2})), "", []
    while True:
        page = health.list(token, size, deadline=1)
        assert not size or len(page.items) <= size
        seen += [str(each.id) for each in page.items]
        token = page.next_token
        if not token:
            break
    assert seen == [f"a:{uuid(each)}" for each in range(3)] + [f"c:{uuid(each)}" for each in range(2)]


def test_a_host_that_cannot_be_asked_is_an_error() -> None:
    """Of the list, and of its own volumes; not of others'."""
    health = service(Hosts({"a": 1, "b": 1}, away={"b"}))
    with pytest.raises(DriverError, match="b is away"):
        health.list("", 0, deadline=1)
    with pytest.raises(DriverError, match="b is away"):
        health.get(f"b:{uuid(1)}", deadline=1)
    assert health.get(f"a:{uuid(1)}", deadline=1).conditions == ()


@pytest.mark.parametrize(
    ("volume_id", "code"), [("nonsense", ErrorCode.NOT_FOUND), (f"z:{uuid(1)}", ErrorCode.HOST_RETIRED)]
)
def test_what_is_not_ours_has_no_health(volume_id: str, code: ErrorCode) -> None:
    """An id must name a volume on a configured host."""
    with pytest.raises(DriverError) as caught:
        service(Hosts({"a": 1})).get(volume_id, deadline=1)
    assert caught.value.code is code


@pytest.mark.parametrize("token", ["nonsense", f"z:{uuid(1)}"])
def test_a_token_of_somebody_else_is_stale(token: str) -> None:
    """The caller starts again."""
    with pytest.raises(DriverError) as caught:
        service(Hosts({"a": 1})).list(token, 0, deadline=1)
    assert caught.value.code is ErrorCode.STALE_TOKEN
