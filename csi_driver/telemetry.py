"""
Logs and metrics. Knows nothing of what is logged or measured.

Every record of this process, the libraries' own included, is one line of JSON on stderr, with what
is bound to the running call. The token that ends a target's name is a secret and is masked in all
of them.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, TextIO

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from structlog.typing import EventDict, Processor

MASK = "***"
METRICS_TYPE = CONTENT_TYPE_LATEST

# A run on a storage host takes a few tenths of a second, a queued one several times that; a sidecar
# gives up after 15 s by default.
_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TARGET_TOKEN = re.compile(r"(iqn\.1994-09\.org\.freebsd\.csi:[A-Za-z0-9-]+\.)[0-9a-fA-F]{32}")


def mask_tokens(text: str) -> str:
    """Return the text with the secret part of every target name in it masked."""
    return _TARGET_TOKEN.sub(rf"\g<1>{MASK}", text)


def configure_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send everything logged in this process at `level` or above to `stream` (default stderr)."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_event,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())


class Metrics:
    """What this process measures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._operation_seconds = Histogram(
            "csi_operation_seconds",
            "How long CSI calls took, by method and gRPC status code.",
            ("method", "code"),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._run_seconds = Histogram(
            "csi_ansible_run_seconds",
            "How long runs of playbooks took, by the rung in use and by how they ended.",
            ("host", "playbook", "rung", "outcome"),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._batch_size = Histogram(
            "csi_lane_batch_size",
            "How many changes one run made on a storage host.",
            ("host",),
            registry=self.registry,
            buckets=_BATCHES,
        )
        self._reachable = self._gauge("csi_storage_host_reachable", "1 if the last run reached the host, else 0.")
        self._conditions = self._gauge(
            "csi_volume_health_conditions", "Volumes with a condition when health was last asked.", "status", "reason"
        )
        self._drift = self._gauge("csi_storage_host_drift", "What the host's last run found amiss.", "kind")
        self._lock = threading.Lock()
        self._shown: set[tuple[Gauge, str, tuple[str, ...]]] = set()

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(name, help_, ("host", *labels), registry=self.registry)

    def operation(self, method: str, code: str, seconds: float) -> None:
        """Count one finished CSI call."""
        self._operation_seconds.labels(method, code).observe(seconds)

    def run(self, host: str, playbook: str, rung: str, outcome: str, seconds: float) -> None:
        """Count one finished run of a playbook."""
        self._run_seconds.labels(host, playbook, rung, outcome).observe(seconds)

    def batch(self, host: str, size: int) -> None:
        """Count the changes that went to a storage host in one run."""
        self._batch_size.labels(host).observe(size)

    def reached(self, host: str, *, reached: bool) -> None:
        """Note whether a run reached its host."""
        self._reachable.labels(host).set(reached)

    def conditions(self, host: str, volumes: Mapping[tuple[str, ...], int]) -> None:
        """Note how many volumes of the host have each condition, by status and reason; others have ended."""
        self._show(self._conditions, host, volumes)

    def drift(self, host: str, kinds: Iterable[str]) -> None:
        """Note what is amiss on the host; all else is in order again."""
        self._show(self._drift, host, Counter((kind,) for kind in kinds))

    def _show(self, gauge: Gauge, host: str, counts: Mapping[tuple[str, ...], int]) -> None:
        with self._lock:
            self._shown |= {(gauge, host, labels) for labels in counts}
            known = {labels for shown, its_host, labels in self._shown if (shown, its_host) == (gauge, host)}
            for labels in known:
                gauge.labels(host, *labels).set(counts.get(labels, 0))

    def watch_lanes(self, hosts: Iterable[str], waiting: Callable[[str], int]) -> None:
        """Show how many changes wait for the next run on each storage host."""
        gauge = self._gauge("csi_lane_waiting", "Changes that wait for the next run on the storage host.")
        for host in hosts:
            gauge.labels(host).set_function(functools.partial(waiting, host))

    def watch_rung(self, rungs: Sequence[str], current: Callable[[], str]) -> None:
        """Show in which way playbooks are run: 1 for the rung in use, 0 for the others."""
        gauge = Gauge("csi_ansible_rung", "The way in which playbooks are run.", ("rung",), registry=self.registry)
        for rung in rungs:
            gauge.labels(rung).set_function(functools.partial(_is, rung, current))

    def render(self) -> bytes:
        """Return everything measured, in Prometheus's text format."""
        return generate_latest(self.registry)


def _is(rung: str, current: Callable[[], str]) -> float:
    return float(current() == rung)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _mask_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: object) -> object:
    match value:
        case str():
            return mask_tokens(value)
        case dict():
            return {_masked(key): _masked(item) for key, item in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case int() | float() | None:
            return value
        case _:  # an exception or an object of a library: what JSON would make of it
            return mask_tokens(repr(value))
