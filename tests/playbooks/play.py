"""Run a playbook against a simulated host the way a person would, and say what it changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulator.host import SimulatedHost

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "nas1"
TIMEOUT = 180
RECAP = re.compile(rf"^{HOST}\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Play:
    """How a run ended."""

    status: int
    changed: int
    tasks: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether no task failed."""
        return self.status == 0


def play(  # noqa: PLR0913 - what a person can say on the command line
    playbook: str | Path,
    host: SimulatedHost,
    directory: Path,
    variables: Mapping[str, Any],
    *,
    check: bool = False,
    verbose: bool = False,
    timeout: float = TIMEOUT,
    inventory: Path | None = None,
) -> Play:
    """
    Run `playbooks/<playbook>.yml`, or a file, with real ansible-playbook over real SSH; `directory` is for its files.

    Without an inventory one is made for the host.
    """
    inventory = inventory or write_inventory(host.info, directory)
    argv = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"--inventory={inventory}",
        f"--extra-vars={json.dumps(dict(variables))}",
        *(["--check", "--diff"] if check else []),
        *(["--diff", "-vvv"] if verbose else []),
        str(playbook if isinstance(playbook, Path) else REPOSITORY / "playbooks" / f"{playbook}.yml"),
    ]
    result = subprocess.run(
        argv,
        cwd=REPOSITORY,
        env=_environment(directory),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    recap = RECAP.search(result.stdout)
    tasks, changed = (int(recap[1]), int(recap[2])) if recap else (0, 0)
    return Play(result.returncode, changed, tasks, result.stdout)


def write_inventory(info: Mapping[str, Any], directory: Path, more: Mapping[str, Any] | None = None) -> Path:
    """Write an inventory of one host, known by `SimulatedHost.info`, that has `more` variables; return its path."""
    known_hosts = directory / "known_hosts"
    known_hosts.write_text(f"{HOST} {info['host_key']}\n")
    options = f"-o UserKnownHostsFile={known_hosts} -o HostKeyAlias={HOST} -o StrictHostKeyChecking=yes"
    variables = {
        "ansible_host": info["address"],
        "ansible_port": info["port"],
        "ansible_user": info["user"],
        "ansible_ssh_private_key_file": info["identity_file"],
        "ansible_python_interpreter": info["python"],
        "ansible_ssh_common_args": options,
        **(more or {}),
    }
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps({"storage_hosts": {"hosts": {HOST: variables}}}))
    return inventory


def _environment(directory: Path) -> dict[str, str]:
    """The user's own Ansible settings stay out; the tree's ansible.cfg applies."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **own,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_REMOTE_TMP": str(directory / "remote"),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
    }
