"""What the driver is compared with: ansible-runner as its manual has it, started for every call."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import ansible_runner

from csi_driver.config import load
from csi_driver.orchestrator import inventory, paths


def inventory_file(config: Path, directory: Path) -> Path:
    """Write the inventory of the driver's configuration, with plain ssh connections."""
    path = directory / "inventory.yml"
    path.write_text(inventory.render(load(config)))
    return path


def apply(inventory_path: Path, variables: dict[str, Any], directory: Path) -> None:
    """Run apply.yml with the variables that a person would give, over ssh that is shared and pipelined."""
    content = paths.content()
    with tempfile.TemporaryDirectory(dir=directory) as private:
        outcome = ansible_runner.run(
            private_data_dir=private,
            playbook=str(content.playbooks / "apply.yml"),
            inventory=str(inventory_path),
            extravars=variables,
            envvars={
                "ANSIBLE_COLLECTIONS_PATH": str(content.collections),
                "ANSIBLE_PIPELINING": "True",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory),
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            },
            quiet=True,
        )
        if outcome.status != "successful":
            raise RuntimeError(f"stock ansible-runner: {outcome.status}")
