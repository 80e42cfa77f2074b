# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What becomes of deleted volumes."""

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Inventory
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.trash import chores, kept
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    GUID,
    OWNER,
    PARENT,
    UUIDS,
    dataset_text,
    parent_text,
    snapshot_text,
    volume_text,
)

PLACE = f"{PARENT}/trash_"
DELETED = f"{PLACE}/{UUIDS[0]}"
TRASH = dataset_text(PLACE, {"type": "filesystem", "org.freebsd.storage:trash": ("1", "local")})
VOLUME = volume_text(dataset=DELETED)
HIDDEN = snapshot_text(f"{DELETED}@clone-{UUIDS[2]}", None) + dataset_text(
    f"{DELETED}@clone-{UUIDS[2]}",
    {
        "org.freebsd.storage:owner": (f"{OWNER}:{GUID}", "local"),
        "org.freebsd.storage:clone-for": (UUIDS[2], "local"),
    },
)
WRITTEN = dataset_text(DELETED, {"written": "4096"})
RESERVED = dataset_text(DELETED, {"refreservation": ("1073741824", "local")})


def inventory(*texts: str) -> Inventory:
    return parse.inventory(parent_text() + TRASH + "".join(texts), PARENT, OWNER)


def commands(*texts: str) -> list[str]:
    return [" ".join(chore.argv) for chore in chores(inventory(*texts).trash, PLACE)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), [f"zfs destroy {PLACE}"]),
        ((VOLUME,), [f"zfs destroy {DELETED}"]),
        ((volume_text(dataset=DELETED, owner="other:1"),), []),
        ((VOLUME, snapshot_text(f"{DELETED}@s")), []),
        ((VOLUME, snapshot_text(f"{DELETED}@s", None)), []),
        ((VOLUME, RESERVED, snapshot_text(f"{DELETED}@s")), [f"zfs set refreservation=none {DELETED}"]),
        (
            (
                VOLUME,
                WRITTEN,
                snapshot_text(f"{DELETED}@a", UUIDS[1], createtxg="9"),
                snapshot_text(f"{DELETED}@b", UUIDS[2], createtxg="10"),
            ),
            [f"zfs rollback {DELETED}@b"],
        ),
        (
            (VOLUME, WRITTEN, snapshot_text(f"{DELETED}@deleted-{UUIDS[9]}", clones="tank/csi/b")),
            [f"zfs destroy -d {DELETED}@deleted-{UUIDS[9]}"],
        ),
        (
            (
                VOLUME,
                snapshot_text(f"{DELETED}@deleted-{UUIDS[9]}", clones="tank/csi/b", defer_destroy="on"),
            ),
            [],
        ),
        ((VOLUME, HIDDEN), [f"zfs destroy -d {DELETED}@clone-{UUIDS[2]}"]),
    ],
)
def test_each_goes_when_nothing_keeps_it(texts: tuple[str, ...], expected: list[str]) -> None:
    assert commands(*texts) == expected


def test_a_place_that_was_made_by_others_stays() -> None:
    place = dataset_text(PLACE, {"type": "filesystem"})
    found = parse.inventory(parent_text() + place, PARENT, OWNER)
    assert found.trash.exists
    assert chores(found.trash, PLACE) == []


def test_a_deleted_volume_is_none_and_its_snapshots_are() -> None:
    found = inventory(VOLUME, snapshot_text(f"{DELETED}@s"), volume_text(uuid=UUIDS[5]))
    assert [volume.uuid for volume in found.volumes] == [UUIDS[5]]
    assert [(each.uuid, each.source, each.listed) for each in found.snapshots] == [(UUIDS[9], UUIDS[0], True)]
    assert (found.unreadable, found.drift) == ({}, ())


@pytest.mark.parametrize(
    ("text", "keeper"),
    [
        (snapshot_text(f"{DELETED}@daily", None), f"the snapshot {DELETED}@daily"),
        (
            snapshot_text(f"{DELETED}@deleted-{UUIDS[9]}", clones="tank/x,tank/csi/b", defer_destroy="on"),
            "the clone tank/x",
        ),
        (snapshot_text(f"{DELETED}@deleted-{UUIDS[9]}", userrefs="1"), f"a hold on {DELETED}@deleted-{UUIDS[9]}"),
        (snapshot_text(f"{DELETED}@s", userrefs="1", clones="tank/x"), None),
    ],
)
def test_what_others_keep_is_told_of_with_its_bytes(text: str, keeper: str | None) -> None:
    drift = kept(inventory(VOLUME, text).trash, frozenset({"tank/csi/b"}))
    if keeper is None:
        assert drift == []
    else:
        (found,) = drift
        assert (found.kind, found.object, found.bytes) == ("deleted_volume", DELETED, 57344)
        assert found.msg.endswith(f"are kept by {keeper}")
