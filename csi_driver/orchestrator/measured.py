"""Measures the runs of playbooks, and what their results tell of the storage hosts; changes nothing about them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from csi_driver.orchestrator import results
from csi_driver.orchestrator.runner import HostUnreachable, PlaybookRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.telemetry import Metrics


class _Climbing(PlaybookRunner, Protocol):
    @property
    def rung(self) -> str:
        """The way in which playbooks are run at present."""
        ...


class MeasuredRunner:
    """A `PlaybookRunner` that hands everything on to another one."""

    def __init__(self, runner: _Climbing, metrics: Metrics) -> None:
        self._runner = runner
        self._metrics = metrics

    def run(
        self, playbook: str, host: str, request: Mapping[str, object], *, time_limit: float
    ) -> Mapping[str, object]:
        """See `PlaybookRunner.run`."""
        resources = request.get("resources")
        if isinstance(resources, list):
            self._metrics.batch(host, len(resources))
        began = time.monotonic()
        outcome = "died"
        try:
            result = self._runner.run(playbook, host, request, time_limit=time_limit)
            outcome = "failed" if result.get("failed") else "ok"
        except HostUnreachable:
            outcome = "unreachable"
            raise
        finally:
            self._metrics.run(host, playbook, self._runner.rung, outcome, time.monotonic() - began)
            if outcome != "died":  # it may or may not have been reached
                self._metrics.reached(host, reached=outcome != "unreachable")
        self._told(host, result)
        return result

    def _told(self, host: str, result: Mapping[str, object]) -> None:
        conditions, drift = results.conditions(result), results.drift(result)
        if conditions is not None:
            self._metrics.conditions(host, conditions)
        if drift is not None:
            self._metrics.drift(host, drift)

    def close(self) -> None:
        """See `PlaybookRunner.close`."""
        self._runner.close()
