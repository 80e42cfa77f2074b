"""The host's SSH server: OpenSSH's sshd where there is one, else one embedded in the daemon."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.simulator.ssh import environment
from tests.simulator.ssh.keys import Keys
from tests.simulator.ssh.openssh import OpenSshServer

AUTO = "auto"
OPENSSH = "openssh"
ASYNCSSH = "asyncssh"
NONE = "none"
CHOICES = (AUTO, OPENSSH, ASYNCSSH, NONE)


class SshServer(Protocol):
    """One SSH server on the loopback address; the port stays the same over ``stop`` and ``start``."""

    kind: str
    port: int

    def start(self) -> None:
        """Listen; returns once connections are accepted."""

    def stop(self) -> None:
        """Stop listening, end every connection and every process that a session started."""

    def cut(self, pid: int, env: Mapping[str, str]) -> None:
        """Break the connection to which process ``pid`` (with environment ``env``) belongs; its processes live on."""

    def cut_all(self) -> None:
        """Break every connection; their processes live on."""


def start_server(choice: str, root: Path, keys: Keys, user: str, port: int = 0) -> SshServer | None:
    """
    Start the chosen kind at ``port`` (0: a free one).

    ``auto`` takes OpenSSH if a login through it works here, else the embedded one.
    """
    if choice == NONE:
        return None
    if choice == OPENSSH or (choice == AUTO and environment.sshd_path() is not None):
        server = OpenSshServer(root, keys, user, port)
        try:
            server.start()
            if choice == OPENSSH or _can_log_in(server, keys):
                return server
        except (OSError, RuntimeError):
            if choice == OPENSSH:
                raise
        server.stop()
    module = importlib.import_module("tests.simulator.ssh.embedded")
    embedded: SshServer = module.EmbeddedSshServer(root, keys, user, port)
    embedded.start()
    return embedded


def _can_log_in(server: OpenSshServer, keys: Keys) -> bool:
    """Whether this machine lets the user in (a locked account or a nologin shell would not)."""
    client = shutil.which("ssh")
    if client is None:
        return True
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5"]
    command = [client, "-F", "none", "-q", "-i", str(keys.user_key), "-p", str(server.port)]
    command += [word for option in options for word in ("-o", option)]
    command += [f"{environment.login_name()}@127.0.0.1", "exit 0"]
    return (
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=20).returncode == 0
    )
