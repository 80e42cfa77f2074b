# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Inventory
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    UUIDS,
    parent_text,
    snapshot_text,
    volume_text,
)


def inventory(*texts: str) -> Inventory:
    return parse.inventory(parent_text() + volume_text() + "".join(texts), PARENT, OWNER)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (snapshot_text(), "ours"),
        (snapshot_text(uuid=None), "foreign"),
        (snapshot_text(source="received"), "foreign"),
        (snapshot_text(owner=f"{OWNER}:1"), "foreign"),
        (snapshot_text(f"{PARENT}/pvc-1@deleted-{UUIDS[9]}"), "deleted"),
    ],
)
def test_a_snapshot_is_ours_only_by_what_is_set_on_itself(text: str, kind: str) -> None:
    found = inventory(text)
    assert [each.kind for each in found.snapshots] == [kind]
    assert (found.drift, found.unreadable) == ((), {})


def test_a_hidden_one_is_known_by_the_clone_it_was_made_for() -> None:
    text = snapshot_text(uuid=None) + f"{PARENT}/pvc-1@s\torg.freebsd.storage:clone-for\t{UUIDS[3]}\tlocal\n"
    text += f"{PARENT}/pvc-1@s\torg.freebsd.storage:owner\tdemo:1234567890123456789\tlocal\n"
    assert [each.kind for each in inventory(text).snapshots] == ["hidden"]


def test_the_source_is_the_uuid_of_the_volume_and_not_its_place() -> None:
    moved = volume_text(dataset=f"{PARENT}/elsewhere") + snapshot_text(f"{PARENT}/elsewhere@s")
    found = parse.inventory(parent_text() + moved, PARENT, OWNER)
    assert [(each.uuid, each.source, each.name) for each in found.snapshots] == [(UUIDS[9], UUIDS[0], "s")]


@pytest.mark.parametrize(
    ("native", "held", "deferred"),
    [
        ({}, False, False),
        ({"clones": "-"}, False, False),
        ({"clones": "tank/csi/b,tank/x"}, True, False),
        ({"userrefs": "1"}, True, False),
        ({"clones": "tank/csi/b", "defer_destroy": "on"}, True, True),
    ],
)
def test_clones_and_holds_keep_a_snapshot(native: dict[str, str], held: bool, deferred: bool) -> None:
    (snapshot,) = inventory(snapshot_text(**native)).snapshots
    assert (snapshot.held, snapshot.deferred, snapshot.listed) == (held, deferred, not deferred)


def test_one_that_cannot_be_read_is_named_and_not_taken_for_gone() -> None:
    found = inventory(snapshot_text().replace("schema\t1", "schema\t2"))
    assert found.unreadable == {UUIDS[9]: f"{PARENT}/pvc-1@s"}
    assert [each.kind for each in found.drift] == ["unreadable_snapshot"]


def test_one_on_a_volume_that_is_not_ours_is_named_and_one_of_others_is_not() -> None:
    found = inventory(snapshot_text(f"{PARENT}/x@s"), snapshot_text(f"{PARENT}/x@t", None))
    assert found.snapshots == ()
    assert found.unreadable == {UUIDS[9]: f"{PARENT}/x@s"}


def test_of_two_with_one_identity_the_second_is_someone_elses() -> None:
    found = inventory(snapshot_text(), snapshot_text(f"{PARENT}/pvc-1@t", name="t"))
    assert [each.kind for each in found.snapshots] == ["ours", "foreign"]
    assert [each.object for each in found.drift] == [f"{PARENT}/pvc-1@t"]


def test_the_names_of_deleted_and_hidden_snapshots_are_never_given() -> None:
    for name in (f"deleted-{UUIDS[0]}", f"clone-{UUIDS[0]}"):
        leaf = _names.snapshot_leaf_of(name)
        assert not _names.DELETED.fullmatch(leaf)
        assert not _names.HIDDEN.fullmatch(leaf)
    assert _names.snapshot_leaf_of("deleted-yesterday") == "deleted-yesterday"
