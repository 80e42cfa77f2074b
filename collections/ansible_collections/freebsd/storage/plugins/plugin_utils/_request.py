# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Task arguments that arrive as data, after templating.

A program that runs our playbooks hands its request over in a file that can be read once, named by
the environment variable ``FREEBSD_STORAGE_REQUEST`` (a FIFO, or ``/dev/fd/N``). Nothing in it is ever
a template, and nothing of it appears on a command line. Without the variable the task is as written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

REQUEST = "FREEBSD_STORAGE_REQUEST"


def read_request() -> dict[str, Any]:
    """Return the arguments handed over, or none; wait until they have arrived whole."""
    source = os.environ.get(REQUEST)
    if not source:
        return {}
    try:
        with Path(source).open("rb") as stream:
            request = json.load(stream)
    except (OSError, ValueError) as error:
        # Not the text of the error: it could quote the request.
        raise AnsibleActionFail(f"the request in ${REQUEST} could not be read: {type(error).__name__}") from None
    if not isinstance(request, dict):
        raise AnsibleActionFail(f"the request in ${REQUEST} is not a JSON object")
    return request


class RequestAction(ActionBase):
    """Run one module of this collection with the task's arguments and the request laid over them."""

    MODULE = ""
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result without its echo of the input."""
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(
            module_name=self.MODULE,
            module_args={**self._task.args, **read_request()},
            task_vars=task_vars,
        )
        result.pop("invocation", None)
        return result
