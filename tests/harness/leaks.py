"""What of ours is still there when everything has been deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.stack import mounts_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stack import Stack
    from tests.simulator.host import SimulatedHost

OUR_IQN = "iqn.1994-09.org.freebsd.csi:"
BUILT_IN_PORTS = 3
# With UCL the portal group has a file of its own.
KEPT_SETTINGS = frozenset({"parents.json", "callers.json", "lock", "ctl.lock", "jobs", "ctl", "portal-group_.conf"})


def leftovers(stack: Stack) -> list[str]:
    """One line for each thing left on the hosts or the node, and for each command the simulator did not know."""
    on_hosts = [
        problem if len(stack.hosts) == 1 else f"{name}: {problem}"
        for name, host in stack.hosts.items()
        for problem in (*_on_host(host.control("state"), host.info), *_not_understood(host))
    ]
    return [*on_hosts, *_on_node(stack)]


def _on_host(state: dict[str, Any], info: dict[str, Any]) -> Iterator[str]:
    for name in state["datasets"]:
        if name.startswith((f"{info['parent']}/", f"{info['parent']}@")):
            yield f"dataset {name}"
    yield from (f"LUN {lun}" for lun in state["luns"])
    yield from (f"port {port}" for port in state["ports"][BUILT_IN_PORTS:])
    yield from (f"session {session}" for session in state["sessions"])
    if OUR_IQN in (state["ctl_conf"] or ""):
        yield "a target of ours in ctl.conf"
    yield from (f"file {path}" for path in _files(info))


def _files(info: dict[str, Any]) -> list[Path]:
    """What is beside the settings that stay, and beside ctl.conf."""
    settings, root = Path(info["settings_dir"]), Path(info["control"]).parent
    ours = [path for path in settings.rglob("*") if path.name not in KEPT_SETTINGS]
    return sorted(ours + list(root.glob("etc/ctl.conf?*")))


def _on_node(stack: Stack) -> Iterator[str]:
    below = str(stack.directory)
    # The disks that a storage host has itself are its own affair.
    hosts = tuple(f"{host.root}/" for host in stack.hosts.values())
    yield from (f"mount {path}" for path in mounts_below(stack.directory) if not path.startswith(hosts))
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        if below in backing.read_text():
            yield f"loop device {backing.parts[3]}"


def _not_understood(host: SimulatedHost) -> Iterator[str]:
    counters = host.control("counters")
    for what in ("unmodelled", "defects"):
        if counters[what]:
            yield f"the simulator counted {counters[what]} {what} commands"
