# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    GUID,
    OWNER,
    PARENT,
    UUIDS,
    dataset_text,
    parent_text,
    record,
    volume_text,
)


def failure(err: str, rc: int = 1, argv: tuple[str, ...] = ("zfs", "create", "x")) -> HostError:
    error = parse.failure(Completed(argv, rc, "", err))
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cannot create 'tank/csi/pvc-1': dataset already exists", "foreign_name"),
        ("cannot create 'tank/nope/pvc-1': parent does not exist", "degraded"),
        ("cannot open 'nopool': no such pool", "degraded"),
        ("cannot create 'nopool/fs': no such pool 'nopool'", "degraded"),
        ("cannot create 'tank/csi/pvc-1': parent is not a filesystem", "degraded"),
        ("cannot create 'tank/csi/big': out of space", "out_of_space"),
        ("cannot set property for 'X': size is greater than available space", "out_of_space"),
        ("cannot create 'tank/csi/v': permission denied", "denied"),
        ("bad volume size '10X': invalid numeric suffix 'X'", "invalid"),
        ("cannot create 'tank/csi/v': volume size cannot be zero", "invalid"),
        ("cannot create 'tank/csi/v': 'volblocksize' must be power of 2 from 512B to 16M", "invalid"),
        ("cannot set property for 'X': 'volblocksize' is readonly", "invalid"),
        ("cannot set property for 'X': invalid property 'nosuch'", "invalid"),
        ("cannot create 'X': name is too long", "invalid"),
        (
            "cannot destroy 'tank/csi/pvc-1': volume has children\nuse '-r' to destroy …:\ntank/csi/pvc-1@s1",
            "in_use",
        ),
        ("cannot destroy 'tank/csi/pvc-2': dataset is busy", "in_use"),
        ("cannot open 'tank/csi/nope': dataset does not exist", "not_found"),
        ("could not find any snapshots to destroy; check snapshot names.", "not_found"),
        ("cannot create 'X': pool I/O is currently suspended", "degraded"),
        ("cannot create 'X': pool is read-only", "degraded"),
        ("something nobody has seen", "uncertain"),
        ("", "uncertain"),
    ],
)
def test_what_zfs_says_becomes_a_code(text: str, code: str) -> None:
    assert failure(text).code == code


def test_the_words_of_zfs_are_handed_on_in_one_line_and_cut() -> None:
    error = failure("cannot destroy 'v': volume has children\nuse '-r'\nv@s1\n" + "v@more\n" * 1000)
    assert error.msg.startswith("cannot destroy 'v': volume has children use '-r' v@s1")
    assert len(error.msg) < 700


def test_a_warning_of_a_command_that_succeeded_is_no_failure() -> None:
    warning = "Warning: volblocksize (8192) is less than the default minimum block size (16384).\n"
    assert parse.failure(Completed(("zfs", "create"), 0, "", warning)) is None


def test_a_command_killed_at_the_deadline_is_uncertain() -> None:
    error = parse.failure(Completed(("zfs", "create"), -9, "", "", late=True))
    assert error is not None
    assert error.code == "uncertain"


def test_an_inventory_has_our_volumes_and_every_name_that_is_taken() -> None:
    text = parent_text() + volume_text(records=[record()]) + dataset_text("tank/csi/fs", {"type": "filesystem"})
    found = parse.inventory(text, PARENT, OWNER)
    assert (found.parent_guid, found.available_bytes) == (GUID, 100 << 30)
    assert found.datasets == {PARENT, "tank/csi/pvc-1", "tank/csi/fs"}
    assert [volume.name for volume in found.volumes] == ["pvc-1"]
    assert found.volumes[0].records == (record(),)
    assert found.drift == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (volume_text(owner=f"other:{GUID}"), None),
        (volume_text(source="inherited from tank"), None),
        (volume_text(source="received"), "foreign_dataset"),
        (volume_text(owner=f"{OWNER}:999"), "foreign_dataset"),
        (volume_text().replace("\tvolume\t", "\tfilesystem\t"), "unreadable_volume"),
        (volume_text().replace(UUIDS[0], "nonsense"), "unreadable_volume"),
        (volume_text().replace("schema\t1\t", "schema\t2\t"), "unreadable_volume"),
        (volume_text().replace('"thin":true', '"thin":"yes"'), "unreadable_volume"),
        (volume_text().replace("1073741824", "-"), "unreadable_volume"),
        (volume_text().replace("name\tpvc-1", "name\t%ff"), "unreadable_volume"),
        (volume_text() + volume_text(dataset="tank/csi/twin"), "foreign_dataset"),
    ],
)
def test_what_is_not_surely_ours_is_left_alone(text: str, kind: str | None) -> None:
    found = parse.inventory(parent_text() + text, PARENT, OWNER)
    assert len(found.volumes) == (1 if "twin" in text else 0)
    assert [each.kind for each in found.drift] == ([kind] if kind else [])


@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "{}", '{"node":"n1"}', record().to_json().replace("false", '"no"'), record("n2").to_json()],
)
def test_a_record_that_cannot_be_read_is_reported_and_the_volume_is_kept(value: str) -> None:
    text = parent_text() + volume_text() + f"tank/csi/pvc-1\t{record('n1').property_name}\t{value}\tlocal\n"
    found = parse.inventory(text, PARENT, OWNER)
    assert [volume.records for volume in found.volumes] == [()]
    assert [each.kind for each in found.drift] == ["unreadable_record"]


def test_a_foreign_property_with_tabs_and_line_ends_does_no_harm() -> None:
    odd = "tank/csi/pvc-1\tmine:note\tone\ttwo\nthree\tlocal\n"
    assert len(parse.inventory(parent_text() + volume_text() + odd, PARENT, OWNER).volumes) == 1


def test_a_parent_that_was_not_shown_is_an_error() -> None:
    with pytest.raises(HostError) as caught:
        parse.inventory(volume_text(), PARENT, OWNER)
    assert caught.value.code == "degraded"


def test_names_of_strangers_come_back_as_they_were() -> None:
    name = "a b/c@d\t\n💾"
    found = parse.inventory(parent_text() + volume_text(name), PARENT, OWNER)
    assert found.volumes[0].name == name
    assert found.volumes[0].dataset == f"{PARENT}/{_names.leaf_of(name)}"


def test_a_parent_of_which_not_all_was_shown_is_degraded() -> None:
    with pytest.raises(HostError, match="guid") as caught:
        parse.inventory(f"{PARENT}\ttype\tfilesystem\t-\n", PARENT, OWNER)
    assert caught.value.code == "degraded"
