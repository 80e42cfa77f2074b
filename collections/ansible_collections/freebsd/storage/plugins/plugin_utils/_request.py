# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Task arguments that arrive as data, after templating.

A program that runs our playbooks hands its request over in a file that can be read once, named by
the environment variable ``FREEBSD_STORAGE_REQUEST`` (a FIFO, or ``/dev/fd/N``). Nothing in it is ever
a template, and nothing of it appears on a command line. Without the variable the task is as written.

A program in a hurry names two more files: in ``FREEBSD_STORAGE_PARKED`` it is told that only the request
is missing, in ``FREEBSD_STORAGE_RESULT`` the result, as soon as the module has answered with success.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import IO, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

REQUEST = "FREEBSD_STORAGE_REQUEST"
PARKED = "FREEBSD_STORAGE_PARKED"
RESULT = "FREEBSD_STORAGE_RESULT"


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


def say(variable: str, text: str) -> None:
    """Write the text to the file that the variable names."""
    # Whoever started this run may not listen any more.
    with contextlib.suppress(BrokenPipeError), _opened(os.environ[variable], "wb") as stream:
        stream.write(text.encode())


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
            say(PARKED, "\n")
        result = self._run_module({**self._task.args, **read_request()}, task_vars)
        result.pop("invocation", None)
        if RESULT in os.environ and not result.get("failed"):
            # A failure holds objects of Ansible's own, and is told by Ansible alone.
            say(RESULT, json.dumps(result) + "\n")
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
