"""One simulated storage host for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.host import SimulatedHost
from tests.warm.storage import Storage


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    with SimulatedHost(tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def storage(host: SimulatedHost) -> Iterator[Storage]:
    storage = Storage(host)
    yield storage
    storage.clear()
