"""Hosts are asked at once, and one that hangs is not waited for long."""

from __future__ import annotations

import time

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.asking import Asker

PATIENCE, IMPATIENCE = 0.4, 0.1


def hung(host: str, until: float) -> str:
    """Answers at once for all hosts but the one called slow, which never does."""
    if host == "slow":
        time.sleep(max(0.0, until - time.monotonic()))
        raise DriverError(ErrorCode.UNCERTAIN, "late")
    return host


def waited(asker: Asker, *, deadline: float = 60.0) -> float:
    """How long a caller waits for all answers."""
    began = time.monotonic()
    answers = asker.ask(hung, ["a", "slow", "b"], deadline=began + deadline)
    assert (answers["a"], answers["b"]) == ("a", "b")
    assert isinstance(answers["slow"], DriverError)
    return time.monotonic() - began


def test_a_host_that_hangs_is_waited_for_once_and_then_hardly() -> None:
    """Each call asks it again all the same."""
    asker = Asker(PATIENCE, IMPATIENCE)
    assert waited(asker) >= PATIENCE
    assert IMPATIENCE <= waited(asker) < PATIENCE


def test_a_host_that_answers_again_is_waited_for_as_before() -> None:
    """It is not held against it for ever."""
    asker = Asker(PATIENCE, IMPATIENCE)
    waited(asker)
    asker.ask(lambda host, _: host, ["slow"], deadline=time.monotonic() + 60)
    assert waited(asker) >= PATIENCE


def test_nobody_is_waited_for_beyond_the_callers_deadline() -> None:
    """However patient the asker is."""
    assert waited(Asker(60.0, 60.0), deadline=0.1) < PATIENCE


def test_without_hosts_there_are_no_answers() -> None:
    """And nothing to wait for."""
    assert Asker().ask(hung, [], deadline=0) == {}
