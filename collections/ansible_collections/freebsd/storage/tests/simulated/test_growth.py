# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Volumes that get larger, exported and not."""

from __future__ import annotations

import json

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Patience
from ansible_collections.freebsd.storage.tests.simulated.conftest import (
    SIZE,
    Host,
    errors,
    grow,
    nouns,
    publish,
    unpublish,
    volume,
)
from ansible_collections.freebsd.storage.tests.simulated.test_crashes import complete, killed
from ansible_collections.freebsd.storage.tests.simulated.test_faults import session

IMPATIENT = Patience(limit=0.3, signal=0.1, grace=0.2, aftermath=0.1)


def test_a_volume_that_is_not_exported_grows_without_a_reload(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(grow(uuid, SIZE + 1))
    assert reply.outcomes[0].changed
    assert nouns(reply)[0]["size_bytes"] == SIZE + 16384
    assert reply.reloads == 0
    again = host.apply(grow(uuid, SIZE + 1), grow(uuid, 1, key="small"))
    assert [outcome.changed for outcome in again.outcomes] == [False, False]
    assert [noun["size_bytes"] for noun in nouns(again)] == [SIZE + 16384, SIZE + 16384]
    host.clean(uuid)


def test_a_volume_in_use_grows_before_the_eyes_of_its_node(host: Host) -> None:
    uuid = host.make("a")
    target = nouns(host.apply(publish(uuid)))[0]["target"]
    with session(host, target) as (_answer, lines):
        reply = host.apply(grow(uuid, 2 * SIZE))
        errors(reply, none=True)
        assert reply.reloads == 1
        lines.write('{"op": "rescan"}\n')
        lines.flush()
        assert json.loads(lines.readline())["luns"][0]["size_bytes"] == 2 * SIZE
    assert host.apply(grow(uuid, 2 * SIZE)).reloads == 0
    host.clean(uuid)


def test_a_size_the_kernel_does_not_show_yet_is_shown_after_a_retry(host: Host) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    host.fault(point="ctld.reload", action="late", ms=1500)
    reply = host.apply(grow(uuid, 2 * SIZE), patience=IMPATIENT)
    assert errors(reply) == ["degraded"]
    assert "cannot see yet" in str(reply.outcomes[0].error)
    again = host.apply(grow(uuid, 2 * SIZE))
    errors(again, none=True)
    assert again.outcomes[0].changed
    assert not host.apply(grow(uuid, 2 * SIZE)).outcomes[0].changed
    host.clean(uuid)


def test_a_pool_without_room_refuses_the_size_and_leaves_the_volume_as_it_was(host: Host) -> None:
    uuid = nouns(host.apply(volume("a", thin=False)))[0]["uuid"]
    assert errors(host.apply(grow(uuid, 1 << 40))) == ["out_of_range"]
    assert nouns(host.apply(grow(uuid, 1)))[0]["size_bytes"] == SIZE
    host.clean(uuid)


def test_a_limit_below_the_size_is_out_of_range_and_an_unknown_volume_is_not_found(host: Host) -> None:
    uuid = host.make("a")
    reply = host.apply(grow(uuid, 1, limit_bytes=SIZE - 1), grow("0" * 32, 1))
    assert errors(reply) == ["out_of_range", "not_found"]
    host.clean(uuid)


def test_growth_and_publication_share_a_batch_in_any_order(host: Host) -> None:
    uuids = [host.make("a"), host.make("b")]
    reply = host.apply(grow(uuids[0], 2 * SIZE), publish(uuids[0]), publish(uuids[1]), grow(uuids[1], 2 * SIZE))
    errors(reply, none=True)
    reply = host.apply(unpublish(uuids[0]), grow(uuids[0], 3 * SIZE))
    errors(reply, none=True)
    assert nouns(reply)[1]["size_bytes"] == 3 * SIZE
    host.clean(*uuids)


def test_check_mode_tells_the_size_and_grows_nothing(host: Host) -> None:
    uuid = host.make("a")
    predicted = host.apply(grow(uuid, 2 * SIZE), check_mode=True).outcomes[0]
    assert predicted.changed
    assert predicted.noun is not None
    assert predicted.noun["size_bytes"] == 2 * SIZE
    assert predicted.before is not None
    assert predicted.before["size_bytes"] == SIZE
    assert nouns(host.apply(grow(uuid, 1)))[0]["size_bytes"] == SIZE
    host.clean(uuid)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_anywhere_the_next_run_shows_the_size(host: Host, moment: str) -> None:
    uuid = host.make("a")
    errors(host.apply(publish(uuid)), none=True)
    number, size = 1, SIZE
    while killed(host, number, moment, [grow(uuid, 2 * size)]):
        assert complete(host, grow(uuid, 2 * size))[0]["size_bytes"] == 2 * size
        assert f"<size>{2 * size // 512}</size>" in host.run("ctladm", "devlist", "-x")
        number, size = number + 1, 2 * size
    assert number > 7
    host.clean(uuid)
