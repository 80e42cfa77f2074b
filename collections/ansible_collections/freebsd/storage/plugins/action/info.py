# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the driver's request, which no template engine has seen, and hand it to the module of the same name."""

from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase

REQUEST = "FREEBSD_STORAGE_REQUEST"


class ActionModule(ActionBase):
    """Runs the module with the task's arguments, overlaid by the request when there is one."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = {**self._task.args, **read_request()}
        result = self._execute_module(
            module_name=self._task.resolved_action or self._task.action, module_args=arguments, task_vars=task_vars
        )
        # The input may hold secrets, and is long: it is not echoed.
        result.pop("invocation", None)
        return result


def read_request():
    """Return the request that waits where the environment says, or nothing for people's own playbooks."""
    path = os.environ.get(REQUEST)
    if path is None:
        return {}
    with open(path, encoding="utf-8") as pipe:
        return json.load(pipe)
