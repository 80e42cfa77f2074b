# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
From a module's options to its result, for all that people name.

A module is `apply` with one item; its `_info` twin is a read. They declare what differs and exit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from .. import _nouns
from .._apply.entry import apply, check_common, release, target_layer
from .._read import read_facts
from .._state import Facts
from ..command import Commands, SystemCommands
from ..errors import HostError
from .kind import Kind
from .registry import required_if

HOST: Mapping[str, Any] = {
    "settings_dir": {"type": "path", "default": "/usr/local/etc/freebsd-storage"},
    "privilege": {"type": "str", "choices": ["none", "sudo", "doas"], "default": "none"},
    "time_limit": {"type": "float", "default": 120},
}
SCOPE: Mapping[str, Any] = {
    "owner": {"type": "str", "default": "ansible"},
    "parent": {"type": "str", "required": True},
    **HOST,
}
_CHANGING: Mapping[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lock_timeout": {"type": "float", "default": 30},
}

Result = dict[str, object]


def run_kind(kind: Kind) -> None:
    """Have an object of the kind as the options say, and exit with it."""
    module = AnsibleModule(
        argument_spec={**SCOPE, **_CHANGING, **kind.spec},
        required_if=required_if(kind),
        supports_check_mode=True,
    )
    options, secrets = kind.apart({name: module.params[name] for name in ("state", *kind.spec)})
    resource = {"key": module.params["name"], "kind": kind.name, **options}
    batch = {**module.params, "resources": [resource], "secrets": secrets}
    try:
        result = apply(batch, check_mode=module.check_mode, diff=module._diff)  # noqa: SLF001 - Ansible offers no other way
    except HostError as error:
        module.fail_json(msg=error.msg, error=error.as_dict())
    else:
        _exit(module, kind, result)


def _exit(module: AnsibleModule, kind: Kind, result: Mapping[str, Any]) -> None:
    item = result["results"][0]
    if "error" in item:
        module.fail_json(msg=item["error"]["msg"], error=item["error"], host=result["host"])
    for name in item.get("assumed", ()):
        module.warn(f"{name} is not there; in check mode it is taken to be made by an earlier task")
    diff = {"diff": result["diff"][0]} if "diff" in result else {}
    module.exit_json(changed=item["changed"], host=result["host"], **{kind.name: item[kind.name]}, **diff)


def run_info(kind: Kind) -> None:
    """Tell the objects of the kind, all or the one that is named, and exit with them."""
    module = AnsibleModule(argument_spec={**SCOPE, "name": {"type": "str"}}, supports_check_mode=True)

    def read(commands: Commands) -> Result:
        check_common(module.params)
        facts = _facts(module.params, commands)
        name = module.params["name"]
        nouns = [noun for noun in kind.nouns(facts) if name is None or noun["name"] == name]
        return {f"{kind.name}s": nouns, "host": host_noun(commands, _nouns.drift_nouns(facts.drift))}

    exit_with(module, read)


def exit_with(module: AnsibleModule, read: Callable[[Commands], Result]) -> None:
    """Exit with what is read, or with the reason why it cannot be."""
    commands = SystemCommands(time.monotonic() + module.params["time_limit"])
    try:
        result = read(commands)
    except HostError as error:
        module.fail_json(msg=error.msg, error=error.as_dict())
    else:
        module.exit_json(changed=False, **result)


def host_noun(commands: Commands, drift: list[Result]) -> Result:
    """Return what is told of the host beside the objects."""
    return {"release": release(), "commands": commands.count, "drift": drift}


def _facts(params: Mapping[str, Any], commands: Commands) -> Facts:
    with target_layer(params, commands) as ctl:
        return read_facts(
            commands,
            ctl,
            owner=params["owner"],
            parent=params["parent"],
            settings_dir=params["settings_dir"],
            by_name=True,
        )
