from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.node.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A node on loop devices; whatever happens, nothing of it outlives the test."""
    made = Lab(tmp_path)
    try:
        yield made
    finally:
        made.close()
