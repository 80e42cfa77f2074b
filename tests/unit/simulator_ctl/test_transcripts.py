"""
Every recorded transcript of ctld, service and ctladm, replayed on the simulated host.

Recorded values (process id, portal) are examples: they are replaced by those of the run. Where
FreeBSD's source contradicts a transcript, the source wins, and the correction stands here with
its reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator.registry import Result
from tests.unit.simulator_ctl import transcript
from tests.unit.simulator_ctl.host import (
    GIB,
    GROUPS,
    NODE,
    PREFIX,
    Host,
    lun_text,
    one_volume,
    target_text,
)
from tests.unit.simulator_ctl.transcript import Step

EXITING = "ctld: configuration error; exiting\n"


def agree(said: str, expected: str) -> None:
    """Compare line by line; only the padding at a line's end is free."""
    assert [x.rstrip() for x in said.splitlines()] == [x.rstrip() for x in expected.splitlines()]


def replay(host: Host, step: Step, replace: dict[str, str] | None = None) -> Result:
    """Run STEP and compare all that its entry states."""
    result = host.run(*step.argv, user="root" if step.root else "csi")
    for name, said in (("out", result.out), ("err", result.err)):
        expected = step.text(name)
        for old, new in (replace or {}).items():
            expected = expected and expected.replace(old, new)
        if expected is not None:
            agree(said, expected)
    assert result.rc == step.rc
    return result


def pid(host: Host) -> str:
    process = host.part.ctld.process
    assert process is not None
    return str(process.pid)


@pytest.fixture
def exporting(host: Host) -> Host:
    """Ctld runs with two LUNs, the second without medium, as in the recorded lists."""
    host.volume("tank/csi/pvc-1", 10 * GIB)
    host.write(one_volume() + lun_text("pvc-7", serial="a1b2c3d4e5f60719"))
    host.start()
    return host


def test_t32_test_mode_tells_good_from_bad_files(host: Host) -> None:
    host.write(one_volume())
    bad = host.machine.path("/etc/ctl.conf.new")
    bad.write_text("\n" * 10 + 'lun "x" {\n  path }\n')
    good, broken, absent = transcript.steps("T32")
    replay(host, good)
    replay(host, broken)
    replay(host, absent)


def test_t33_warnings_leave_the_status_zero(host: Host) -> None:
    """
    The recorded last line really comes second.

    Permissions are checked before the whole is verified (ctld.cc, conf_new_from_file).
    """
    host.write(
        'auth-group ag1 { chap "u1" "short" }\nauth-group unused { auth-type none }\n'
        f'target "{PREFIX}empty" {{ auth-group ag1 }}\n',
        mode=0o644,
    )
    (step,) = transcript.steps("T33")
    result = host.run(*step.argv)
    recorded = (step.text("err") or "").splitlines()
    assert result.err.splitlines() == [recorded[0], recorded[3], recorded[1], recorded[2]]
    assert result.rc == 0


_LUN = 'lun "pvc-1" { path /dev/zvol/tank/csi/pvc-1 }\n'
_AG1 = "auth-group ag1 { auth-type none }\n"
_TARGET = f'target "{PREFIX}pvc-1" {{ %s }}\n'
SEMANTIC_ERRORS = [
    _TARGET % "" + _TARGET % "",
    _LUN + _LUN,
    _AG1 + _AG1,
    _TARGET % "portal-group pgX",
    _TARGET % "auth-group agX",
    _TARGET % "lun 0 pvc-9",
    _LUN + _TARGET % "lun 0 pvc-1; lun 0 pvc-1",
    _LUN + _TARGET % "lun 1024 pvc-1",
    'lun "pvc-1" { size 1G }\n',
    "auth-group ag1 { auth-type none; chap u1 secretsecret }\n",
]


def test_t34_semantic_errors_have_the_recorded_words(make_host: Callable[[str], Host]) -> None:
    """The words are those of the newest source; what 14 says otherwise is in test_grammar."""
    host = make_host("15.0")
    recorded = transcript.raw("T34").splitlines()
    assert len(recorded) == len(SEMANTIC_ERRORS)
    for text, expected in zip(SEMANTIC_ERRORS, recorded, strict=True):
        host.write(text)
        result = host.run("ctld", "-t")
        assert (result.rc, result.err) == (1, f"{expected}\n{EXITING}")


def test_t35_ctld_needs_root(host: Host) -> None:
    (step,) = transcript.steps("T35")
    replay(host, step)


def test_t36_a_second_daemon_is_refused(exporting: Host) -> None:
    (step,) = transcript.steps("T36")
    replay(exporting, step, {"1234": pid(exporting)})


def test_t37_unknown_options_show_the_usage(host: Host) -> None:
    (step,) = transcript.steps("T37")
    replay(host, step)


def test_t38_service_verbs(exporting: Host) -> None:
    """rc.subr prints `not running?` on standard error (_run_rc_notrunning), not on output."""
    reload, not_running, running, stopped, configtest = transcript.steps("T38")
    replay(exporting, reload)
    replay(exporting, running, {"1234": pid(exporting)})
    exporting.run("service", "ctld", "stop")
    not_running.fields["err"] = not_running.fields.pop("out")
    replay(exporting, not_running)
    replay(exporting, stopped)
    replay(exporting, configtest)


def recorded_syslog(label: str) -> list[str]:
    """Return the lines T39 records under LABEL."""
    found: list[str] = []
    current = ""
    for line in transcript.raw("T39").splitlines():
        heading, _, text = line.partition(")") if line.startswith("(") else ("", "", line)
        current = heading[1:] or current
        if current == label:
            found.append(text.strip())
    return found


def test_t39_an_invalid_file_is_refused_on_reload(exporting: Host) -> None:
    exporting.write("nonsense\n")
    exporting.reload()
    assert exporting.messages()[-1:] == recorded_syslog("invalid file")


def test_t39_a_missing_path_is_a_warning(exporting: Host) -> None:
    assert exporting.messages() == recorded_syslog("path missing")


def test_t39_a_lun_the_kernel_refuses(host: Host) -> None:
    """A zvol's sectors have 512 bytes, so here the refused block size is 520."""
    host.volume("tank/csi/pvc-8")
    host.write(GROUPS)
    host.start()
    host.write(GROUPS + lun_text("pvc-8").replace("serial", "blocksize 520\n  serial"))
    host.reload()
    refusal, *consequences = recorded_syslog("kernel refuses")
    assert host.messages()[-2:] == consequences
    prefix = refusal.partition("requested")[0]
    assert host.messages()[-3] == (
        f"{prefix}requested blocksize 520 is not an even multiple of backing device blocksize 512"
    )


def test_t39_a_port_the_kernel_refuses(host: Host) -> None:
    """Two groups with one tag make two ports of one name."""
    host.volume("tank/csi/pvc-1")
    host.write(
        "portal-group pg1 { listen 192.0.2.10; tag 256 }\n"
        + GROUPS.replace("listen PORTAL", "listen PORTAL\n  tag 256")
        + lun_text("pvc-1")
        + target_text("pvc-1").replace("  lun 0", '  portal-group "pg1"\n  lun 0')
    )
    host.start()
    recorded = recorded_syslog("port refused")
    assert host.messages() == [recorded[0], recorded[1].replace("pg0-", "pg1-")]


def test_t39_termination_is_logged(exporting: Host) -> None:
    exporting.run("service", "ctld", "stop")
    assert exporting.messages()[-1:] == recorded_syslog("SIGTERM")


@pytest.mark.parametrize("entry", ["T40", "T41"])
def test_t40_t41_device_lists(exporting: Host, entry: str) -> None:
    (step,) = transcript.steps(entry)
    if entry == "T41":
        exporting.write(one_volume())
        exporting.reload()
    replay(exporting, step)


def test_t42_port_list(exporting: Host) -> None:
    """The kernel lists an initiator port: the name with its ISID (cfiscsi_ioctl_handoff)."""
    plain, detailed = transcript.steps("T42")
    replay(exporting, plain)
    exporting.login()
    replay(exporting, detailed, {NODE: f"{NODE},i,0x00023d000001"})


def test_t43_port_list_as_xml(exporting: Host) -> None:
    """Initiator ports as in T42; the built-in ports are left out of the record."""
    exporting.login()
    (step,) = transcript.steps("T43")
    result = exporting.run(*step.argv)
    expected = (step.text("out") or "").replace(NODE, f"{NODE},i,0x00023d000001")
    first, _omitted, *rest = expected.splitlines()
    said = result.out.splitlines()
    assert said[0] == first
    assert said[said.index('<targ_port id="3">') :] == rest


def test_t44_session_lists(exporting: Host) -> None:
    exporting.login(address="192.0.2.21")
    for step in transcript.steps("T44"):
        replay(exporting, step)


def test_t45_sessions_are_dropped(exporting: Host) -> None:
    terminate, logout, absent, nothing = transcript.steps("T45")
    first = exporting.login()
    replay(exporting, terminate)
    assert first.closed()
    second = exporting.login()
    replay(exporting, logout)
    assert second.closed()
    replay(exporting, absent)
    replay(exporting, nothing)


def test_t46_luns_made_by_hand(exporting: Host) -> None:
    exporting.volume("tank/csi/tmp", GIB)
    for step in transcript.steps("T46"):
        replay(exporting, step)


def test_t47_no_permission_and_unknown_verb(host: Host) -> None:
    denied, unknown = transcript.steps("T47")
    replay(host, denied)
    del unknown.fields["out"]
    assert replay(host, unknown).out.startswith("Usage:\n")


def test_t48_nvme_lists_exist_in_15_only(make_host: Callable[[str], Host]) -> None:
    """The module nvmft is never loaded on the simulated host, as it exports no NVMe."""
    without_module = transcript.steps("T48")[-1]
    replay(make_host("15.0"), without_module)
    assert make_host("14.3").run("ctladm", "nvlist").err == "ctladm: option nvlist not found\n"
