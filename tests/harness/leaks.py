"""What of ours is still there when everything has been deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stack import Stack

OUR_IQN = "iqn.1994-09.org.freebsd.csi:"
BUILT_IN_PORTS = 3
KEPT_SETTINGS = frozenset({"parents.json", "lock"})


def leftovers(stack: Stack) -> list[str]:
    """One line for each thing left on the host or the node, and for each command the simulator did not know."""
    return [*_on_host(stack.host_state(), stack.host.info), *_on_node(stack), *_not_understood(stack)]


def _on_host(state: dict[str, Any], info: dict[str, Any]) -> Iterator[str]:
    for name in state["datasets"]:
        if name.startswith((f"{info['parent']}/", f"{info['parent']}@")):
            yield f"dataset {name}"
    for lun in state["luns"]:
        yield f"LUN {lun}"
    for port in state["ports"][BUILT_IN_PORTS:]:
        yield f"port {port}"
    for session in state["sessions"]:
        yield f"session {session}"
    if OUR_IQN in (state["ctl_conf"] or ""):
        yield "a target of ours in ctl.conf"
    for path in sorted(Path(info["settings_dir"]).rglob("*")):
        if path.name not in KEPT_SETTINGS:
            yield f"file {path}"
    for path in sorted(Path(info["settings_dir"]).parents[2].glob("etc/ctl.conf?*")):
        yield f"file {path}"


def _on_node(stack: Stack) -> Iterator[str]:
    below = str(stack.directory)
    mounts = Path("/proc/self/mounts")
    if mounts.exists():
        yield from (f"mount {line}" for line in mounts.read_text().splitlines() if below in line)
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        if below in backing.read_text():
            yield f"loop device {backing.parts[3]}"


def _not_understood(stack: Stack) -> Iterator[str]:
    counters = stack.host.control("counters")
    for what in ("unmodelled", "defects"):
        if counters[what]:
            yield f"the simulator counted {counters[what]} {what} commands"
