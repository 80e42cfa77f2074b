from __future__ import annotations

import os
import time

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.host import LocalHost, Result, expect


def soon() -> float:
    return time.monotonic() + 10


def test_a_command_runs_with_its_arguments_as_they_are_and_in_the_c_locale() -> None:
    """No shell looks at them."""
    result = LocalHost().run("printf", "%s|", "a b", "$HOME", "`id`", ";", deadline=soon())
    assert result.out == "a b|$HOME|`id`|;|"
    assert "LC_ALL=C\n" in LocalHost({**os.environ, "LC_ALL": "de"}).run("env", deadline=soon()).out


def test_a_failure_is_a_result() -> None:
    """The caller knows what an exit status means."""
    result = LocalHost().run("sh", "-c", "echo no >&2; exit 7", deadline=soon())
    assert (result.code, result.told) == (7, "no")


def test_a_command_that_is_not_there_is_named() -> None:
    """The remedy is to install it."""
    with pytest.raises(DriverError, match="no-such-command") as caught:
        LocalHost().run("no-such-command", deadline=soon())
    assert caught.value.code == ErrorCode.DEGRADED


def test_a_command_is_killed_at_its_deadline_with_its_children() -> None:
    """And the outcome is uncertain."""
    began = time.monotonic()
    with pytest.raises(DriverError, match="in time") as caught:
        LocalHost().run("sh", "-c", "sleep 60 & sleep 60", deadline=time.monotonic() + 0.2)
    assert caught.value.code == ErrorCode.UNCERTAIN
    assert time.monotonic() - began < 5


def test_bytes_that_are_no_text_do_not_hurt() -> None:
    """A label on a disk may hold anything."""
    assert LocalHost().run("printf", r"\377", deadline=soon()).out == "\ufffd"


@pytest.mark.parametrize(
    ("out", "err", "told"),
    [("", "", "exit status 3"), ("out\n", "", "out"), ("out", "bad\n  thing\n", "bad thing")],
)
def test_a_failed_expectation_says_what_the_command_said(out: str, err: str, told: str) -> None:
    """On one line, with what was being done."""
    with pytest.raises(DriverError, match=f"^washing failed: soap: {told}$"):
        expect(Result(("soap",), 3, out, err), "washing")
