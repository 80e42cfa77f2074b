from __future__ import annotations

from tests.unit.simulator.box import GIB, Box


def volume(box: Box, name: str = "tank/csi/v", content: bytes = b"first") -> None:
    box.must(f"zfs create -s -V 1G {name}")
    box.write(name, content)


def test_a_clone_has_the_content_of_the_snapshot_not_of_the_volume(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@s")
    box.write("tank/csi/v", b"later")
    box.must("zfs clone -o csi:id=c tank/csi/v@s tank/csi/c")
    assert box.read("tank/csi/c", 5) == b"first"
    assert box.value("tank/csi/c", "origin") == "tank/csi/v@s"
    assert box.number("tank/csi/c", "refreservation") == 0


def test_a_clone_can_be_made_larger_in_the_same_command(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@s")
    box.must("zfs clone -o volsize=3G -o refreservation=1G tank/csi/v@s tank/csi/c")
    assert box.device("tank/csi/c").stat().st_size == 3 * GIB
    assert box.read("tank/csi/c", 5) == b"first"


def test_rollback_restores_content_and_size_in_the_same_file(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@s")
    box.must("zfs set volsize=2G tank/csi/v")
    box.write("tank/csi/v", b"later")
    inode = box.device("tank/csi/v").stat().st_ino
    box.must("zfs rollback tank/csi/v@s")
    assert box.read("tank/csi/v", 5) == b"first"
    assert box.number("tank/csi/v", "volsize") == GIB
    assert box.device("tank/csi/v").stat().st_ino == inode


def test_rollback_with_r_destroys_the_newer_snapshots(box: Box) -> None:
    volume(box)
    for name in "abc":
        box.must(f"zfs snapshot tank/csi/v@{name}")
    box.must("zfs rollback -r tank/csi/v@a")
    assert box.must("zfs list -H -o name -t snapshot tank/csi/v") == "tank/csi/v@a\n"


def test_promote_moves_the_snapshots_up_to_the_origin(box: Box) -> None:
    volume(box)
    for name in "abc":
        box.must(f"zfs snapshot tank/csi/v@{name}")
    box.must("zfs clone tank/csi/v@b tank/csi/c")
    box.must("zfs promote tank/csi/c")
    assert box.must("zfs list -H -o name -t snapshot tank/csi/c") == "tank/csi/c@a\ntank/csi/c@b\n"
    assert box.value("tank/csi/v", "origin") == "tank/csi/c@b"
    assert box.value("tank/csi/c", "origin") == "-"
    box.must("zfs destroy tank/csi/v@c")
    box.must("zfs destroy tank/csi/v")
    assert box.read("tank/csi/c", 5) == b"first"


def test_promote_refuses_a_name_that_both_have(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@a")
    box.must("zfs clone tank/csi/v@a tank/csi/c")
    box.must("zfs snapshot tank/csi/c@a")
    assert box.refused("zfs promote tank/csi/c") == (
        "cannot promote 'tank/csi/c': conflicting snapshot 'a' from parent 'tank/csi/v@a'\n"
    )


def test_a_deferred_snapshot_goes_with_its_last_clone(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@a")
    box.must("zfs clone tank/csi/v@a tank/csi/c")
    box.must("zfs destroy -d tank/csi/v@a")
    assert box.value("tank/csi/v@a", "defer_destroy") == "on"
    box.must("zfs destroy tank/csi/c")
    assert box.run("zfs list tank/csi/v@a").rc == 1


def test_a_deferred_snapshot_goes_with_its_last_hold(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@a")
    box.must("zfs hold keep tank/csi/v@a")
    box.must("zfs destroy -d tank/csi/v@a")
    box.must("zfs release keep tank/csi/v@a")
    assert box.run("zfs list tank/csi/v@a").rc == 1


def test_a_held_snapshot_stops_the_destruction_of_all_in_one_command(box: Box) -> None:
    volume(box)
    for name in "abc":
        box.must(f"zfs snapshot tank/csi/v@{name}")
    box.must("zfs hold keep tank/csi/v@b")
    box.refused("zfs destroy tank/csi/v@a,b,c")
    assert box.must("zfs list -H -o name -t snapshot tank/csi/v").count("\n") == 3
    box.must("zfs destroy tank/csi/v@c%")
    assert box.must("zfs list -H -o name -t snapshot tank/csi/v").count("\n") == 2


def test_snapshots_of_one_command_share_their_transaction_group(box: Box) -> None:
    volume(box)
    volume(box, "tank/csi/w")
    box.must("zfs snapshot -o csi:group=g tank/csi/v@g tank/csi/w@g")
    assert box.value("tank/csi/v@g", "createtxg") == box.value("tank/csi/w@g", "createtxg")
    assert box.value("tank/csi/w@g", "csi:group") == "g"


def test_renaming_moves_the_node_and_keeps_identity(box: Box) -> None:
    volume(box)
    box.must("zfs create tank/csi/trash_")
    guid = box.value("tank/csi/v", "guid")
    box.must("zfs rename tank/csi/v tank/csi/trash_/u")
    assert box.value("tank/csi/trash_/u", "guid") == guid
    assert box.read("tank/csi/trash_/u", 5) == b"first"
    assert not box.device("tank/csi/v").exists()


def test_renaming_a_parent_moves_all_below(box: Box) -> None:
    box.must("zfs create -u tank/csi/p")
    volume(box, "tank/csi/p/v")
    box.must("zfs rename tank/csi/p tank/csi/q")
    assert box.read("tank/csi/q/v", 5) == b"first"
    assert box.run("zfs list tank/csi/p/v").rc == 1


def test_an_open_volume_cannot_be_destroyed_and_what_renaming_does_to_its_users_is_not_known(box: Box) -> None:
    volume(box)
    box.machine.storage.open_volume("/dev/zvol/tank/csi/v", "ctl")
    assert box.refused("zfs destroy tank/csi/v") == "cannot destroy 'tank/csi/v': dataset is busy\n"
    assert "renaming what is open is not modelled" in box.refused("zfs rename tank/csi/v tank/csi/w")
    box.machine.storage.close_volume("/dev/zvol/tank/csi/v", "ctl")
    box.must("zfs destroy tank/csi/v")


def test_a_destroyed_volume_leaves_no_file(box: Box) -> None:
    volume(box)
    box.must("zfs snapshot tank/csi/v@s")
    box.must("zfs destroy -r tank/csi/v")
    assert not [path for path in (box.root / "var/db/zfs").rglob("*") if path.is_file()]
    assert not list((box.root / "dev/zvol").iterdir())


def test_pools_are_never_destroyed_by_zfs_without_r(box: Box) -> None:
    assert "operation does not apply to pools" in box.refused("zfs destroy tank")
