"""Make the bare host a storage host, with the role that an administrator would use."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness.driver import REPOSITORY
from tests.harness.stack import HOST
from tests.playbooks.play import Play, play
from tests.playbooks.role import role_variables

if TYPE_CHECKING:
    from tests.demo.show import Show
    from tests.harness.stack import Stack


def bootstrap(show: Show, stack: Stack) -> None:
    """Run playbooks/storage_host.yml against the stack's host."""
    with show.step("ansible-playbook storage_host.yml: a plain FreeBSD becomes a storage host", HOST) as step:
        run = prepare(stack)
        step.note = f"{run.tasks} tasks, {run.changed} of them changed something"
        step.quiet = True


def prepare(stack: Stack) -> Play:
    """Run the role with the inventory that `csi-driver inventory` prints; it must succeed."""
    stack.write_config()
    inventory = stack.directory / "inventory.yml"
    argv = [sys.executable, "-m", "csi_driver", "inventory", "--config", str(stack.config)]
    inventory.write_bytes(subprocess.run(argv, check=True, capture_output=True, cwd=REPOSITORY).stdout)
    run = play("storage_host", stack.host, stack.directory, role_variables(stack.host.info), inventory=inventory)
    if not run.ok:
        raise RuntimeError(run.output)
    return run
