"""Fixtures of the ctld and CTL tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.simulator_ctl.host import Host


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """Make hosts by release; all are stopped at the end."""
    made: list[Host] = []

    def make(release: str = "14.3") -> Host:
        made.append(Host(tmp_path / f"host{len(made)}", release))
        return made[-1]

    yield make
    for host in made:
        host.stop()


@pytest.fixture
def release() -> str:
    """The FreeBSD release; a module whose tests hold for others too gives this fixture parameters."""
    return "14.3"


@pytest.fixture
def host(make_host: Callable[[str], Host], release: str) -> Host:
    """A host with an empty pool `tank`, ctld not running."""
    return make_host(release)
