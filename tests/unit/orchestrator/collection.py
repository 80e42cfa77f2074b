"""A copy of the collection whose module `apply` does what a test asks, run on this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

from csi_driver.orchestrator import paths
from csi_driver.orchestrator.warm.broker import THIS_MACHINE

HOST = "here"
LOST = "lost"

# Echoes what it was given, or misbehaves as `owner` says.
MODULE = """#!/usr/bin/python
from __future__ import annotations

import os
import time

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        supports_check_mode=True,
        argument_spec={
            "owner": {"type": "str", "default": ""},
            "parent": {"type": "str", "default": ""},
            "settings_dir": {"type": "str", "default": ""},
            "privilege": {"type": "str", "default": "none"},
            "resources": {"type": "list", "elements": "dict", "default": []},
            "secrets": {"type": "dict", "no_log": True, "default": {}},
            "kinds": {"type": "list", "elements": "str", "default": []},
            "lock_timeout": {"type": "int", "default": 0},
            "time_limit": {"type": "int", "default": 0},
        },
    )
    if module.params["owner"] == "fails":
        module.fail_json(msg="no", error={"code": "invalid", "msg": "no"})
    if module.params["owner"] == "crashes":
        raise RuntimeError(str(module.params["secrets"]))
    if module.params["owner"] == "sleeps":
        with open(module.params["settings_dir"], "w") as file:
            file.write(str(os.getpid()))
        time.sleep(60)
    module.exit_json(changed=False, results=module.params["resources"], pid=os.getpid())


if __name__ == "__main__":
    main()
"""


def overlay(directory: Path) -> paths.Content:
    """Return playbooks and collections with the test's own `apply`, made below `directory`."""
    ours = paths.content()
    collection = Path("ansible_collections/freebsd/storage")
    shutil.copytree(
        ours.collections / collection / "plugins",
        directory / "collections" / collection / "plugins",
        ignore=shutil.ignore_patterns("modules", "__pycache__"),
    )
    modules = directory / "collections" / collection / "plugins/modules"
    modules.mkdir()
    for name in ("apply", "info"):
        (modules / f"{name}.py").write_text(MODULE)
    return paths.Content(playbooks=ours.playbooks, collections=directory / "collections")


def inventory(connection: str) -> str:
    """Return an inventory with this machine (by the broker, where there is one), and one that nobody answers for."""
    kept = connection == "freebsd.storage.agent"
    here = {
        "ansible_connection": connection if kept else "local",
        "ansible_host": THIS_MACHINE,
        "ansible_python_interpreter": sys.executable,
    }
    lost = {
        "ansible_connection": connection,
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
        "ansible_python_interpreter": sys.executable,
    }
    return yaml.safe_dump({"storage_hosts": {"hosts": {HOST: here, LOST: lost}}})
