from __future__ import annotations

import json

import pytest

from tests.simulator.zfs.numbers import BadNumber, nice_bytes, nice_number, parse_number
from tests.unit.simulator.box import Box


@pytest.fixture
def full(box: Box) -> Box:
    box.must("zfs set csi:owner=me tank/csi")
    for name in ("a", "b", "c"):
        box.must(f"zfs create -s -V 1G -o csi:id={name} tank/csi/{name}")
    box.must("zfs snapshot tank/csi/b@z")
    box.must("zfs snapshot tank/csi/b@y")
    return box


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0B"), (1023, "1023B"), (57344, "56K"), (10239, "10.0K"), (10907287552, "10.2G"), (1 << 60, "1E")],
)
def test_sizes_print_in_at_most_five_characters(number: int, text: str) -> None:
    assert nice_bytes(number) == text


def test_counts_have_no_unit_below_1024() -> None:
    assert nice_number(512) == "512"


@pytest.mark.parametrize(
    ("text", "number"), [("10G", 10 << 30), ("1.5k", 1536), ("7", 7), ("7B", 7), ("2KiB", 2048), ("2mb", 2 << 20)]
)
def test_numbers_are_read_as_libzfs_reads_them(text: str, number: int) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "-1", "abc", "1X", "1BB", "1K B", "99999999999999999999", "20E", "0x10"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(BadNumber):
        parse_number(text)


def test_a_list_without_arguments_shows_filesystems_and_volumes_of_all_pools(full: Box) -> None:
    assert full.must("zfs list -H -o name").split() == ["tank", "tank/csi", "tank/csi/a", "tank/csi/b", "tank/csi/c"]


def test_snapshots_are_listed_by_age_after_their_dataset(full: Box) -> None:
    expected = ["tank/csi/b", "tank/csi/b@z", "tank/csi/b@y"]
    assert full.must("zfs list -H -o name -t all -r tank/csi/b").split() == expected
    assert full.must("zfs list -H -o name -t snap tank/csi/b").split() == expected[1:]


def test_depth_bounds_recursion(full: Box) -> None:
    assert full.must("zfs list -H -o name -d 1 tank").split() == ["tank", "tank/csi"]
    assert full.must("zfs list -H -o name -d 1 -t snapshot tank/csi") == ""


def test_sorting_by_a_property_and_reversed(full: Box) -> None:
    full.must("zfs set volsize=2G tank/csi/b")
    assert full.must("zfs list -H -o name -t volume -S volsize").split() == ["tank/csi/b", "tank/csi/a", "tank/csi/c"]
    assert full.must("zfs list -H -o name -t volume -s csi:id").split() == ["tank/csi/a", "tank/csi/b", "tank/csi/c"]


def test_one_missing_name_does_not_hide_the_others(full: Box) -> None:
    result = full.run("zfs list -H -o name tank/csi/a tank/csi/nope tank/csi/c")
    assert (result.rc, result.out) == (1, "tank/csi/a\ntank/csi/c\n")
    assert result.err == "cannot open 'tank/csi/nope': dataset does not exist\n"


def test_get_selects_by_source_and_type(full: Box) -> None:
    out = full.must("zfs get -Hp -r -t volume -s local -o name,property,value csi:id,csi:owner tank/csi")
    assert out == "tank/csi/a\tcsi:id\ta\ntank/csi/b\tcsi:id\tb\ntank/csi/c\tcsi:id\tc\n"
    out = full.must("zfs get -Hp -s inherited -o property,source all tank/csi/a")
    assert out == "csi:owner\tinherited from tank/csi\n"


def test_get_aligns_its_columns(full: Box) -> None:
    assert full.must("zfs get volsize,csi:id tank/csi/a") == (
        "NAME        PROPERTY  VALUE    SOURCE\n"
        "tank/csi/a  volsize   1G       local\n"
        "tank/csi/a  csi:id    a        local\n"
    )


def test_a_snapshot_inherits_user_properties_of_its_dataset(full: Box) -> None:
    assert full.must("zfs get -H -o value,source csi:id tank/csi/b@z") == "b\tinherited from tank/csi/b\n"


def test_inherit_takes_a_local_value_away_and_an_absent_one_is_fine(full: Box) -> None:
    full.must("zfs inherit csi:id tank/csi/a")
    assert full.value("tank/csi/a", "csi:id") == "-"
    full.must("zfs inherit csi:nothing tank/csi/a")


def test_several_properties_are_set_at_once_on_several_datasets(full: Box) -> None:
    full.must("zfs set sync=always csi:x=1 tank/csi/a tank/csi/b")
    assert full.must("zfs get -H -o value sync,csi:x tank/csi/b") == "always\n1\n"


def test_set_applies_what_it_can_and_reports_the_rest(full: Box) -> None:
    message = full.refused("zfs set csi:x=1 refreservation=90T tank/csi/a")
    assert message == "cannot set property for 'tank/csi/a': size is greater than available space\n"
    assert full.value("tank/csi/a", "csi:x") == "1"


def test_release_14_knows_no_json(full: Box) -> None:
    assert full.refused("zfs list -j").startswith("invalid option 'j'\nusage:\n")


def test_release_15_prints_json_with_numbers_on_demand(box15: Box) -> None:
    box15.must("zfs create -s -V 1G -o csi:id=a tank/csi/a")
    listed = json.loads(box15.must("zfs list -j -p --json-int -o name,volsize,csi:id tank/csi/a"))
    assert listed["datasets"]["tank/csi/a"]["properties"]["volsize"]["value"] == 1 << 30
    got = json.loads(box15.must("zfs get -j csi:id tank/csi/a"))
    assert got["output_version"]["command"] == "zfs get"
    assert got["datasets"]["tank/csi/a"]["properties"]["csi:id"]["source"]["type"] == "LOCAL"


def test_get_all_lists_native_properties_in_zfs_own_order_then_the_users(full: Box) -> None:
    names = full.must("zfs get -H -o property all tank/csi/a").split()
    assert names[:9] == [
        "type",
        "creation",
        "used",
        "available",
        "referenced",
        "compressratio",
        "reservation",
        "volsize",
        "volblocksize",
    ]
    assert names[-2:] == ["csi:id", "csi:owner"]
    assert "mountpoint" not in names


def test_versions_are_those_of_the_release(box: Box, box15: Box) -> None:
    assert box.must("zfs version").startswith("zfs-2.2.7-FreeBSD")
    assert box15.must("zpool version").startswith("zfs-2.4.0")


def test_a_missing_pool_is_told_by_zpool(box: Box) -> None:
    result = box.run("zpool list -Hp -o name tank nope")
    assert (result.rc, result.out, result.err) == (1, "tank\n", "cannot open 'nope': no such pool\n")


def test_a_suspended_pool_opens_no_dataset_and_lists_no_errors(box: Box) -> None:
    pool = box.machine.storage.tree.pools["tank"]
    pool.health = "SUSPENDED"
    status = box.run("zpool status -v tank")
    assert (status.rc, status.err) == (0, "errors: List of errors unavailable: pool I/O is currently suspended\n")
    assert " state: SUSPENDED\nstatus: One or more devices are faulted in response to IO failures.\n" in status.out
    assert "errors:" not in status.out
    assert box.must("zpool list -Hp -o health tank") == "SUSPENDED\n"
    assert box.refused("zfs get -Hp all tank/csi") == "cannot open 'tank/csi': pool I/O is currently suspended\n"
    assert "is not modelled" in box.refused("zfs list")
    assert "is not modelled" in box.refused("zpool status tank")


def test_what_a_pool_has_lost_is_listed_where_that_is_asked_for(box: Box) -> None:
    pool = box.machine.storage.tree.pools["tank"]
    assert box.must("zpool status -v tank") == box.must("zpool status tank")
    pool.damaged = ["tank/csi/a:<0x1>", "<metadata>:<0x3d>"]
    assert box.must("zpool status tank").endswith("\n\nerrors: 2 data errors, use '-v' for a list\n")
    told = box.must("zpool status -v tank")
    assert "status: One or more devices has experienced an error resulting in data\n\tcorruption." in told
    assert told.endswith(
        "\n\nerrors: Permanent errors have been detected in the following files:\n\n"
        "        tank/csi/a:<0x1>\n        <metadata>:<0x3d>\n"
    )
    assert "is healthy" not in box.must("zpool status -x tank")
