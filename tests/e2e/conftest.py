"""One running system for all tests here; each test must leave the host as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.client import Cluster
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The simulated host and the driver, running."""
    with Stack() as stack:
        yield stack


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Cluster]:
    """A client of the driver; afterwards nothing of ours may be left on the host."""
    with stack.controller.channel() as controller, stack.node.channel() as node:
        yield Cluster(controller, node, stack.directory / "kubelet")
    assert leftovers(stack) == []
