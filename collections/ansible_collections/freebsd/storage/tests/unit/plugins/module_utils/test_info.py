# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._info import capacity, info, page, snapshots_of
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    UUIDS,
    parent_text,
    snapshot_text,
    volume_text,
)

TEXT = parent_text() + "".join(volume_text(f"v{number}", UUIDS[number]) for number in range(5))
VOLUMES = {volume.uuid: volume for volume in parse.inventory(TEXT, PARENT, OWNER).volumes}


@pytest.mark.parametrize(
    ("after", "limit", "numbers", "following"),
    [
        (None, 0, [0, 1, 2, 3, 4], None),
        (None, 2, [0, 1], 1),
        (1, 2, [2, 3], 3),
        (3, 2, [4], None),
        (2, 2, [3, 4], None),
        (4, 2, [], None),
    ],
)
def test_pages(after: Optional[int], limit: int, numbers: list[int], following: Optional[int]) -> None:
    volumes, last = page(VOLUMES, None, None if after is None else UUIDS[after], limit)
    assert [volume.uuid for volume in volumes] == [UUIDS[number] for number in numbers]
    assert last == (None if following is None else UUIDS[following])


def test_a_page_can_begin_after_a_volume_that_is_gone() -> None:
    volumes, _last = page(VOLUMES, None, UUIDS[1] + "x", 1)
    assert [volume.uuid for volume in volumes] == [UUIDS[2]]


def test_one_volume() -> None:
    assert [volume.name for volume in page(VOLUMES, UUIDS[3], None, 0)[0]] == ["v3"]
    assert page(VOLUMES, "nonsense", None, 0) == ([], None)


@pytest.mark.parametrize(
    ("available", "largest"), [(0, 0), (1 << 20, 0), (64 << 20, 63 << 20), (100 << 30, (100 << 30) * 63 // 64)]
)
def test_the_largest_volume_leaves_room_for_its_metadata(available: int, largest: int) -> None:
    assert capacity(available) == {"available_bytes": available, "maximum_volume_bytes": largest}


def test_snapshots_are_told_page_by_page_and_of_one_volume() -> None:
    texts = [snapshot_text(f"{PARENT}/pvc-1@{number}", UUIDS[number]) for number in (5, 4, 6)]
    text = parent_text() + volume_text() + volume_text("pvc-2", UUIDS[1]) + "".join(texts)
    text += snapshot_text(f"{PARENT}/pvc-2@7", UUIDS[7])
    known = {each.uuid: each for each in parse.inventory(text, PARENT, OWNER).snapshots}
    first, following = page(known, None, None, 3)
    assert [each.uuid for each in first] == UUIDS[4:7]
    assert following == UUIDS[6]
    assert [each.uuid for each in page(known, None, following, 3)[0]] == [UUIDS[7]]
    assert sorted(snapshots_of(known, UUIDS[1])) == [UUIDS[7]]
    assert [each.uuid for each in page(known, UUIDS[5], None, 0)[0]] == [UUIDS[5]]


def test_volumes_and_snapshots_are_not_told_at_once() -> None:
    options = {"owner": OWNER, "parent": PARENT, "kinds": ["volumes", "snapshots"], "time_limit": 1}
    with pytest.raises(HostError) as caught:
        info(options)
    assert (caught.value.code, caught.value.option) == ("invalid", "kinds")
