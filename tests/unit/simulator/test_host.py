"""The host as a process behind SSH: sessions, pipes, faults that need processes, restarts. With either SSH server."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.host import SimulatedHost, SimulatorError

KINDS = ("openssh", "asyncssh") if Path("/usr/sbin/sshd").exists() else ("asyncssh",)
Finished = subprocess.CompletedProcess[bytes]


class Connection:
    """An ssh client with a control master, as Ansible uses it."""

    def __init__(self, host: SimulatedHost) -> None:
        self.host = host
        self.socket = host.root / "cm"
        info = host.info
        (host.root / "known").write_text(f"[127.0.0.1]:{info['port']} {info['host_key']}\n")
        options = {
            "IdentityFile": info["identity_file"],
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": host.root / "known",
            "ControlMaster": "auto",
            "ControlPath": self.socket,
            "ControlPersist": "60",
            "ServerAliveInterval": "5",
            "LogLevel": "ERROR",
        }
        self.command = ["ssh", "-F", "none", "-p", str(info["port"])]
        self.command += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self.target = f"{info['user']}@127.0.0.1"

    def run(self, command: str, stdin: bytes = b"") -> Finished:
        argv = [*self.command, self.target, command]
        return subprocess.run(argv, check=False, input=stdin, capture_output=True, timeout=60)

    def begin(self, command: str) -> subprocess.Popen[bytes]:
        argv = [*self.command, self.target, command]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        subprocess.run([*self.command, "-O", "exit", self.target], check=False, capture_output=True, timeout=10)


@pytest.fixture(scope="module", params=KINDS)
def host(request: pytest.FixtureRequest) -> Iterator[SimulatedHost]:
    directory = Path(tempfile.mkdtemp(prefix="sim-", dir="/tmp"))
    with SimulatedHost(directory / "h", ssh=request.param) as running:
        yield running
    shutil.rmtree(directory)


@pytest.fixture
def ssh(host: SimulatedHost) -> Iterator[Connection]:
    connection = Connection(host)
    yield connection
    host.control("clear-faults")
    connection.close()


def out(finished: Finished) -> str:
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.decode()


def overwrite(device: Path, data: bytes) -> None:
    with device.open("r+b") as file:
        file.write(data)


def settled(condition: Any, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_the_prepared_host_is_one_the_driver_can_use(host: SimulatedHost, ssh: Connection) -> None:
    assert out(ssh.run("zfs list -H -o name")).split() == ["tank", "tank/csi"]
    parents = json.loads((Path(host.info["settings_dir"]) / "parents.json").read_text())
    assert parents == {"tank/csi": out(ssh.run("zfs get -Hp -o value guid tank/csi")).strip()}
    assert b"is running" in ssh.run("service ctld status").stdout
    assert (
        out(ssh.run("sysrc -n ctld_flags")).strip()
        == f"-f {host.info['control'].removesuffix('control.sock')}etc/ctl.conf"
    )


def test_output_errors_and_status_come_through(ssh: Connection) -> None:
    finished = ssh.run("zfs list tank/nope; exit 7")
    assert finished.returncode == 7
    assert finished.stderr == b"cannot open 'tank/nope': dataset does not exist\n"


def test_a_large_payload_on_standard_input_arrives_whole(ssh: Connection) -> None:
    assert out(ssh.run("/bin/sh -c 'wc -c'", stdin=b"x" * 8_000_000)).strip() == "8000000"


def test_large_output_arrives_whole(ssh: Connection) -> None:
    assert len(ssh.run("dd if=/dev/zero bs=65536 count=64 2>/dev/null").stdout) == 64 * 65536


def test_several_sessions_share_one_connection(host: SimulatedHost, ssh: Connection) -> None:
    ssh.run("true")
    running = [
        ssh.begin(f"zfs create -s -V 1G tank/csi/par{n} && zfs list -H -o name tank/csi/par{n}") for n in range(8)
    ]
    assert sorted(process.communicate(timeout=30)[0] for process in running) == [
        f"tank/csi/par{n}\n".encode() for n in range(8)
    ]
    for n in range(8):
        host.run("zfs", "destroy", f"tank/csi/par{n}")


def test_python_on_the_host_believes_it_is_freebsd(ssh: Connection, host: SimulatedHost) -> None:
    program = "import os, platform; print(platform.system(), platform.release(), os.uname().machine)"
    assert out(ssh.run(f"{host.info['python']} -c '{program}'")) == "FreeBSD 14.3-RELEASE amd64\n"
    assert out(ssh.run(f"python3.11 -c '{program}'")) == "FreeBSD 14.3-RELEASE amd64\n"


def test_pipes_between_simulated_commands_carry_streams(ssh: Connection, host: SimulatedHost) -> None:
    out(ssh.run("zfs create -s -V 1G tank/csi/a"))
    overwrite(host.root / "dev/zvol/tank/csi/a", b"payload")
    out(ssh.run("zfs snapshot tank/csi/a@s && zfs send tank/csi/a@s | zfs receive tank/csi/b"))
    with (host.root / "dev/zvol/tank/csi/b").open("rb") as device:
        assert device.read(7) == b"payload"
    out(ssh.run("zfs destroy -r tank/csi/a && zfs destroy -r tank/csi/b"))


def test_killing_a_receive_undoes_it(ssh: Connection, host: SimulatedHost) -> None:
    out(ssh.run("zfs create -s -V 1G tank/csi/a"))
    overwrite(host.root / "dev/zvol/tank/csi/a", bytes(range(256)) * 40960)
    out(ssh.run("zfs snapshot tank/csi/a@s"))
    host.control("fault", point="stream.send", action="slow", rate=1_000_000)
    running = ssh.begin("zfs send tank/csi/a@s | { exec 3<&0; zfs receive tank/csi/b <&3 & echo $!; wait; }")
    assert running.stdout is not None
    pid = running.stdout.readline().decode().strip()
    assert settled(lambda: ssh.run("zfs list tank/csi/b").returncode == 0)
    assert "busy" in ssh.run("zfs destroy tank/csi/b").stderr.decode()
    ssh.run(f"kill -9 {pid}")
    assert settled(lambda: ssh.run("zfs list tank/csi/b").returncode == 1)
    running.wait(30)
    running.stdout.close()
    out(ssh.run("zfs destroy -r tank/csi/a"))


def test_a_command_nobody_simulates_never_reaches_the_machines_own(ssh: Connection) -> None:
    finished = ssh.run("mount")
    assert finished.returncode == 2
    assert finished.stderr == b"simulator: mount: the command is not modelled\n"


def test_a_cut_connection_ends_the_client_but_not_the_processes(ssh: Connection, host: SimulatedHost) -> None:
    host.control("fault", command="zfs", match="set", when="after", action="cut")
    done = host.root / "tmp" / "done"
    finished = ssh.run(f"zfs set csi:x=1 tank/csi; touch {done}")
    assert finished.returncode == 255
    assert settled(done.exists)
    assert host.run("zfs", "get", "-H", "-o", "value", "csi:x", "tank/csi")["out"] == "1\n"
    done.unlink()


def test_a_killed_command_has_had_its_effect_or_not_as_asked(ssh: Connection, host: SimulatedHost) -> None:
    for when, value in (("before", "1"), ("after", "2")):
        host.run("zfs", "set", "csi:x=1", "tank/csi")
        host.control("fault", command="zfs", match="csi:x=2", when=when, action="kill-client")
        assert ssh.run("zfs set csi:x=2 tank/csi; echo $?").stdout == b"137\n"
        assert host.run("zfs", "get", "-H", "-o", "value", "csi:x", "tank/csi")["out"] == f"{value}\n"


def test_a_killed_module_is_the_parent_of_the_command(ssh: Connection, host: SimulatedHost) -> None:
    host.control("fault", command="zfs", match="csi:y", when="after", action="kill-module")
    finished = ssh.run("sh -c 'zfs set csi:y=1 tank/csi; echo went on'; echo $?")
    assert finished.stdout == b"137\n"


def test_a_hanging_command_goes_on_when_the_faults_are_cleared(ssh: Connection, host: SimulatedHost) -> None:
    host.control("fault", command="zfs", match="list", when="before", action="hang")
    running = ssh.begin("zfs list -H -o name tank")
    time.sleep(0.3)
    assert running.poll() is None
    host.control("clear-faults")
    assert running.communicate(timeout=10)[0] == b"tank\n"


def test_a_reboot_kills_every_process_and_keeps_what_was_committed(ssh: Connection, host: SimulatedHost) -> None:
    out(ssh.run("zfs create -s -V 1G tank/csi/kept"))
    running = ssh.begin("sleep 60; zfs destroy tank/csi/kept")
    time.sleep(1.0)
    host.control("reboot")
    assert running.wait(10) == 255
    assert running.stdout is not None
    running.stdout.close()
    assert out(ssh.run("zfs list -H -o name tank/csi/kept")) == "tank/csi/kept\n"
    assert b"is running" in ssh.run("service ctld status").stdout
    host.run("zfs", "destroy", "tank/csi/kept")


def test_the_daemon_comes_back_with_its_state_at_its_port(ssh: Connection, host: SimulatedHost) -> None:
    out(ssh.run("zfs create -s -V 1G tank/csi/kept"))
    before = host.info
    host.kill()
    host.start()
    assert host.info == before
    ssh.close()
    assert out(ssh.run("zfs list -H -o name tank/csi/kept")) == "tank/csi/kept\n"
    host.run("zfs", "destroy", "tank/csi/kept")


def test_a_wrong_control_request_is_told(host: SimulatedHost) -> None:
    with pytest.raises(SimulatorError, match="unknown operation"):
        host.control("nonsense")


def test_nothing_of_all_this_was_a_defect_of_the_simulator(host: SimulatedHost) -> None:
    assert host.control("counters")["defects"] == 0


def test_a_bare_host_has_a_pool_and_nothing_else(tmp_path: Path) -> None:
    with SimulatedHost(tmp_path / "h", prepared=False, ssh="none") as bare:
        assert bare.run("zfs", "list", "-H", "-o", "name")["out"] == "tank\n"
        assert not (bare.root / "etc/ctl.conf").exists()
        assert bare.run("service", "ctld", "status")["rc"] == 1


def test_without_a_compiler_the_clients_are_python(tmp_path: Path) -> None:
    host = SimulatedHost(tmp_path / "h", ssh="none", compiled=False)
    with host:
        finished = subprocess.run(
            ["zfs", "list", "-H", "-o", "name"],
            check=False,
            capture_output=True,
            env={"PATH": f"{host.root}/bin:/usr/bin:/bin"},
            timeout=30,
        )
        assert finished.stdout == b"tank\ntank/csi\n"
        failed = subprocess.run([f"{host.root}/bin/zfs", "list", "nope"], check=False, capture_output=True, timeout=30)
        assert failed.returncode == 1


def test_a_client_finds_its_host_by_its_own_place_on_path(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 20) / "h"
    with SimulatedHost(long, ssh="none") as host:
        finished = subprocess.run(
            ["zfs", "list", "-H", "-o", "name", "tank"],
            check=False,
            capture_output=True,
            env={"PATH": f"/nowhere:{host.root}/bin"},
            timeout=30,
        )
        assert finished.stdout == b"tank\n"


def test_the_daemon_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    host = SimulatedHost(tmp_path / "h", ssh="none")
    host.start()
    process = host._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    assert process.stdout is not None
    process.stdout.close()


def test_an_ordinary_user_gets_only_what_sudo_and_zfs_allow(tmp_path: Path) -> None:
    with SimulatedHost(tmp_path / "h", login="csi") as host:
        ssh = Connection(host)
        assert b"permission denied" in ssh.run("zfs create -s -V 1G tank/csi/v").stderr
        assert ssh.run("sudo -n zfs create -s -V 1G tank/csi/v").stderr == b"sudo: not found\n"
        host.run("pkg", "install", "-y", "sudo")
        assert ssh.run("sudo -n zfs create -s -V 1G tank/csi/v").stderr == b"sudo: a password is required\n"
        sudoers = host.root / "usr/local/etc/sudoers.d"
        (sudoers / "csi").write_text(f"csi ALL=(root) NOPASSWD: {host.root}/bin/zfs\n")
        assert ssh.run("sudo -n zfs create -s -V 1G tank/csi/v").returncode == 0
        host.run("zfs", "allow", "-u", "csi", "destroy,mount", "tank/csi")
        assert ssh.run("zfs destroy tank/csi/v").returncode == 0
        ssh.close()
