"""Simulated storage hosts, the driver before them, and a node, all in one temporary directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.harness import restricted
from tests.harness.driver import STANDINS, DriverProcess
from tests.simulator.host import SimulatedHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

CLUSTER = "demo"
HOST = "nas1"
NODE_NAME = "node-1"


class Stack:
    """
    Start everything on entry, take it down on exit.

    `host` is the first of `hosts` storage hosts, `nas1`, `nas2` and so on; `host_settings` adds to the
    configuration of those it names, and `settings` to the rest of it.
    `split` serves controller and node on two sockets by two processes, as in a cluster. `prepared`
    starts a host on which the storage_host role has already done its work. With a `privilege` of sudo or
    doas the host is bare, the role is run on it, and the driver logs in as the user that the role made.
    """

    def __init__(  # noqa: PLR0913 - the ways a system can differ
        self,
        *,
        split: bool = False,
        release: str = "14.3",
        grammar: str = "classic",
        ssh: str = "auto",
        prepared: bool = True,
        hosts: int = 1,
        privilege: str = "none",
        settings: dict[str, Any] | None = None,
        host_settings: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="csi-", dir="/tmp"))
        self.privilege = privilege
        prepared = prepared and privilege == "none"
        self.hosts = {
            f"nas{number}": SimulatedHost(
                _root(self.directory, number), release=release, prepared=prepared, grammar=grammar, ssh=ssh
            )
            for number in range(1, hosts + 1)
        }
        self.host = self.hosts[HOST]
        self.config = self.directory / "config.yml"
        self.node_state = self.directory / "node"
        self.settings = settings or {}
        self.host_settings = host_settings or {}
        roles = ("controller", "node") if split else ("all",)
        self.drivers = {role: self._driver(role) for role in roles}

    def _driver(self, role: str) -> DriverProcess:
        return DriverProcess(role, config=self.config, directory=self.directory, environment=self.environment())

    def environment(self) -> dict[str, str]:
        """What the driver's processes get on top of this process's environment."""
        return {
            "PATH": os.pathsep.join((str(STANDINS), str(Path(sys.executable).parent), os.environ["PATH"])),
            "NODE_NAME": NODE_NAME,
            "STANDIN_STATE": str(self.node_state),
            "CSI_NODE_SYSFS": str(self.node_state / "sys"),
            "CSI_NODE_DEV": str(self.node_state / "dev"),
            "HOST_ROOT": str(self.node_state),
        }

    @property
    def controller(self) -> DriverProcess:
        """The process that serves the controller."""
        return self.drivers.get("controller") or self.drivers["all"]

    @property
    def node(self) -> DriverProcess:
        """The process that serves the node."""
        return self.drivers.get("node") or self.drivers["all"]

    def write_config(self) -> None:
        """Write the driver's configuration for the running hosts."""
        self.config.write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        self.config.chmod(0o600)

    def _configuration(self) -> dict[str, Any]:
        return {
            "cluster": CLUSTER,
            "storage_hosts": {"hosts": {name: self._entry(name, host) for name, host in self.hosts.items()}},
            "node": {"addresses": ["127.0.0.1"]},
            **self.settings,
        }

    def _entry(self, name: str, host: SimulatedHost) -> dict[str, Any]:
        info = host.info
        user, key = self.login(host)
        return {
            "ansible_host": info["address"],
            "ansible_port": info["port"],
            "ansible_user": user,
            "ansible_ssh_private_key_file": key,
            "ansible_python_interpreter": info["python"],
            "host_key": info["host_key"],
            "privilege": self.privilege,
            "parent": info["parent"],
            "settings_dir": info["settings_dir"],
            "portals": info["portals"],
            **self.host_settings.get(name, {}),
        }

    def login(self, host: SimulatedHost) -> tuple[str, str]:
        """Who logs in to the host for the driver, and the file of his key."""
        if self.privilege == "none":
            return host.info["user"], host.info["identity_file"]
        return restricted.USER, str(restricted.key(self.directory))

    def start_drivers(self) -> None:
        """Start the driver's processes; the host must be running."""
        self.node_state.mkdir(exist_ok=True)
        self.write_config()
        for driver in self.drivers.values():
            driver.start()

    def stop_drivers(self) -> None:
        """Stop the driver's processes gracefully."""
        for driver in self.drivers.values():
            driver.stop()

    @property
    def ctl_conf(self) -> Path:
        """The simulated host's /etc/ctl.conf."""
        return self.directory / "host" / "etc" / "ctl.conf"

    def reconfigure(self) -> None:
        """Have the driver's processes start anew with the settings as they are now."""
        self.stop_drivers()
        self.start_drivers()

    def host_state(self) -> dict[str, Any]:
        """Everything observable on the simulated host."""
        return self.host.control("state")

    @contextlib.contextmanager
    def running_host(self) -> Iterator[None]:
        """Only the hosts, for those who start the drivers themselves; everything is taken down on exit."""
        try:
            self._start_hosts()
            yield
        finally:
            self.close()

    def _start_hosts(self) -> None:
        for host in self.hosts.values():
            host.start()
            if self.privilege != "none":
                restricted.bootstrap(host, self.directory, self.privilege)

    def __enter__(self) -> Self:
        try:
            self._start_hosts()
            self.start_drivers()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take everything down, even after failures, and remove the directory."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            for host in self.hosts.values():
                stack.callback(host.stop)
            stack.callback(self._clear_node)
            for driver in self.drivers.values():
                stack.callback(driver.stop)

    def _clear_node(self) -> None:
        """Unmount and log out whatever a failed test left, so that no device outlives the directory."""
        for path in reversed(mounts_below(self.directory)):
            subprocess.run(["umount", path], check=False)
        if self.node_state.exists():
            environment = {**os.environ, **self.environment()}
            logout = [str(STANDINS / "iscsiadm"), "-m", "session", "--logout"]
            subprocess.run(logout, check=False, env=environment, capture_output=True)


def _root(directory: Path, number: int) -> Path:
    """Where the files of a storage host are; paths of sockets below it have to be short."""
    return directory / ("host" if number == 1 else f"host{number}")


def mounts_below(directory: Path) -> list[str]:
    """The mount points below a directory, in the order in which they were mounted."""
    table = Path("/proc/self/mounts")
    if not table.exists():
        return []
    points = (line.split()[1] for line in table.read_text().splitlines())
    return [point for point in points if point.startswith(f"{directory}/")]
