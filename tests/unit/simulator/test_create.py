from __future__ import annotations

import pytest

from tests.unit.simulator.box import GIB, Box


def test_a_size_is_rounded_up_to_the_volblocksize(box: Box) -> None:
    box.must("zfs create -s -V 1000000001 -o volblocksize=64K tank/csi/v")
    assert box.number("tank/csi/v", "volsize") == -(-1000000001 // 65536) * 65536


def test_the_device_node_is_a_sparse_file_of_the_volumes_size(box: Box) -> None:
    box.must("zfs create -s -V 10G tank/csi/v")
    assert box.device("tank/csi/v").stat().st_size == 10 * GIB
    assert box.device("tank/csi/v").stat().st_blocks == 0


def test_volmode_none_has_no_node_until_it_changes(box: Box) -> None:
    box.must("zfs create -s -V 1G -o volmode=none tank/csi/v")
    assert not box.device("tank/csi/v").exists()
    box.must("zfs set volmode=dev tank/csi/v")
    assert box.device("tank/csi/v").exists()


def test_a_thick_volume_reserves_its_size_and_its_metadata(box: Box) -> None:
    box.must("zfs create -V 10G tank/csi/v")
    assert box.number("tank/csi/v", "refreservation") == 10907287552


def test_parents_are_made_and_an_existing_target_is_fine_with_p(box: Box) -> None:
    box.must("zfs create -p -s -V 1G tank/csi/a/b/v")
    assert box.value("tank/csi/a/b", "type") == "filesystem"
    box.must("zfs create -p -s -V 2G tank/csi/a/b/v")
    assert box.number("tank/csi/a/b/v", "volsize") == GIB


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tank/csi/a*b", "invalid character '*' in name"),
        ("tank/csi/a%b", "invalid character % in name"),
        ("tank/csi/" + "x" * 250, "name is too long"),
        ("tank/csi//v", "empty component or misplaced '@' or '#' delimiter in name"),
        ("tank/csi/..", "parent reference, '..' is found in name"),
        ("tank/csi/v@s", "snapshot delimiter '@' is not expected here"),
        ("tank/csi/" + "/".join("x" * 50), "maximum name nesting depth exceeded"),
    ],
)
def test_a_bad_name_is_refused_with_its_reason(box: Box, name: str, reason: str) -> None:
    assert box.refused(f"zfs create -s -V 1G '{name}'") == f"cannot create '{name}': {reason}\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("-o compression=best", "'compression' must be one of"),
        ("-o nosuch=1", "invalid property 'nosuch'"),
        ("-o quota=1G", "'quota' does not apply to datasets of this type"),
        ("-o used=1", "'used' is readonly"),
        ("-o Upper:case=1", "invalid property 'Upper:case'"),
        ("-o volblocksize=32M", "'volblocksize' must be power of 2 from 512B to 16M"),
    ],
)
def test_a_bad_property_is_refused_and_nothing_is_made(box: Box, options: str, reason: str) -> None:
    assert reason in box.refused(f"zfs create -s -V 1G {options} tank/csi/v")
    assert box.run("zfs list tank/csi/v").rc == 1


def test_a_property_given_twice_is_refused(box: Box) -> None:
    message = box.refused("zfs create -s -V 1G -o a:b=1 -o a:b=2 tank/csi/v")
    assert message == "property 'a:b' specified multiple times\n"


def test_a_user_property_of_8192_bytes_makes_zfs_abort_and_nothing_is_made(box: Box) -> None:
    result = box.run(f"zfs create -s -V 1G -o a:b={'x' * 8192} tank/csi/v")
    assert result.rc == 134
    assert "Argument list too long" in result.err
    box.must(f"zfs create -s -V 1G -o a:b={'x' * 8191} tank/csi/v")


def test_a_volume_cannot_have_children(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    assert "parent is not a filesystem" in box.refused("zfs create -s -V 1G tank/csi/v/w")


def test_a_filesystem_gets_a_directory_below_the_hosts_root(box: Box) -> None:
    box.must("zfs create -o mountpoint=/export/one tank/csi/fs")
    assert (box.root / "export" / "one").is_dir()
    assert box.value("tank/csi/fs", "mounted") == "yes"
    box.must("zfs destroy tank/csi/fs")
    assert not (box.root / "export" / "one").exists()


def test_a_flag_of_zfs_that_is_not_modelled_fails_loudly_and_is_counted(box: Box) -> None:
    result = box.run("zfs create -n tank/csi/x")
    assert result.rc == 2
    assert result.err == "simulator: zfs create -n tank/csi/x: option -n is not modelled\n"
    assert box.machine.counters()["unmodelled"] == 1


def test_a_flag_zfs_does_not_have_is_a_usage_error(box: Box) -> None:
    result = box.run("zfs create -z tank/csi/x")
    assert result.rc == 2
    assert result.err.startswith("invalid option 'z'\nusage:\n\tcreate ")
    assert box.machine.counters()["unmodelled"] == 0


def test_options_after_the_name_are_operands_as_getopt_takes_them(box: Box) -> None:
    assert box.refused("zfs create tank/csi/x -p").startswith("too many arguments\n")
