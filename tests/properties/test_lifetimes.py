"""Whatever is done in whatever order, listings, sizes and bytes are what CSI promises; in the end nothing is left."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.harness.client import Cluster
from tests.harness.stack import Stack
from tests.properties.histories import Histories

HISTORIES = int(os.environ.get("HISTORIES", "6"))
STEPS = 25


def test_random_histories_keep_the_promises() -> None:
    """HISTORIES says how many; they are the same ones each time unless it is given."""
    with Stack() as stack, stack.controller.channel() as controller, stack.node.channel() as node:
        machine = type(
            "Histories", (Histories,), {"stack": stack, "cluster": Cluster(controller, node, stack.directory)}
        )
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize="HISTORIES" not in os.environ,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
