# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Kernel, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.waiting import Pending, wait_for
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils._ctl.test_conf import export
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import FakeClock

ONE, TWO = export(1), export(2)


def kernel(*numbers: int) -> Kernel:
    exports = [export(number) for number in numbers]
    ports = [Port(each, "iscsi", True, export(each).target, {0: each}, (), "csi") for each in numbers]
    luns = [
        Lun(number, each.lun, each.path, 2048, each.blocksize, each.serial, each.device_id)
        for number, each in zip(numbers, exports)
    ]
    return Kernel(Daemon(900), tuple(ports), tuple(luns))


class Ctld:
    """A daemon whose tables are a function of time."""

    def __init__(self, *changes: tuple[float, Kernel]) -> None:
        self.clock = FakeClock()
        self.start = self.clock.time
        self.changes = changes
        self.signals: list[float] = []

    def look(self) -> Kernel:
        now = self.clock.time - self.start
        return [seen for since, seen in self.changes if since <= now][-1]

    def signal(self) -> bool:
        self.signals.append(round(self.clock.time - self.start, 1))
        return True

    def wait(self, pending: Pending) -> float:
        wait_for(pending, self.changes[0][1], self.look, self.signal, self.clock, Patience())
        return round(self.clock.time - self.start, 1)


def added(*exports: object) -> Pending:
    return Pending(tuple(exports), frozenset(), frozenset())  # type: ignore[arg-type]


def test_what_comes_at_once_costs_no_waiting() -> None:
    ctld = Ctld((0, kernel(1)))
    assert ctld.wait(added(ONE)) == 0
    assert ctld.signals == [0]


def test_what_comes_late_is_waited_for_and_signalled_again() -> None:
    ctld = Ctld((0, kernel()), (4, kernel(1)))
    assert ctld.wait(added(ONE)) == pytest.approx(4, abs=0.2)
    assert ctld.signals == [0, 1, 3]


def test_what_never_comes_is_given_up_at_the_limit() -> None:
    ctld = Ctld((0, kernel()))
    assert ctld.wait(added(ONE)) == pytest.approx(20, abs=0.2)
    assert len(ctld.signals) == 5


def test_the_rest_is_given_a_short_grace_once_part_has_come() -> None:
    ctld = Ctld((0, kernel()), (0.5, kernel(1)))
    assert ctld.wait(added(ONE, TWO)) == pytest.approx(3, abs=0.3)


def test_what_goes_is_waited_for_too() -> None:
    ctld = Ctld((0, kernel(1)), (2, kernel()))
    assert ctld.wait(Pending((), frozenset({ONE.target}), frozenset({ONE.lun}))) == pytest.approx(2, abs=0.2)
