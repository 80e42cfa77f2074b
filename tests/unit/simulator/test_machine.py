"""What holds for every command: persistence, faults, delegation, exported pools."""

from __future__ import annotations

import pytest

from tests.unit.simulator.box import Box


def test_state_outlives_a_killed_daemon(box: Box) -> None:
    box.must("zfs create -s -V 1G -o csi:id=v tank/csi/v")
    box.write("tank/csi/v", b"data")
    box.must("zfs snapshot tank/csi/v@s")
    box.must("zfs create -s -V 1G tank/csi/gone")
    box.must("zfs destroy tank/csi/gone")
    guid = box.value("tank/csi/v", "guid")
    again = box.again()
    assert again.value("tank/csi/v", "guid") == guid
    assert again.value("tank/csi/v@s", "csi:id") == "v"
    assert again.read("tank/csi/v", 4) == b"data"
    assert again.run("zfs list tank/csi/gone").rc == 1


def test_a_torn_last_line_of_the_journal_is_as_if_it_had_not_happened(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    journal = box.root / "state.journal"
    journal.write_text(journal.read_text() + '{"guid": 12, "data')
    assert box.again().run("zfs list tank/csi/v").rc == 0


def test_an_exported_pool_takes_its_datasets_and_nodes_away_and_brings_them_back(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    box.machine.storage.set_imported("tank", imported=False)
    assert box.refused("zfs list tank/csi") == "cannot open 'tank/csi': dataset does not exist\n"
    assert box.run("zpool list -H").out == ""
    assert not box.device("tank/csi/v").exists()
    box.machine.storage.set_imported("tank", imported=True)
    assert box.device("tank/csi/v").exists()


def test_what_is_closed_while_its_pool_is_away_is_closed_when_it_comes_back(box: Box) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    box.machine.storage.open_volume("/dev/zvol/tank/csi/v", "ctl")
    box.machine.storage.set_imported("tank", imported=False)
    box.machine.storage.close_volume("/dev/zvol/tank/csi/v", "ctl")
    box.machine.storage.set_imported("tank", imported=True)
    box.must("zfs destroy tank/csi/v")


def test_a_fault_before_the_nth_matching_command_keeps_it_from_happening(box: Box) -> None:
    box.machine.faults.arm({"command": "zfs", "match": "create", "when": "before", "nth": 2, "action": "fail", "rc": 9})
    box.must("zfs create tank/csi/a")
    result = box.run("zfs create tank/csi/b")
    assert (result.rc, result.err) == (9, "simulator: injected failure\n")
    assert box.run("zfs list tank/csi/b").rc == 1
    box.must("zfs create tank/csi/b")


def test_a_fault_after_a_command_hides_that_it_happened(box: Box) -> None:
    box.machine.faults.arm({"command": "zfs", "match": "create", "when": "after", "action": "fail"})
    assert box.run("zfs create tank/csi/a").rc == 1
    box.must("zfs list tank/csi/a")


def test_every_command_is_logged_with_its_duration_and_outcome(box: Box) -> None:
    box.run("zfs diff x")
    entry = box.machine.log.since(0)[-1].as_json()
    assert entry["argv"] == ["zfs", "diff", "x"]
    assert entry["outcome"] == "unmodelled"
    assert entry["rc"] == 2


def test_an_unknown_command_fails_loudly(box: Box) -> None:
    assert box.refused("iscsictl -L") == "simulator: iscsictl -L: the command is not modelled\n"


@pytest.mark.parametrize(
    ("command", "granted"),
    [
        ("zfs create -s -V 1G -o csi:a=b tank/csi/new", "create,mount,volsize,userprop"),
        ("zfs set csi:a=b tank/csi/v", "userprop"),
        ("zfs snapshot tank/csi/v@new", "snapshot,mount"),
        ("zfs destroy tank/csi/w", "destroy,mount"),
        ("zfs rename tank/csi/w tank/csi/x", "rename,create,mount"),
    ],
)
def test_an_ordinary_user_may_what_was_delegated_to_him(box: Box, command: str, granted: str) -> None:
    box.must("zfs create -s -V 1G tank/csi/v")
    box.must("zfs create -s -V 1G tank/csi/w")
    assert "permission denied" in box.refused(command, user="csi")
    for permission in granted.split(","):
        box.must(f"zfs allow -u csi {permission} tank/csi")
    assert box.run(command, user="csi").rc == 0


def test_permissions_are_shown_and_taken_back(box: Box) -> None:
    box.must("zfs allow -u csi create,mount tank/csi")
    assert box.must("zfs allow tank/csi") == (
        "---- Permissions on tank/csi -----------------------------------------\n"
        "Local+Descendent permissions:\n"
        "\tuser csi create,mount\n"
    )
    box.must("zfs unallow -u csi create,mount tank/csi")
    assert box.must("zfs allow tank/csi") == ""


def test_reading_needs_no_permission(box: Box) -> None:
    assert box.run("zfs list -H -o name tank", user="csi").out == "tank\n"


def test_changing_a_mount_point_moves_the_directories_of_all_that_inherit_it(box: Box) -> None:
    box.must("zfs create tank/csi/a")
    box.must("zfs set mountpoint=/export tank/csi")
    assert (box.root / "export" / "a").is_dir()
    assert box.must("zfs get -H -o value,source mountpoint tank/csi/a") == "/export/a\tinherited from tank/csi\n"
    box.must("zfs set canmount=off mountpoint=none tank/csi")
    assert box.value("tank/csi/a", "mounted") == "no"
    assert not (box.root / "export" / "a").exists()
