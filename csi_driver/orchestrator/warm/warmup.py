"""
What every run would load of Ansible, loaded once in the fork server.

Nothing here starts a thread, reads a run's own settings, or sets one of Ansible's singletons but one: the
finder of collections, which is the same for all runs. Ansible warns when it is configured again, which every
run does; so that warning is silenced. `ansible.plugins.loader` is used as Ansible's own tools use it; what a
later version does not have any more is skipped, and then is loaded by every run again.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings

IMPORTED = (
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.executor.task_queue_manager",
    "ansible.inventory.manager",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
    "ansible.parsing.yaml.dumper",
    "ansible.playbook.handler_task_include",
    "ansible.template",
    "ansible.utils.encrypt",
    "ansible.utils.hashing",
    "ansible.utils.unicode",
    "ansible.vars.manager",
    "multiprocessing.managers",
    "multiprocessing.popen_fork",
    "multiprocessing.synchronize",
)
# By kind: the plugins that runs load by name. Callbacks never all: ansible-runner's belongs to a run.
NAMED = {
    "action": ("freebsd.storage.apply", "freebsd.storage.info"),
    "cache": ("memory",),
    "callback": ("default", "junit", "minimal", "oneline", "tree"),
    "connection": ("freebsd.storage.agent", "local", "ssh"),
    "inventory": ("yaml",),
    "strategy": ("linear",),
}
# The kinds of which a run looks at every plugin there is.
ALL = ("become", "connection", "filter", "shell", "test", "vars")


def load() -> None:
    """Import and load all of it."""
    for name in IMPORTED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    loader = importlib.import_module("ansible.plugins.loader")
    loader.init_plugin_loader()
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    for kind, names in NAMED.items():
        for name in names:
            getattr(loader, f"{kind}_loader").get(name, class_only=True)
    for kind in ALL:
        for _ in getattr(loader, f"{kind}_loader").all(class_only=True):
            pass
