"""What SIGHUP does: when, with what, and what of the old configuration survives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.simulator_ctl.host import (
    GIB,
    GROUPS,
    PREFIX,
    Host,
    lun_text,
    one_volume,
    target_text,
    wait_until,
)

BLOCKS = GIB // 512


@pytest.fixture(params=["14.3", "15.0"])
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def exporting(host: Host) -> Host:
    """A running ctld with the one target pvc-1."""
    host.volume("tank/csi/pvc-1")
    host.write(one_volume())
    host.start()
    return host


def two_volumes() -> str:
    return one_volume() + lun_text("pvc-2", serial="s2") + target_text("pvc-2")


def lun_id(host: Host, name: str = "pvc-1") -> int:
    ids = [n for n, lun in host.part.kernel.luns.items() if lun.options["ctld_name"] == name]
    return ids[0]


def test_reload_returns_before_anything_has_changed(exporting: Host) -> None:
    exporting.volume("tank/csi/pvc-2")
    exporting.write(two_volumes())
    with exporting.machine.lock:
        assert exporting.run("service", "ctld", "reload").rc == 0
        assert exporting.targets() == [f"{PREFIX}pvc-1"]
    wait_until(lambda: len(exporting.targets()) == 2)


def test_an_invalid_file_changes_nothing_and_is_only_logged(exporting: Host) -> None:
    exporting.write(two_volumes() + "target {\n")
    exporting.reload()
    assert exporting.targets() == [f"{PREFIX}pvc-1"]
    assert exporting.messages()[-2:] == [
        "error in configuration file at line 28 near '{': syntax error",
        "configuration error, continuing with old configuration",
    ]


def test_unchanged_targets_keep_their_sessions(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.volume("tank/csi/pvc-2")
    exporting.write(two_volumes())
    exporting.reload()
    assert initiator.ask({"op": "rescan"})["ok"] is True
    assert len(exporting.part.kernel.sessions) == 1


def test_a_removed_target_loses_its_sessions_at_once(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.write(GROUPS + lun_text("pvc-1"))
    exporting.reload()
    assert initiator.closed()
    assert exporting.part.kernel.sessions == {}
    assert exporting.targets() == []


def test_growth_of_a_zvol_is_seen_after_a_plain_reload(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.volume("tank/csi/pvc-1", 2 * GIB)
    assert exporting.sizes() == {"pvc-1": BLOCKS}
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": 2 * BLOCKS}
    luns = initiator.ask({"op": "rescan"})["luns"]
    assert isinstance(luns, list)
    assert isinstance(luns[0], dict)
    assert luns[0]["size_bytes"] == 2 * GIB


def test_an_explicit_size_stays_until_the_lun_is_made_anew(exporting: Host) -> None:
    exporting.write(one_volume().replace("  serial", "  size 512M\n  serial"))
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS // 2}
    exporting.write(one_volume())
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS // 2}
    exporting.write(one_volume().replace("a1b2", "c1d2"))
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS}


def test_a_missing_zvol_gives_a_lun_without_medium_that_a_later_reload_opens(host: Host) -> None:
    host.write(one_volume())
    host.start()
    assert host.sizes() == {"pvc-1": 0}
    assert host.targets() == [f"{PREFIX}pvc-1"]
    host.volume("tank/csi/pvc-1")
    host.reload()
    assert host.sizes() == {"pvc-1": BLOCKS}
    assert host.messages() == [
        "LUN creation warning: error opening /dev/zvol/tank/csi/pvc-1: 2",
    ]


def test_a_directory_is_no_medium(host: Host) -> None:
    host.machine.path("/data").mkdir()
    host.write(GROUPS + lun_text("d", path="/data") + target_text("d"))
    host.start()
    assert host.messages() == ["LUN creation warning: error opening /data: 21"]
    read_only = lun_text("d", path="/data").replace("  serial", '  option "readonly" "on"\n  serial')
    host.write(GROUPS + read_only + target_text("d"))
    host.reload()
    assert host.messages()[-1] == ("LUN modification warning: /data is not a disk or plain file")


def test_a_plain_file_is_a_medium(host: Host) -> None:
    image = host.machine.path("/data/disk.img")
    image.parent.mkdir()
    with image.open("wb") as file:
        file.truncate(GIB)
    host.write(GROUPS + lun_text("f", path="/data/disk.img") + target_text("f"))
    host.start()
    assert host.sizes() == {"f": BLOCKS}


CHANGES = [
    ("backend", one_volume().replace("  path", "  backend ramdisk\n  size 1G\n  #"), True, True),
    ("blocksize", one_volume().replace("  serial", "  blocksize 4096\n  serial"), True, True),
    ("device-id", one_volume().replace("csi-pvc-1", "other"), True, True),
    ("serial", one_volume().replace("a1b2", "c1d2"), True, True),
    ("path", one_volume().replace("csi/pvc-1", "csi/pvc-2"), True, True),
    ("option", one_volume().replace("  serial", '  option "naa" "0x1"\n  serial'), False, False),
    ("size", one_volume().replace("  serial", "  size 512M\n  serial"), False, False),
    ("serial unset", one_volume().replace("  serial", "  #"), False, True),
    ("device-id unset", one_volume().replace("  device-id", "  #"), False, True),
]


@pytest.mark.parametrize("release", ["14.3", "15.0"])
@pytest.mark.parametrize(("text", "new_in_14", "new_in_15"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_which_changes_make_a_lun_anew(
    make_host: Callable[[str], Host], release: str, *, text: str, new_in_14: bool, new_in_15: bool
) -> None:
    host = make_host(release)
    host.volume("tank/csi/pvc-1")
    host.volume("tank/csi/pvc-2")
    host.write(one_volume())
    host.start()
    before = host.part.kernel.luns[0]
    host.write(text)
    host.reload()
    after = host.part.kernel.luns[0]
    assert (after is not before) == (new_in_14 if release == "14.3" else new_in_15)
    assert host.part.kernel.ports[3].lun_map == {0: 0}


def test_a_lun_moves_to_another_number_without_a_new_port(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.write(one_volume().replace("lun 0", "lun 4"))
    exporting.reload()
    assert exporting.part.kernel.ports[3].lun_map == {4: 0}
    assert initiator.ask({"op": "rescan"})["ok"] is True


def test_a_lun_the_kernel_refuses_is_left_out_and_tried_again(exporting: Host) -> None:
    exporting.volume("tank/csi/pvc-2")
    bad = two_volumes().replace('serial "s2"', 'blocksize 520\n  serial "s2"')
    exporting.write(bad)
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS}
    assert exporting.part.kernel.ports[4].lun_map == {}
    assert exporting.messages()[-2:] == [
        'failed to add lun "pvc-2"',
        "failed to reload configuration",
    ]
    exporting.reload()
    assert exporting.messages()[-2:] == [
        'failed to add lun "pvc-2"',
        "failed to reload configuration",
    ]
    exporting.write(two_volumes())
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS, "pvc-2": BLOCKS}
    assert exporting.part.kernel.ports[4].lun_map == {0: 1}


def test_a_lun_removed_behind_ctlds_back_fails_to_be_modified(exporting: Host) -> None:
    exporting.run("ctladm", "remove", "-b", "block", "-l", "0")
    exporting.reload()
    assert exporting.messages() == [
        "LUN modification error: LUN 0 is not managed by the block backend",
        'failed to modify lun "pvc-1", CTL lun 0',
        "failed to reload configuration",
    ]


def test_an_exported_zvol_is_busy_until_the_reload_has_removed_it(host: Host) -> None:
    assert host.run("zfs", "create", "-s", "-V", "1G", "-o", "volmode=dev", "tank/csi/pvc-1").rc == 0
    host.write(one_volume())
    host.start()
    busy = host.run("zfs", "destroy", "tank/csi/pvc-1")
    assert (busy.rc, busy.err) == (1, "cannot destroy 'tank/csi/pvc-1': dataset is busy\n")
    host.write(GROUPS)
    host.reload()
    assert host.run("zfs", "destroy", "tank/csi/pvc-1").rc == 0


def test_zfs_set_volsize_is_seen_after_a_reload(host: Host) -> None:
    host.run("zfs", "create", "-s", "-V", "1G", "tank/csi/pvc-1")
    host.write(one_volume())
    host.start()
    assert host.run("zfs", "set", "volsize=2G", "tank/csi/pvc-1").rc == 0
    assert host.sizes() == {"pvc-1": BLOCKS}
    host.reload()
    assert host.sizes() == {"pvc-1": 2 * BLOCKS}


def test_new_access_lists_hold_for_new_logins_only(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.write(one_volume().replace(":node1", ":node2"))
    exporting.reload()
    assert initiator.ask({"op": "rescan"})["ok"] is True
    assert exporting.login().reply["text"] == "Authorization failure"


def test_signals_that_arrive_while_one_is_pending_make_one_reload(exporting: Host) -> None:
    with exporting.machine.lock:
        for _ in range(5):
            exporting.run("service", "ctld", "reload")
    wait_until(lambda: exporting.acted == 1)
    time.sleep(0.03)
    counted = exporting.machine.counters()
    assert (counted["reloads_signalled"], counted["reloads"]) == (5, 1)


def test_a_late_reload_happens_after_its_delay(exporting: Host) -> None:
    exporting.machine.faults.arm({"point": "ctld.reload", "action": "late", "ms": 80})
    began = time.monotonic()
    exporting.reload()
    assert time.monotonic() - began >= 0.08


def test_a_lost_reload_never_happens_and_the_next_does(exporting: Host) -> None:
    exporting.machine.faults.arm({"point": "ctld.reload", "action": "lost", "times": 2})
    for _ in range(2):
        exporting.run("service", "ctld", "reload")
    time.sleep(0.03)
    assert exporting.acted == 0
    exporting.reload()
    counted = exporting.machine.counters()
    assert (counted["reloads_lost"], counted["reloads"]) == (2, 1)


def test_a_deaf_ctld_stays_deaf(exporting: Host) -> None:
    exporting.machine.faults.arm({"point": "ctld.reload", "action": "lost", "times": 0})
    for _ in range(20):
        exporting.run("service", "ctld", "reload")
    time.sleep(0.03)
    assert exporting.acted == 0


def test_a_pending_reload_dies_with_the_process(exporting: Host) -> None:
    exporting.write(GROUPS)
    with exporting.machine.lock:
        exporting.run("service", "ctld", "reload")
        exporting.run("pkill", "-9", "ctld")
    time.sleep(0.03)
    assert exporting.targets() == [f"{PREFIX}pvc-1"]


def test_the_pidfile_moves_with_its_keyword(exporting: Host) -> None:
    exporting.write('pidfile "/var/run/other.pid"\n' + one_volume())
    exporting.reload()
    pidfile = exporting.machine.path("/var/run/other.pid")
    assert pidfile.read_text() == str(exporting.part.ctld.process and exporting.part.ctld.process.pid)
    assert pidfile.stat().st_mode & 0o777 == 0o600
    assert not exporting.machine.path("/var/run/ctld.pid").exists()


def test_tags_are_kept_by_name_and_new_groups_get_new_ones(exporting: Host) -> None:
    exporting.write(
        "portal-group first { listen 192.0.2.10 }\n"
        + one_volume()
        + lun_text("pvc-2", serial="s2")
        + target_text("pvc-2", group="first")
    )
    exporting.reload()
    ports = exporting.part.kernel.ports
    assert {p.target: p.physical for p in ports.values() if p.frontend == "iscsi"} == {
        f"{PREFIX}pvc-1": 257,
        f"{PREFIX}pvc-2": 258,
    }


def test_a_port_gets_the_lowest_free_id(exporting: Host) -> None:
    for name in ("pvc-2", "pvc-3"):
        exporting.volume(f"tank/csi/{name}")
    exporting.write(two_volumes() + lun_text("pvc-3", serial="s3") + target_text("pvc-3"))
    exporting.reload()
    exporting.write(
        GROUPS
        + lun_text("pvc-2", serial="s2")
        + lun_text("pvc-3", serial="s3")
        + target_text("pvc-2")
        + target_text("pvc-3")
    )
    exporting.reload()
    assert list(exporting.part.kernel.ports) == [0, 1, 2, 4, 5]
    exporting.volume("tank/csi/pvc-4")
    exporting.write(exporting.conf.read_text() + lun_text("pvc-4", serial="s4") + target_text("pvc-4"))
    exporting.reload()
    assert exporting.part.kernel.ports[3].target == f"{PREFIX}pvc-4"
    assert list(exporting.part.kernel.luns) == [0, 1, 2]


def test_staged_files_are_tested_where_they_lie(host: Host) -> None:
    staged = host.conf.with_name("ctl.conf.staged")
    staged.write_text(one_volume().replace("PORTAL", "192.0.2.10"))
    staged.chmod(0o600)
    assert host.run("ctld", "-t", "-f", str(staged)) == host.run(
        "ctld", "-t", "-f", "ctl.conf.staged", cwd=str(staged.parent)
    )
    staged.chmod(0o644)
    assert host.run("ctld", "-t", "-f", str(staged)).err == f"ctld: {staged} is world-readable\n"


def test_what_a_reload_meets_and_is_not_modelled_is_counted(make_host: Callable[[str], Host]) -> None:
    host = make_host("15.0")
    host.write(GROUPS)
    host.start()
    host.write("controller nqn.2025-01.com.example:x { }\n")
    host.run("service", "ctld", "reload")
    wait_until(lambda: host.machine.counters()["unmodelled"] == 1)


def test_a_file_the_session_has_written_elsewhere_can_be_tested(host: Host, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch.conf"
    scratch.write_text("nonsense\n")
    assert host.run("ctld", "-t", "-f", str(scratch)).rc == 1
    scratch.unlink()
    assert "No such file or directory" in host.run("ctld", "-t", "-f", str(scratch)).err


def test_the_machines_own_etc_is_never_looked_at(host: Host) -> None:
    assert Path("/etc/passwd").exists()
    assert "No such file or directory" in host.run("ctld", "-t", "-f", "/etc/passwd").err
