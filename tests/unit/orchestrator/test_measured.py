"""Runs are measured by what became of them, and what they tell of a host is shown until they tell otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest

from csi_driver.orchestrator.measured import MeasuredRunner
from csi_driver.orchestrator.runner import HostUnreachable, RunDied, RunError
from csi_driver.telemetry import Metrics


class Runner:
    """Answers with what it is given."""

    rung = "forked"

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] | RunError = {}
        self.closed = False

    def run(self, playbook: str, host: str, request: Mapping[str, object], *, time_limit: float) -> Mapping[str, Any]:
        if isinstance(self.answer, RunError):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.closed = True


class Measured:
    def __init__(self) -> None:
        self.below, self.metrics = Runner(), Metrics()
        self.runner = MeasuredRunner(self.below, self.metrics)

    def run(self, answer: Mapping[str, Any] | RunError, playbook: str = "info", **request: object) -> object:
        self.below.answer = answer
        return self.runner.run(playbook, "nas1", request, time_limit=1)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"host": "nas1", **labels})

    def count(self, outcome: str, playbook: str = "info") -> float | None:
        return self.value("csi_ansible_run_seconds_count", playbook=playbook, rung="forked", outcome=outcome)


def test_runs_are_counted_by_their_end() -> None:
    """Results and errors are handed on as they are."""
    measured = Measured()
    answer = {"volumes": []}
    assert measured.run(answer) is answer
    assert measured.run({"failed": True, "error": {}}) == {"failed": True, "error": {}}
    for error in (HostUnreachable("x"), RunDied("y")):
        with pytest.raises(type(error)):
            measured.run(error)
    assert [measured.count(each) for each in ("ok", "failed", "unreachable", "died")] == [1, 1, 1, 1]
    measured.runner.close()
    assert measured.below.closed


def test_a_host_is_reachable_as_the_last_run_found_it() -> None:
    """A run that died says nothing; before the first one nothing is known."""
    measured = Measured()
    assert measured.value("csi_storage_host_reachable") is None
    for answer, shown in (
        ({}, 1),
        (HostUnreachable("x"), 0),
        (RunDied("y"), 0),
        ({"failed": True}, 1),
        (RunDied("y"), 1),
    ):
        with contextlib.suppress(RunError):
            measured.run(answer)
        assert measured.value("csi_storage_host_reachable") == shown


def test_batches_are_measured_by_their_size() -> None:
    """Reads are no batches."""
    measured = Measured()
    measured.run({}, "apply", resources=[{}, {}, {}])
    measured.run({})
    assert measured.value("csi_lane_batch_size_sum") == 3
    assert measured.value("csi_lane_batch_size_count") == 1


def test_conditions_and_drift_are_shown_until_they_have_ended() -> None:
    """Other results than those of health leave the conditions as they are."""
    measured = Measured()
    labels = {"status": "degraded", "reason": "PoolDegraded"}
    measured.run({"summary": [{**labels, "volumes": 3}], "host": {"drift": [{"kind": "stray_port"}] * 2}})
    assert measured.value("csi_volume_health_conditions", **labels) == 3
    assert measured.value("csi_storage_host_drift", kind="stray_port") == 2
    measured.run({"volumes": [], "host": {"drift": []}})
    assert measured.value("csi_volume_health_conditions", **labels) == 3
    assert measured.value("csi_storage_host_drift", kind="stray_port") == 0
    measured.run({"summary": []})
    assert measured.value("csi_volume_health_conditions", **labels) == 0


@pytest.mark.parametrize(
    "result",
    [
        {"summary": [{"status": "odd", "reason": "A", "volumes": 1}]},
        {"summary": [{"status": "degraded", "reason": "iqn.1994-09.org.freebsd.csi:demo.x", "volumes": 1}]},
        {"summary": [{"status": "degraded", "reason": "A" * 41, "volumes": 1}]},
        {"summary": 5, "host": 7},
        {"host": {"drift": [{"kind": "a b"}]}},
    ],
)
def test_what_is_no_word_of_ours_becomes_no_label(result: dict[str, Any]) -> None:
    """And disturbs no run."""
    measured = Measured()
    assert measured.run(result) is result
    assert b"csi_volume_health_conditions{" not in measured.metrics.render()
    assert b"csi_storage_host_drift{" not in measured.metrics.render()
