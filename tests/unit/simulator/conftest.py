from __future__ import annotations

from pathlib import Path

import pytest

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
