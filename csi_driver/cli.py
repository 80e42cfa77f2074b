"""The command line: which role, and where the configuration is. Knows neither gRPC nor Ansible."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from csi_driver import app
from csi_driver.config import ConfigError, Environment, load, warnings
from csi_driver.orchestrator import inventory, paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csi_driver.config import Config

COMMANDS = {
    "controller": "serve the controller on CSI_ENDPOINT",
    "node": "serve the node on CSI_ENDPOINT",
    "all": "serve both from one process",
    "check-config": "check the configuration and tell what was understood",
    "inventory": "print the storage hosts as an Ansible inventory",
    "paths": "print where the playbooks and the collection are",
}
MISCONFIGURED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 2 if it or the configuration is wrong."""
    environment = Environment.read(os.environ)
    chosen = _parser(environment).parse_args(arguments)
    try:
        _do(chosen.command, chosen.config, environment)
    except ConfigError as error:
        for problem in error.problems:
            print(f"csi-driver: {problem}", file=sys.stderr)
        return MISCONFIGURED
    return 0


def _parser(environment: Environment) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="csi-driver", description="CSI driver for FreeBSD hosts with ZFS")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, default=environment.config_path, help="the YAML file (%(default)s)")
    return parser


def _do(command: str, path: Path, environment: Environment) -> None:
    if command == "paths":
        content = paths.content()
        print(f"playbooks: {content.playbooks}\ncollections: {content.collections}")
        return
    config = load(path)
    if command == "inventory":
        print(inventory.render(config), end="")
    elif command == "check-config":
        _check(config)
    else:
        app.serve(config, environment, controller=command in ("controller", "all"), node=command in ("node", "all"))


def _check(config: Config) -> None:
    app.check(config)
    print(f"cluster {config.cluster}")
    for name, host in sorted(config.hosts.items()):
        login = f"{host.ansible_user}@{host.ansible_host}:{host.ansible_port}"
        told = [login, f"parent {host.parent}", f"portals {', '.join(host.portals)}"]
        told += [f"owner {host.owner}"] if host.owner else []
        told += [f"reached from {key}={value}" for key, value in sorted(host.topology.items())]
        told += ["retired: asked for nothing"] if host.retired else ["drained: no new volumes"] if host.drained else []
        print(f"storage host {name}: {', '.join(told)}")
    for warning in warnings(config):
        print(f"warning: {warning}")
