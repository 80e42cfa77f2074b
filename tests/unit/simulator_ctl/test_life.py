"""The life of the daemon and of the host: start, stop, death, reboot, limits."""

from __future__ import annotations

import socket

import pytest

from tests.unit.simulator_ctl.host import (
    GROUPS,
    PREFIX,
    Host,
    lun_text,
    one_volume,
    target_text,
)


@pytest.fixture(params=["14.3", "15.0"])
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def exporting(host: Host) -> Host:
    host.volume("tank/csi/pvc-1")
    host.write(one_volume())
    host.start()
    return host


def refuses_connections(host: Host) -> bool:
    try:
        socket.create_connection(("127.0.0.1", host.port)).close()
    except ConnectionRefusedError:
        return True
    return False


def many(count: int, *, first: int = 0) -> str:
    """Return LUNs and targets v000, v001, ... without media."""
    names = [f"v{n:04d}" for n in range(first, first + count)]
    return "".join(lun_text(name, serial=name) for name in names) + "".join(target_text(name) for name in names)


def test_sigterm_removes_everything(exporting: Host) -> None:
    initiator = exporting.login()
    stopped = exporting.run("service", "ctld", "stop")
    assert stopped.out.startswith("Stopping ctld.\nWaiting for PIDS: ")
    assert initiator.closed()
    assert exporting.part.kernel.luns == {}
    assert list(exporting.part.kernel.ports) == [0, 1, 2]
    assert refuses_connections(exporting)
    assert not exporting.machine.path("/var/run/ctld.pid").exists()


def test_a_killed_ctld_leaves_sessions_but_lets_nobody_in(exporting: Host) -> None:
    initiator = exporting.login()
    assert exporting.run("pkill", "-9", "ctld").rc == 0
    assert initiator.ask({"op": "rescan"})["ok"] is True
    assert refuses_connections(exporting)
    status = exporting.run("service", "ctld", "status")
    assert (status.rc, status.out) == (1, "ctld is not running.\n")


def test_a_ctld_started_after_a_kill_finds_its_luns_and_sessions(exporting: Host) -> None:
    initiator = exporting.login()
    lun = exporting.part.kernel.luns[0]
    exporting.run("pkill", "-9", "ctld")
    exporting.write(one_volume() + many(1))
    assert exporting.run("service", "ctld", "start").rc == 0
    assert exporting.part.kernel.luns[0] is lun
    assert initiator.ask({"op": "rescan"})["ok"] is True
    assert exporting.targets() == [f"{PREFIX}pvc-1", f"{PREFIX}v0000"]


def test_a_ctld_started_after_a_kill_removes_what_the_file_no_longer_has(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.run("ctladm", "create", "-b", "ramdisk", "-s", "1M")
    exporting.run("pkill", "-9", "ctld")
    exporting.write(GROUPS)
    exporting.run("service", "ctld", "start")
    assert initiator.closed()
    assert [lun.backend for lun in exporting.part.kernel.luns.values()] == ["ramdisk"]


def test_a_lun_without_names_of_its_own_is_made_anew_after_a_kill_since_15(host: Host) -> None:
    """Its generated serial is "set before, unset now" to the new ctld; 14 does not compare what is unset."""
    host.volume("tank/csi/pvc-1")
    host.write(one_volume().replace("  serial", "  #").replace("  device-id", "  #"))
    host.start()
    before = host.part.kernel.luns[0]
    assert before.serial == "MYSERIAL0000"
    host.run("pkill", "-9", "ctld")
    host.run("service", "ctld", "start")
    assert (host.part.kernel.luns[0] is before) == (host.machine.release.major < 15)


def test_an_invalid_file_stops_the_start(host: Host) -> None:
    host.write("nonsense\n")
    host.run("sysrc", "ctld_enable=YES")
    started = host.run("service", "ctld", "start")
    assert (started.rc, started.out) == (1, "Starting ctld.\n")
    assert started.err == (
        "ctld: error in configuration file at line 1 near 'nonsense': syntax error\n"
        "ctld: configuration error; exiting\n"
        "/etc/rc.d/ctld: WARNING: failed to start ctld\n"
    )


def test_a_start_that_cannot_be_applied_says_so_only_in_syslog(host: Host) -> None:
    host.volume("tank/csi/pvc-1")
    host.write(one_volume() + lun_text("bad", path="/etc").replace("  path", "  blocksize 520\n  path"))
    bad = one_volume().replace("  serial", "  blocksize 520\n  serial")
    host.write(bad)
    host.run("sysrc", "ctld_enable=YES")
    assert host.run("service", "ctld", "start").rc == 0
    assert host.run("service", "ctld", "status").rc == 1
    assert host.messages()[-2:] == [
        'failed to add lun "pvc-1"',
        "failed to apply configuration; exiting",
    ]


def test_reboot_ends_sessions_and_starts_ctld_from_its_file(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.machine.reboot()
    assert initiator.closed()
    assert exporting.run("ctladm", "islist", "-x").out == "<ctlislist>\n</ctlislist>\n"
    assert exporting.targets() == [f"{PREFIX}pvc-1"]
    assert exporting.login().reply["ok"] is True


def test_after_a_reboot_ctld_runs_only_if_enabled(exporting: Host) -> None:
    exporting.run("sysrc", "ctld_enable=NO")
    exporting.machine.reboot()
    assert exporting.run("service", "ctld", "status").rc == 1
    assert exporting.targets() == []


def test_after_a_reboot_an_invalid_file_leaves_ctld_stopped(exporting: Host) -> None:
    exporting.write("nonsense\n")
    exporting.machine.reboot()
    assert exporting.run("service", "ctld", "status").rc == 1
    assert exporting.part.kernel.luns == {}


def test_reboot_forgets_what_was_not_in_the_file(exporting: Host) -> None:
    exporting.run("ctladm", "create", "-b", "ramdisk", "-s", "1M")
    exporting.machine.reboot()
    assert len(exporting.part.kernel.luns) == 1


def test_253_targets_fit_beside_the_three_builtin_ports(host: Host) -> None:
    host.write(GROUPS + many(254))
    host.start()
    assert len(host.targets()) == 253
    failed = [text for text in host.messages() if not text.startswith("LUN creation warning")]
    assert failed == [
        "error returned from port creation request: ctl_port_register() failed with error 1",
        f"failed to add port pg0-{PREFIX}v0253",
    ]
    assert host.login(f"{PREFIX}v0253").reply["text"] == "Not found"


def test_a_port_that_did_not_fit_is_added_when_there_is_room(host: Host) -> None:
    host.write(GROUPS + many(254))
    host.start()
    host.write(GROUPS + many(253, first=1))
    host.reload()
    assert f"{PREFIX}v0253" in host.targets()
    assert len(host.targets()) == 253


def test_the_number_of_luns_is_limited(host: Host) -> None:
    host.machine.path("/boot").mkdir()
    host.machine.path("/boot/loader.conf").write_text('kern.cam.ctl.max_luns="4"\n')
    host.write(GROUPS + many(5))
    host.run("sysrc", "ctld_enable=YES")
    host.machine.reboot()
    assert host.run("sysctl", "-n", "kern.cam.ctl.max_luns").out == "4\n"
    assert host.messages()[-3:] == [
        "LUN creation error: ctl_add_lun() returned error 28, see dmesg for details",
        'failed to add lun "v0004"',
        "failed to apply configuration; exiting",
    ]
    assert len(host.part.kernel.luns) == 4


def test_more_ports_by_loader_conf_from_the_next_boot_on(host: Host) -> None:
    host.write(GROUPS + many(300))
    host.start()
    assert len(host.targets()) == 253
    host.machine.path("/boot").mkdir()
    host.machine.path("/boot/loader.conf").write_text('kern.cam.ctl.max_ports="1024"\n')
    host.machine.reboot()
    assert len(host.targets()) == 300


def test_ctld_flags_choose_the_file(host: Host) -> None:
    elsewhere = host.machine.path("/usr/local/etc/my.conf")
    elsewhere.parent.mkdir(parents=True)
    host.write(GROUPS)
    host.conf.rename(elsewhere)
    host.run("sysrc", f"ctld_flags=-f {elsewhere}", "ctld_enable=YES")
    missing = host.run("service", "ctld", "start")
    assert missing.err == (
        "/etc/rc.d/ctld: WARNING: /etc/ctl.conf is not readable.\n"
        "/etc/rc.d/ctld: WARNING: failed precmd routine for ctld\n"
    )
    host.conf.touch()
    assert host.run("service", "ctld", "start").rc == 0
    process = host.run("ps", "-axww", "-o", "args=").out.splitlines()[-1]
    assert process == f"/usr/sbin/ctld -f {elsewhere}"


def test_observed_state_tells_all(exporting: Host) -> None:
    exporting.login()
    state = exporting.machine.observe()
    counted = {name: len(value) for name, value in state.items() if isinstance(value, list)}
    assert (counted["luns"], counted["ports"], counted["sessions"]) == (1, 4, 1)
    assert state["listening"] == [f"127.0.0.1:{exporting.port}"]
    assert state["ctl_conf"] == exporting.conf.read_text()
