"""OpenSSH's own sshd in front of the simulated host."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.simulator import processes
from tests.simulator.ssh import environment
from tests.simulator.ssh.keys import Keys

_CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey {keys.host_key}
PidFile {keys.directory}/sshd.pid
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
MaxSessions 200
MaxStartups 500
AcceptEnv LC_* LANG
SetEnv SHLVL=1
ForceCommand {script}
LogLevel ERROR
Subsystem sftp {sftp}
Match User {login}
AuthorizedKeysFile {keys.authorized_keys}
Match User *,!{login}
AuthorizedKeysFile .ssh/authorized_keys
"""
# SHLVL: bash as login shell reads ~/.bashrc for remote commands only at the outermost level, and that can take long.
# The host's users and groups instead of the machine's, for this one process and those it starts. Disks that
# nodes have mounted when the host boots are none of its business: seen from here, they would stay in use for ever.
_OWN_ACCOUNTS = """
while read -r disk point _; do
    case "$disk $point" in "/dev/loop"*" /tmp/"*) umount -l "$point" ;; esac
done </proc/self/mounts
mount --bind "$1/etc/passwd" /etc/passwd && mount --bind "$1/etc/group" /etc/group && shift && exec "$@"
"""
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_START_SECONDS = 10.0


class OpenSshServer:
    kind = "openssh"

    def __init__(self, root: Path, keys: Keys, user: str, port: int) -> None:
        binary = environment.sshd_path()
        if binary is None:
            raise FileNotFoundError("sshd")
        self._binary = binary
        self._root = root
        self._keys = keys
        self._script = environment.write_session_script(root, user)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or _free_port()

    def start(self) -> None:
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._end_former()
        config = self._keys.directory / "sshd_config"
        sftp = environment.sftp_server() or "internal-sftp"
        text = _CONFIG.format(
            port=self.port, keys=self._keys, script=self._script, sftp=sftp, login=environment.login_name()
        )
        config.write_text(text, encoding="utf-8")
        log = self._root / "ssh" / "sshd.log"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*own_accounts(self._root), self._binary, "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd="/",
                start_new_session=True,
            )
        self._wait_listening(log)

    def _end_former(self) -> None:
        """An earlier daemon that was killed has left its sshd behind."""
        record = self._keys.directory / "sshd.pid"
        if record.exists() and "sshd" in processes.name(pid := int(record.read_text(encoding="ascii"))):
            processes.kill_at_once((pid, *processes.descendants(pid)))
        record.unlink(missing_ok=True)

    def _wait_listening(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.stop()
        raise RuntimeError(f"sshd did not start: {log.read_text(encoding='utf-8', errors='replace')}")

    def stop(self) -> None:
        if self._process is None:
            return
        processes.kill_at_once(
            (self._process.pid, *processes.descendants(self._process.pid), *processes.of_host(self._root))
        )
        self._process.wait(10)
        self._process = None

    def cut(self, pid: int, env: Mapping[str, str]) -> None:
        del env
        assert self._process is not None
        for ancestor in processes.ancestors(pid):
            if ancestor == self._process.pid:
                return
            if "sshd" in processes.name(ancestor):
                processes.kill(ancestor)

    def cut_all(self) -> None:
        assert self._process is not None
        for pid in processes.descendants(self._process.pid):
            if "sshd" in processes.name(pid):
                processes.kill(pid)


def own_accounts(root: Path) -> list[str]:
    """
    What a command is preceded by to see the host's accounts; nothing where that is not possible.

    It takes root and Linux's mount namespaces. Without them only who runs the simulator can log in.
    """
    words = ["unshare", "--mount", "--", "sh", "-c", _OWN_ACCOUNTS, "sh", str(root)]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*words, "true"], check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    return words if tried.returncode == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
