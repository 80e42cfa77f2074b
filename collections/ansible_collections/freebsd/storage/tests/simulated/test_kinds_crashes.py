# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The module is killed while objects that people name come and go; the next run completes what it began."""

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.tests.simulated.conftest import HOSTS, Host
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed
from ansible_collections.freebsd.storage.tests.simulated.test_kinds import ALL, STORE, gone

pytestmark = pytest.mark.parametrize("simulated", [HOSTS[0], HOSTS[-1]], indirect=True, ids=" ".join, scope="module")
GONE = [gone(each) for each in reversed(ALL)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_objects_come(host: Host, moment: str) -> None:
    number = 1
    while killed(host, number, moment, ALL):
        complete(host, *ALL)
        assert host.targets() == [STORE]
        complete(host, *GONE)
        host.empty()
        number += 1
    assert number > 15
    complete(host, *GONE)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_objects_go(host: Host, moment: str) -> None:
    number = 1
    complete(host, *ALL)
    while killed(host, number, moment, GONE):
        complete(host, *GONE)
        host.empty()
        complete(host, *ALL)
        number += 1
    assert number > 8
