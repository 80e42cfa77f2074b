# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The module is killed before, during and after every command; the next run completes what it began."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed, Running, SystemCommands
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    IN_BOTH_GRAMMARS,
    Host,
    delete,
    errors,
    nouns,
    publish,
    unpublish,
    volume,
)

KILLED = 9
PATIENCE = 60.0  # seconds


class Doomed(SystemCommands):
    """Ends the process at one command."""

    def __init__(self, number: int, moment: str) -> None:
        super().__init__(time.monotonic() + 30)
        self._number = number
        self._moment = moment

    def start(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Running:
        if self.count + 1 < self._number:
            return super().start(argv, stdin)
        if self._moment == "before":
            os._exit(KILLED)
        running = super().start(argv, stdin)
        if self._moment == "during":
            os._exit(KILLED)
        return _Last(running)


class _Last:
    def __init__(self, running: Running) -> None:
        self._running = running

    def wait(self) -> Completed:
        self._running.wait()
        os._exit(KILLED)


def killed(
    host: Host, number: int, moment: str, resources: Sequence[dict[str, Any]], secrets: Optional[dict[str, str]] = None
) -> bool:
    """Run a batch in a process that is killed; False if it ended before it came so far."""
    child = os.fork()
    if child == 0:
        try:
            host.apply(*resources, commands=Doomed(number, moment), secrets=secrets)
        except BaseException:  # noqa: BLE001 - the child must not go on with the tests
            os._exit(1)
        os._exit(0)
    status = ended(child)
    assert status in (0, KILLED, -signal.SIGKILL)
    return status != 0


def ended(child: int) -> int:
    """
    Wait for the child, and return its exit status or the negative signal.

    A child of a process with threads may find a lock held for ever. It is killed then, at whatever moment that is.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def complete(host: Host, *resources: dict[str, Any]) -> Sequence[Any]:
    """Run the batch again, twice: the first completes it, the second finds it done."""
    first = host.apply(*resources)
    errors(first, none=True)
    second = host.apply(*resources)
    assert nouns(second) == nouns(first)
    assert not any(outcome.changed for outcome in second.outcomes)
    return nouns(first)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_create(host: Host, moment: str) -> None:
    number = 1
    while killed(host, number, moment, [volume("a"), volume("b")]):
        made = complete(host, volume("a"), volume("b"))
        host.clean(*(noun["uuid"] for noun in made))
        number += 1
    assert number > 4
    host.clean(*(noun["uuid"] for noun in complete(host, volume("a"), volume("b"))))


@IN_BOTH_GRAMMARS
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_publish(host: Host, moment: str) -> None:
    uuids = [host.make("a"), host.make("b")]
    batch = [publish(uuid) for uuid in uuids]
    number = 1
    while killed(host, number, moment, batch):
        made = complete(host, *batch)
        assert sorted(host.targets()) == sorted(noun["target"] for noun in made)
        complete(host, *(unpublish(uuid) for uuid in uuids))
        assert host.conf.read_text() == host.pristine
        number += 1
    assert number > 10
    host.clean(*uuids)


@IN_BOTH_GRAMMARS
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_unpublish(host: Host, moment: str) -> None:
    uuids = [host.make("a"), host.make("b")]
    complete(host, *(publish(uuid) for uuid in uuids))
    batch = [unpublish(uuid, "n1") for uuid in uuids]
    number = 1
    while killed(host, number, moment, batch):
        complete(host, *batch)
        assert host.targets() == []
        assert host.conf.read_text() == host.pristine
        complete(host, *(publish(uuid) for uuid in uuids))
        number += 1
    assert number > 10
    host.clean(*uuids)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_delete(host: Host, moment: str) -> None:
    number = 1
    uuids = [host.make("a"), host.make("b")]
    while killed(host, number, moment, [delete(uuid) for uuid in uuids]):
        complete(host, *(delete(uuid) for uuid in uuids))
        host.empty()
        uuids = [host.make("a"), host.make("b")]
        number += 1
    assert number > 3
    host.empty()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_mixed_batch_of_two_rounds(host: Host, moment: str) -> None:
    number = 1
    while True:
        old, kept = host.make("old"), host.make("kept")
        complete(host, publish(old), publish(kept))
        batch = [unpublish(old), delete(old), publish(kept), volume("new")]
        alive = killed(host, number, moment, batch)
        complete(host, *batch)
        new = host.make("new")
        host.clean(kept, new)
        if not alive:
            break
        number += 1
    assert number > 15
