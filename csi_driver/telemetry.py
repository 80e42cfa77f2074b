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
from typing import TYPE_CHECKING, TextIO

import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.typing import EventDict, Processor

MASK = "***"

# A run on a storage host takes a few tenths of a second, a queued one several times that; a sidecar
# gives up after 15 s by default.
_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
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

    def operation(self, method: str, code: str, seconds: float) -> None:
        """Count one finished CSI call."""
        self._operation_seconds.labels(method, code).observe(seconds)

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
