"""service, sysrc, sysctl, ps, uname and ctladm's own option handling."""

from __future__ import annotations

import pytest

from tests.simulator.registry import Result
from tests.unit.simulator_ctl.host import GROUPS, Host, one_volume


@pytest.fixture
def running(host: Host) -> Host:
    host.volume("tank/csi/pvc-1")
    host.write(one_volume())
    host.start()
    return host


SYSRC = [
    (("ctld_enable",), Result(0, "ctld_enable: NO\n")),
    (("-n", "ctld_enable"), Result(0, "NO\n")),
    (("-N", "ctld_enable"), Result(0, "ctld_enable\n")),
    (("-e", "ctld_enable"), Result(0, 'ctld_enable="NO"\n')),
    (("-v", "ctld_enable"), Result(0, "/etc/defaults/rc.conf: ctld_enable: NO\n")),
    (("ctld_flags",), Result(1, "", "sysrc: unknown variable 'ctld_flags'\n")),
    (
        ("-n", "ctld_flags", "ctld_enable"),
        Result(1, "NO\n", "sysrc: unknown variable 'ctld_flags'\n"),
    ),
    (("-i", "ctld_flags"), Result(1)),
    (("-c", "ctld_enable"), Result(0)),
    (("-c", "ctld_flags"), Result(1, "", "sysrc: unknown variable 'ctld_flags'\n")),
    (("-c", "ctld_enable=NO"), Result(0)),
    (("-c", "ctld_enable=YES"), Result(1)),
    (
        ("-vc", "ctld_enable=YES"),
        Result(1, "/etc/defaults/rc.conf: ctld_enable: would change from `NO' to `YES'\n"),
    ),
    (("ctld_enable=YES",), Result(0, "ctld_enable: NO -> YES\n")),
    (("-n", "ctld_enable=YES"), Result(0, "NO -> YES\n")),
    (("-e", "ctld_enable=YES"), Result(0, 'ctld_enable="NO" # -> "YES"\n')),
    (("-v", "ctld_enable=YES"), Result(0, "/etc/rc.conf: ctld_enable: NO -> YES\n")),
    (("ctld_flags=-u",), Result(0, "ctld_flags:  -> -u\n")),
    (("kld_list+=ctl cfiscsi",), Result(0, "kld_list:  -> ctl cfiscsi\n")),
    (("a-b",), Result(1, "", "sysrc: a-b: name contains characters not allowed in shell\n")),
]


@pytest.mark.parametrize(("arguments", "result"), SYSRC)
def test_sysrc_on_a_default_host(host: Host, arguments: tuple[str, ...], result: Result) -> None:
    assert host.run("sysrc", *arguments) == result


def test_sysrc_replaces_the_last_assignment_and_keeps_the_rest(host: Host) -> None:
    conf = host.machine.path("/etc/rc.conf")
    conf.write_text('hostname="nas1"\nctld_enable="NO" # later\nctld_enable=NO\n# end\n')
    host.run("sysrc", "ctld_enable=YES")
    assert conf.read_text() == 'hostname="nas1"\nctld_enable="NO" # later\nctld_enable="YES"\n# end\n'
    assert host.run("sysrc", "-n", "ctld_enable").out == "YES\n"


def test_sysrc_removes_every_assignment(host: Host) -> None:
    conf = host.machine.path("/etc/rc.conf")
    conf.write_text('x="1"\nctld_enable="YES"\nctld_enable="NO"\n')
    assert host.run("sysrc", "-x", "ctld_enable") == Result()
    assert conf.read_text() == 'x="1"\n'


def test_sysrc_adds_and_removes_words(host: Host) -> None:
    host.run("sysrc", "kld_list=zfs ctl")
    assert host.run("sysrc", "kld_list+=ctl cfiscsi").out == "kld_list: zfs ctl -> zfs ctl cfiscsi\n"
    assert host.run("sysrc", "kld_list-=ctl").out == "kld_list: zfs ctl cfiscsi -> zfs cfiscsi\n"


def test_sysrc_works_on_a_file_of_its_own(host: Host) -> None:
    loader = host.machine.path("/boot/loader.conf")
    loader.parent.mkdir()
    assert host.run("sysrc", "-f", "/boot/loader.conf", "kern_x=1").out == "kern_x:  -> 1\n"
    assert loader.read_text() == 'kern_x="1"\n'
    assert host.run("sysrc", "-f", "/boot/loader.conf", "ctld_enable").rc == 1


def test_sysrc_refuses_to_guess_at_shell_code(host: Host) -> None:
    host.machine.path("/etc/rc.conf").write_text('x="$(date)"\n')
    assert "is not modelled" in host.run("sysrc", "x").err


def test_verbs_of_a_service_that_is_not_enabled_do_nothing_and_succeed(host: Host) -> None:
    """As in rc.subr: status 0, the text on standard output."""
    host.write(GROUPS)
    for verb in ("start", "stop", "restart", "reload"):
        assert host.run("service", "ctld", verb) == Result(
            0,
            f"Cannot '{verb}' ctld. Set ctld_enable to YES in /etc/rc.conf or use 'one{verb}' instead of '{verb}'.\n",
        )


def test_one_verbs_need_no_enabling(host: Host) -> None:
    host.write(GROUPS)
    assert host.run("service", "ctld", "onestatus").rc == 1
    started = host.run("service", "ctld", "onestart")
    assert (started.rc, started.out) == (0, "Starting ctld.\n")
    assert started.err.splitlines() == [
        'ctld: portal-group "pg0" not assigned to any target',
        'ctld: auth-group "ag0" not assigned to any target',
    ]
    assert host.run("service", "ctld", "onereload") == Result()
    assert host.run("service", "ctld", "stop").rc == 0


def test_starting_twice_is_refused(running: Host) -> None:
    process = running.part.ctld.process
    assert process is not None
    assert running.run("service", "ctld", "start") == Result(1, "", f"ctld already running?  (pid={process.pid}).\n")


def test_restart_makes_a_new_process(running: Host) -> None:
    before = running.part.ctld.process
    restarted = running.run("service", "ctld", "restart")
    after = running.part.ctld.process
    assert before is not None
    assert after is not None
    assert after.pid != before.pid
    assert restarted == Result(0, f"Stopping ctld.\nWaiting for PIDS: {before.pid}.\nStarting ctld.\n")


def test_enabling_a_service(host: Host) -> None:
    assert host.run("service", "ctld", "enabled").rc == 1
    assert host.run("service", "ctld", "enable").out == "ctld enabled in /etc/rc.conf\n"
    assert host.run("service", "ctld", "enabled") == Result()
    assert host.run("service", "ctld", "rcvar").out == (
        '# ctld : CAM Target Layer / iSCSI target daemon\n#\nctld_enable="YES"\n#   (default: "")\n\n'
    )


def test_unknown_services(host: Host) -> None:
    assert host.run("service", "nope", "start") == Result(
        1,
        "nope does not exist in /etc/rc.d or the local startup\n"
        "directories (/usr/local/etc/rc.d), or is not executable\n",
    )
    assert "is not modelled" in host.run("service", "sshd", "restart").err


def test_ps_takes_what_follows_an_equals_sign_as_the_header(running: Host) -> None:
    process = running.part.ctld.process
    assert process is not None
    both = running.run("ps", "-axww", "-o", "pid=", "-o", "args=").out
    assert both.splitlines()[-1] == f"{process.pid} /usr/sbin/ctld"
    assert running.run("ps", "-axww", "-o", "pid=,args=").out.splitlines()[0].strip() == ",args="


PGREP = ("pgrep", "-f", "-l", "-L", "-U", "0", "-F", "/var/run/ctld.pid")


def test_pgrep_shows_the_process_that_holds_the_pidfile(running: Host) -> None:
    process = running.part.ctld.process
    assert process is not None
    assert running.run(*PGREP) == Result(out=f"{process.pid} /usr/sbin/ctld\n")
    assert running.run("pgrep", "-f", "-l", "-L", "-U", "1", "-F", "/var/run/ctld.pid") == Result(1)
    assert "is not modelled" in running.run("pgrep", "ctld").err


def test_pgrep_does_not_believe_a_pidfile_that_nobody_holds(running: Host) -> None:
    running.run("pkill", "-9", "ctld")
    assert running.run(*PGREP) == Result(3, err="pgrep: File '/var/run/ctld.pid' can be locked\n")


def test_pgrep_without_a_pidfile(running: Host) -> None:
    running.run("service", "ctld", "stop")
    text = "pgrep: Cannot open pidfile `/var/run/ctld.pid': No such file or directory\n"
    assert running.run(*PGREP) == Result(3, err=text)


def test_ps_with_headers(running: Host) -> None:
    lines = running.run("ps", "-axo", "pid,command").out.splitlines()
    assert lines[0] == "    PID COMMAND"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ((), "FreeBSD\n"),
        (("-r",), "14.3-RELEASE\n"),
        (("-sr",), "FreeBSD 14.3-RELEASE\n"),
        (("-m", "-n"), "nas1 amd64\n"),
        (("-K",), "1403000\n"),
        (("-i",), "GENERIC\n"),
    ],
)
def test_uname(host: Host, arguments: tuple[str, ...], output: str) -> None:
    assert host.run("uname", *arguments) == Result(0, output)


def test_what_the_host_says_of_itself(host: Host) -> None:
    assert host.run("freebsd-version").out == "14.3-RELEASE\n"
    assert host.run("freebsd-version", "-ku").out == "14.3-RELEASE\n14.3-RELEASE\n"
    assert host.run("hostname").out == "nas1\n"
    assert host.run("kldstat", "-q", "-m", "ctl").rc == 0
    assert host.run("kldstat", "-q", "-m", "nvmft").rc == 1
    assert host.run("kldload", "-n", "ctl") == Result()
    assert host.run("kldload", "ctl").rc == 1


def test_sysctl(host: Host) -> None:
    name = "kern.cam.ctl.max_ports"
    assert host.run("sysctl", name).out == f"{name}: 256\n"
    assert host.run("sysctl", "-n", name).out == "256\n"
    assert host.run("sysctl", f"{name}=512") == Result(
        1,
        "",
        f"sysctl: oid '{name}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf\n",
    )
    assert host.run("sysctl", "-n", "no.such") == Result(1, "", "sysctl: unknown oid 'no.such'\n")
    assert "is not modelled" in host.run("sysctl", "-n", "vfs.zfs.arc.max").err


def test_ctladm_verbs_may_be_shortened(running: Host) -> None:
    assert running.run("ctladm", "dev", "-x").rc == 1  # devid or devlist?
    assert running.run("ctladm", "devl", "-x").out == running.run("ctladm", "devlist", "-x").out


def test_ctladm_complaints(running: Host) -> None:
    cases = {
        ("dev",): "ctladm: ambiguous option dev\n",
        ("create",): "ctladm: cctl_create_lun: backend name (-b) must be specified\n",
        ("remove", "-b", "block"): "ctladm: cctl_rm_lun: LUN id (-l) must be specified\n",
        ("modify", "-b", "block", "-l", "0"): (
            "ctladm: cctl_modify_lun: size (-s) or options (-o) must be specified\n"
        ),
        ("isterminate", "-a", "-c", "1"): (
            "ctladm: cctl_isterminate: only one of -a, -c, -i, or -p may be specified\n"
        ),
        ("lunmap", "-p", "99", "-l", "0", "-L", "0"): (
            "ctladm: cctl_lunmap: error issuing CTL_LUN_MAP ioctl: Device not configured\n"
        ),
        ("islogout", "-i", "nobody"): (
            "ctladm: cctl_islogout: error returned from CTL iSCSI logout request:\nNo matching connections found\n"
        ),
    }
    for arguments, complaint in cases.items():
        result = running.run("ctladm", *arguments)
        assert (result.rc, result.err) == (1, complaint)


def test_unknown_options_are_never_accepted(running: Host) -> None:
    for arguments in (("devlist", "-z"), ("portlist", "extra"), ("tur", "0")):
        result = running.run("ctladm", *arguments)
        assert result.rc == 2
        assert "is not modelled" in result.err
    for command in ("ps -z", "kldstat -z", "service -e", "ctld -d", "ctld -R"):
        assert "is not modelled" in running.run(*command.split()).err


def test_a_changed_lun_map_is_put_right_by_no_reload(running: Host) -> None:
    """Ctld compares its two files, not the kernel: a map changed by hand stays."""
    assert running.run("ctladm", "lunmap", "-p", "3", "-l", "0").rc == 0
    assert "No LUNs mapped" in running.run("ctladm", "portlist", "-p", "3", "-l").out
    running.reload()
    assert "No LUNs mapped" in running.run("ctladm", "portlist", "-p", "3", "-l").out


def test_modify_by_hand_replaces_all_options(running: Host) -> None:
    running.run("ctladm", "modify", "-b", "block", "-l", "0", "-o", "vendor=X")
    listing = running.run("ctladm", "devlist", "-v").out
    assert "      vendor=X\n" in listing
    assert "ctld_name" not in listing


def test_option_values_are_not_escaped_in_xml_but_serials_are(running: Host) -> None:
    running.write(
        one_volume()
        .replace("  serial", '  option "text_ident_info" "a<b"\n  serial')
        .replace("a1b2c3d4e5f60718", "<s&1>")
    )
    running.reload()
    listing = running.run("ctladm", "devlist", "-x").out
    assert "<serial_number>&lt;s&amp;1&gt;</serial_number>" in listing
    assert "<text_ident_info>a<b</text_ident_info>" in listing


def test_serials_and_device_ids_are_cut_to_their_fields(running: Host) -> None:
    running.write(one_volume().replace("a1b2c3d4e5f60718", "s" * 20).replace("csi-pvc-1", "d" * 70))
    running.reload()
    lun = running.part.kernel.luns[0]
    assert (lun.serial, lun.device_id) == ("s" * 16, "d" * 64)


def test_luns_without_serial_and_device_id_get_numbered_ones(running: Host) -> None:
    made = running.run("ctladm", "create", "-b", "ramdisk", "-s", "1M")
    assert made.out.splitlines()[-2:] == [
        "Serial Number: MYSERIAL0001",
        "Device ID;     MYDEVID0001",
    ]
