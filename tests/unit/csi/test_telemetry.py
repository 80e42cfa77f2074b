"""One line of JSON for everything logged, secrets masked, and a registry of our own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest
import structlog

from csi_driver.telemetry import Metrics, configure_logging, mask_tokens

TOKEN = "0123456789abcdef" * 2
TARGET = f"iqn.1994-09.org.freebsd.csi:demo-1.{TOKEN}"
MASKED = "iqn.1994-09.org.freebsd.csi:demo-1.***"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything logged at info or above."""
    before = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    yield stream
    logging.root.handlers[:], logging.root.level = before
    structlog.reset_defaults()


def records(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(log: io.StringIO) -> None:
    """Event, level, logger, time in UTC, and what was given; in ASCII."""
    structlog.stdlib.get_logger("some.module").info("happened", size_bytes=5, name="two\nlines 💾")
    (record,) = records(log)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "event": "happened",
        "level": "info",
        "logger": "some.module",
        "size_bytes": 5,
        "name": "two\nlines 💾",
    }
    assert log.getvalue().isascii()


def test_libraries_speak_the_same_way(log: io.StringIO) -> None:
    """With their arguments filled in and what is bound to the running call."""
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("grpc._server").error("it was %s", "bad")
    (record,) = records(log)
    assert record.items() >= {"event": "it was bad", "level": "error", "logger": "grpc._server"}.items()
    assert record["request_id"] == "r1"


def test_what_is_below_the_level_is_dropped(log: io.StringIO) -> None:
    """Ours and the libraries'."""
    structlog.stdlib.get_logger("ours").debug("no")
    logging.getLogger("theirs").debug("no")
    assert records(log) == []


def test_a_traceback_is_part_of_the_record(log: io.StringIO) -> None:
    """Not of the lines after it."""
    try:
        raise ValueError(TARGET)
    except ValueError:
        structlog.stdlib.get_logger("ours").exception("failed")
    (record,) = records(log)
    assert f"ValueError: {MASKED}" in record["exception"]


@pytest.mark.parametrize(
    "value", [TARGET, [TARGET], (TARGET,), {"a": {"b": [TARGET]}}, {TARGET: 1}, RuntimeError(TARGET), TARGET.encode()]
)
def test_a_targets_token_is_masked_wherever_it_is(log: io.StringIO, value: Any) -> None:
    """Nested, as a key, in an exception, in bytes."""
    structlog.stdlib.get_logger("ours").warning("about %s", TARGET, value=value)
    assert TOKEN not in log.getvalue()
    assert MASKED in log.getvalue()


def test_what_is_no_target_is_left_alone() -> None:
    """Uuids and initiators are no secrets."""
    for text in (
        TOKEN,
        f"nas1:{TOKEN}",
        "iqn.1994-09.org.freebsd.csi:demo:node-1",
        "iqn.1994-09.org.freebsd.csi:demo.",
    ):
        assert mask_tokens(text) == text


def test_every_target_in_a_text_is_masked() -> None:
    """Not only the first."""
    assert mask_tokens(f"{TARGET} and {TARGET}.") == f"{MASKED} and {MASKED}."


def test_metrics_are_not_shared() -> None:
    """Two sets in one process do not collide, and the library's own registry stays empty of them."""
    one, other = Metrics(), Metrics()
    one.operation("Probe", "OK", 0.5)
    assert b'csi_operation_seconds_count{code="OK",method="Probe"} 1.0' in one.render()
    assert b'method="Probe"' not in other.render()
    assert b"csi_operation" not in prometheus_client.generate_latest()
