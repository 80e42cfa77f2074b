"""
The storage hosts as an Ansible inventory.

Host keys are pinned in the inventory itself, so it can be used from anywhere: ssh is told each key
by `KnownHostsCommand` (ssh_config(5), OpenSSH 8.5) and believes no other source.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from csi_driver.config import Config, StorageHost

GROUP = "storage_hosts"


class _Text(str):
    """A string that Ansible must not take for a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `_Text` with Ansible's tag for strings that are no templates."""


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def render(config: Config, *, connection: str = "ansible.builtin.ssh") -> str:
    """Return the inventory as YAML."""
    hosts = {name: _variables(name, host, connection) for name, host in config.hosts_in_service.items()}
    return yaml.dump({GROUP: {"hosts": hosts}}, Dumper=_Dumper, sort_keys=False, width=200)


def _variables(name: str, host: StorageHost, connection: str) -> dict[str, object]:
    return {
        "ansible_connection": connection,
        "ansible_host": _Text(host.ansible_host),
        "ansible_port": host.ansible_port,
        "ansible_user": _Text(host.ansible_user),
        "ansible_ssh_private_key_file": _Text(host.ansible_ssh_private_key_file),
        "ansible_python_interpreter": _Text(host.ansible_python_interpreter),
        "ansible_ssh_common_args": _Text(shlex.join(_ssh_options(name, host))),
        "storage_parent": _Text(host.parent),
        "storage_settings_dir": _Text(host.settings_dir),
        "storage_privilege": host.privilege,
    }


def _ssh_options(name: str, host: StorageHost) -> list[str]:
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "HostKeyAlias": name,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": "none",
        "GlobalKnownHostsFile": "none",
        "KnownHostsCommand": f"/bin/echo {name} {host.host_key}",
        "UpdateHostKeys": "no",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
    }
    return [word for option, value in options.items() for word in ("-o", f"{option}={value}")]
