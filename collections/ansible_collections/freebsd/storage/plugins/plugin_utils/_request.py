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
from typing import IO, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

REQUEST = "FREEBSD_STORAGE_REQUEST"
PARKED = "FREEBSD_STORAGE_PARKED"


def read_request() -> dict[str, Any]:
    """Return the arguments handed over, or none; wait until they have arrived whole."""
    source = os.environ.get(REQUEST)
    if not source:
        return {}
    try:
        with _opened(source, "rb") as stream:
            request = json.load(stream)
    except (OSError, ValueError) as error:
        # Not the text of the error: it could quote the request.
        raise AnsibleActionFail(f"the request in ${REQUEST} could not be read: {type(error).__name__}") from None
    if not isinstance(request, dict):
        raise AnsibleActionFail(f"the request in ${REQUEST} is not a JSON object")
    return request


def say_waiting() -> None:
    """Tell whoever started this run that only the request is missing now."""
    with _opened(os.environ[PARKED], "wb") as stream:
        stream.write(b"\n")


def _opened(path: str, mode: str) -> IO[bytes]:
    # Not every system has a /dev/fd with more than the three standard streams in it.
    if path.startswith("/dev/fd/"):
        return os.fdopen(int(path[len("/dev/fd/") :]), mode)
    return Path(path).open(mode)


class RequestAction(ActionBase):
    """Run one module of this collection with the task's arguments and the request laid over them."""

    MODULE = ""
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result without its echo of the input."""
        super().run(tmp, task_vars)
        if hasattr(self._connection, "purpose"):
            self._connection.purpose = self.MODULE
        if PARKED in os.environ:
            self._rehearse(task_vars)
            say_waiting()
        result = self._run_module({**self._task.args, **read_request()}, task_vars)
        result.pop("invocation", None)
        return result

    def _run_module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name=self.MODULE, module_args=arguments, task_vars=task_vars
        )
        return result

    def _rehearse(self, task_vars: dict[str, Any] | None) -> None:
        """While the request is still to come, do all that is done for a module but to run it on the host."""
        if hasattr(self._connection, "rehearsal"):
            with self._connection.rehearsal():
                self._run_module(self._task.args, task_vars)
