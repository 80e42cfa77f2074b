from __future__ import annotations

import os

import pytest

from tests.unit.simulator.box import GIB, MIB, Box


def test_what_is_written_counts_in_the_volume_its_parents_and_the_pool(box: Box) -> None:
    box.must("zfs create -s -V 10G tank/csi/v")
    before = box.number("tank", "available")
    box.write("tank/csi/v", os.urandom(5 * MIB))
    assert box.number("tank/csi/v", "referenced") == 57344 + 5 * MIB
    assert before - box.number("tank", "available") == 5 * MIB
    assert int(box.must("zpool list -Hp -o allocated tank")) >= 5 * MIB


def test_a_reservation_is_used_up_by_what_is_written(box: Box) -> None:
    box.must("zfs create -V 1G tank/csi/v")
    reserved = box.number("tank/csi/v", "refreservation")
    used = box.number("tank", "used")
    box.write("tank/csi/v", os.urandom(MIB))
    assert box.number("tank", "used") == used
    assert box.number("tank/csi/v", "usedbyrefreservation") == reserved - 57344 - MIB


def test_a_reserved_volume_may_use_its_reservation_too(box: Box) -> None:
    box.must("zfs create -V 10G tank/csi/v")
    difference = box.number("tank/csi/v", "available") - box.number("tank/csi", "available")
    assert difference == box.number("tank/csi/v", "usedbyrefreservation")


def test_a_quota_bounds_what_is_available_below(box: Box) -> None:
    box.must("zfs set quota=5G tank/csi")
    assert box.number("tank/csi", "available") == 5 * GIB - 98304
    assert box.refused("zfs create -V 6G tank/csi/v").endswith(": out of space\n")
    box.must("zfs create -s -V 6G tank/csi/v")


def test_a_reservation_is_kept_from_others(box: Box) -> None:
    before = box.number("tank", "available")
    box.must("zfs set reservation=20G tank/csi")
    assert before - box.number("tank", "available") == 20 * GIB - 98304
    assert box.number("tank/csi", "available") == before


def test_a_snapshot_of_a_written_thick_volume_needs_room_for_all_of_it(small: Box) -> None:
    small.must("zfs create -V 100M tank/csi/v")
    small.write("tank/csi/v", os.urandom(40 * MIB))
    assert small.refused("zfs snapshot tank/csi/v@s") == "cannot create snapshot 'tank/csi/v@s': out of space\n"
    small.must("zfs set refreservation=none tank/csi/v")
    small.must("zfs snapshot tank/csi/v@s")


def test_a_pool_can_really_be_filled(small: Box) -> None:
    small.must("zfs create -s -V 1G tank/csi/v")
    small.write("tank/csi/v", os.urandom(small.number("tank", "available") - 100 * 1024))
    assert small.refused("zfs create -s -V 1G tank/csi/w") == "cannot create 'tank/csi/w': out of space\n"
    assert "out of space" in small.refused("zfs create tank/csi/fs")
    small.must("zfs destroy tank/csi/v")
    small.must("zfs create -s -V 1G tank/csi/w")


def test_overwritten_blocks_are_charged_to_the_snapshot(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    box.write("tank/csi/v", os.urandom(4 * MIB))
    box.must("zfs snapshot tank/csi/v@s")
    assert box.number("tank/csi/v", "usedbysnapshots") == 0
    assert box.number("tank/csi/v", "written") == 0
    box.write("tank/csi/v", os.urandom(MIB))
    assert box.number("tank/csi/v", "usedbysnapshots") == MIB
    assert box.number("tank/csi/v@s", "used") == MIB
    assert box.number("tank/csi/v", "written") == MIB
    assert box.must("zfs destroy -nvp tank/csi/v@s") == f"destroy\ttank/csi/v@s\nreclaim\t{MIB}\n"


def test_a_clone_costs_only_what_differs(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    box.write("tank/csi/v", os.urandom(4 * MIB))
    box.must("zfs snapshot tank/csi/v@s")
    box.must("zfs clone tank/csi/v@s tank/csi/c")
    assert box.number("tank/csi/c", "used") < 64 * 1024
    assert box.number("tank/csi/c", "referenced") >= 4 * MIB
    box.write("tank/csi/c", os.urandom(2 * MIB))
    assert 2 * MIB <= box.number("tank/csi/c", "used") < 2 * MIB + 64 * 1024


@pytest.mark.parametrize("thick", [True, False])
def test_growing_keeps_thick_volumes_thick(box: Box, thick: bool) -> None:  # noqa: FBT001
    box.must(f"zfs create {'' if thick else '-s'} -V 1G tank/csi/v")
    box.must("zfs set volsize=2G tank/csi/v")
    assert (box.number("tank/csi/v", "refreservation") > 2 * GIB) == thick
    assert box.device("tank/csi/v").stat().st_size == 2 * GIB


def test_growing_a_thick_volume_beyond_the_pool_leaves_it_as_it_was(box: Box) -> None:
    box.must("zfs create -V 1G tank/csi/v")
    assert "size is greater than available space" in box.refused("zfs set volsize=200G tank/csi/v")
    assert box.number("tank/csi/v", "volsize") == GIB


def test_auto_makes_a_thin_volume_thick(box: Box) -> None:
    box.must("zfs create -s -V 10G tank/csi/v")
    box.must("zfs set refreservation=auto tank/csi/v")
    assert box.number("tank/csi/v", "refreservation") == 10907287552
