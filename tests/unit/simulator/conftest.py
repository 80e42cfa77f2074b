from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.host import SimulatedHost
from tests.unit.simulator.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """FreeBSD 14.3 with a pool `tank` of 100 GiB and the dataset tank/csi."""
    return Box(tmp_path)


@pytest.fixture
def box15(tmp_path: Path) -> Box:
    return Box(tmp_path, "15.0")


@pytest.fixture
def small(tmp_path: Path) -> Box:
    """A pool that real data can fill: 256 MiB, half of it usable."""
    return Box(tmp_path, pool_bytes=256 << 20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., SimulatedHost]]:
    """Start hosts as processes of their own; they end with the test."""
    hosts: list[SimulatedHost] = []

    def begin(**options: object) -> SimulatedHost:
        host = SimulatedHost(tmp_path / f"host{len(hosts)}", **options)  # type: ignore[arg-type]
        hosts.append(host)
        host.start()
        return host

    yield begin
    for host in hosts:
        host.stop()
