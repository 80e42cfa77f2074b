from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.csi.fakes import Driver


@pytest.fixture
def driver() -> Iterator[Driver]:
    """The driver's server with canned services behind it."""
    made = Driver()
    try:
        yield made
    finally:
        made.close()
