"""
What the worker process is told once, and the environment in which Ansible runs.

The environment is the whole of Ansible's configuration: no ansible.cfg of the user or of the current
directory is read, and nothing of the driver's own environment but what `INHERITED` names reaches a
run, because ansible-runner keeps a run's environment in its artifacts.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

Rung = Literal["standby", "forked", "plain"]
RUNGS: tuple[Rung, ...] = ("standby", "forked", "plain")
"""The ways in which a playbook can be run, the fastest first; see `warm.ladder`."""

INHERITED = ("HOME", "USER", "LOGNAME", "PATH", "PYTHONPATH", "TZ", "SSH_AUTH_SOCK", "TMPDIR")

# ControlPersist keeps one connection per host; the keepalive ends it 15 s after a host vanished.
SSH_ARGUMENTS = (
    "-o ControlMaster=auto -o ControlPersist=60s -o BatchMode=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
)

_ANSIBLE = {
    "ANSIBLE_CACHE_PLUGIN": "memory",
    "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
    "ANSIBLE_DEPRECATION_WARNINGS": "False",
    "ANSIBLE_DEVEL_WARNING": "False",
    "ANSIBLE_FORKS": "1",
    "ANSIBLE_GATHERING": "explicit",
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_INVENTORY_ENABLED": "yaml",
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_NOCOWS": "1",
    "ANSIBLE_NO_TARGET_SYSLOG": "True",
    "ANSIBLE_PIPELINING": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_SSH_ARGS": SSH_ARGUMENTS,
    "ANSIBLE_TIMEOUT": "10",
    "LC_ALL": "C.UTF-8",
    # ansible-runner silently empties results above this many characters (default 700,000).
    "MAX_EVENT_RES": "268435456",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """
    Where the worker finds what it runs.

    `directory` is the worker's private directory (0700, in memory where the machine allows it, its path
    short enough for unix sockets below it), in which every run gets its own.
    `kept_inventory` is the inventory with connections that can be kept. `rung` is the highest rung
    of the ladder that may be used.
    """

    directory: str
    inventory: str
    kept_inventory: str
    hosts: tuple[str, ...]
    playbooks: str
    collections: str
    rung: str = "auto"

    def as_message(self) -> dict[str, object]:
        """Return the settings as they travel to the worker."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Read what `as_message` wrote."""
        return cls(**{**message, "hosts": tuple(message["hosts"])})


def worker_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the worker's environment: the few harmless variables of ours, and our own interpreter first."""
    environment = {name: variables[name] for name in INHERITED if name in variables}
    programs = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join(filter(None, (programs, environment.get("PATH", os.defpath))))
    environment["LC_ALL"] = "C.UTF-8"
    return environment


def ansible_environment(settings: WorkerSettings) -> dict[str, str]:
    """Return the variables that configure Ansible for every run of this worker."""
    directory = Path(settings.directory)
    return _ANSIBLE | {
        "ANSIBLE_COLLECTIONS_PATH": settings.collections,
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "ssh"),
    }
