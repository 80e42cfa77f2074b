"""Make the bare host a storage host, with the role that an administrator would use."""

from __future__ import annotations

import grp
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.driver import REPOSITORY
from tests.harness.stack import HOST

if TYPE_CHECKING:
    from tests.demo.show import Show
    from tests.harness.stack import Stack

TIMEOUT = 300
RECAP = re.compile(rf"^{HOST}\s+:\s+ok=(\d+)\s+changed=(\d+)", re.MULTILINE)


def bootstrap(show: Show, stack: Stack) -> None:
    """Run playbooks/storage_host.yml against the stack's host."""
    with show.step("ansible-playbook storage_host.yml: a plain FreeBSD becomes a storage host", HOST) as step:
        ok, changed = prepare(stack)
        step.note = f"{ok} tasks, {changed} of them changed something"
        step.quiet = True


def prepare(stack: Stack) -> tuple[int, int]:
    """Run the role; return how many tasks were fine and how many changed something."""
    stack.write_config()
    variables = stack.directory / "storage_host.json"
    variables.write_text(json.dumps(role_variables(stack.host.info)))
    bin_directory = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    inventory = stack.directory / "inventory.yml"
    driver = [sys.executable, "-m", "csi_driver", "inventory", "--config", str(stack.config)]
    inventory.write_bytes(subprocess.run(driver, check=True, capture_output=True, cwd=REPOSITORY).stdout)
    playbook = REPOSITORY / "playbooks" / "storage_host.yml"
    argv = ["ansible-playbook", "-i", str(inventory), "-e", f"@{variables}", str(playbook)]
    result = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, timeout=TIMEOUT)
    recap = RECAP.search(result.stdout)
    if result.returncode != 0 or recap is None:
        raise RuntimeError(f"{' '.join(argv)} ended with status {result.returncode}:\n{result.stdout}{result.stderr}")
    return int(recap[1]), int(recap[2])


def role_variables(info: dict[str, Any]) -> dict[str, Any]:
    """What differs from a real FreeBSD host: the files lie below the simulator's directory and belong to us."""
    root = Path(info["control"]).parent
    return {
        "storage_host_parents": [info["parent"]],
        "storage_host_portals": info["portals"],
        "storage_host_settings_dir": info["settings_dir"],
        "storage_host_ctl_conf": str(root / "etc" / "ctl.conf"),
        "storage_host_loader_conf": str(root / "boot" / "loader.conf"),
        "storage_host_owner": info["user"],
        "storage_host_group": grp.getgrgid(os.getgid()).gr_name,
    }
