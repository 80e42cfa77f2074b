# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ssh connection, with an interpreter that is kept alive on the host where a broker is there to keep it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: agent
short_description: connect via SSH client binary, with a Python interpreter kept alive
description:
  - The ssh connection, with an interpreter that is kept alive on the host where a broker is there to keep it.
  - It has the options of the plugin P(ansible.builtin.ssh#connection) that is installed.
author:
  - The freebsd.storage contributors (@freebsd-storage)
version_added: 0.1.0
options: {}
"""

import contextlib
import json
import os
import re
import shlex
import socket
from typing import IO, TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ssh
from ansible.utils.display import Display

if TYPE_CHECKING:
    from collections.abc import Iterator

# The options are known at run time only. What reads a file without running it sees what stands above.
globals().update(
    DOCUMENTATION=ssh.DOCUMENTATION.replace("name: ssh", "name: agent").replace(
        "connect via SSH client binary", "connect via SSH client binary, with a Python interpreter kept alive"
    )
)

BROKER = "FREEBSD_STORAGE_BROKER"
INTERPRETER = re.compile(r"(/[\w.+/-]*python[\w.]*)( && sleep 0)?")
# ssh takes the first word for an option: no shared master for the agent's own connection.
OWN_CONNECTION = ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
Output = tuple[int, bytes, bytes]

display = Display()


class Connection(ssh.Connection):  # type: ignore[misc]
    """
    Sends modules to the agent behind the broker; everything else, and everything without one, by ssh.

    `purpose` is the module that this connection is for, set by its action plugin: each has an agent of its own.
    """

    transport = "freebsd.storage.agent"
    purpose = ""
    _rehearsing = False
    _pipelining: bool | None = None

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """
        Run nothing on the host in this context: every command has done nothing, with success.

        The broker hears of it, and connects to the host, if it has not yet, in the background.
        """
        self._rehearsing = True
        try:
            yield
        finally:
            self._rehearsing = False

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:  # noqa: FBT001, FBT002 - the signature of the ssh plugin
        """Answer as the ssh plugin does, which takes its options apart again every time, several times a task."""
        if wrap_async or self._pipelining is None:
            self._pipelining = bool(super().is_pipelining_enabled(wrap_async))
        return self._pipelining

    def _run(self, cmd: list[Any], in_data: bytes | None, sudoable: bool = True, checkrc: bool = True) -> Output:  # noqa: FBT001, FBT002 - the signature of the ssh plugin
        operation = "prepare" if self._rehearsing else "run"
        answer = by_agent(operation, cmd, in_data, self.purpose) if in_data and self.purpose else None
        if self._rehearsing:
            return 0, b"{}", b""
        output: Output = answer or super()._run(cmd, in_data, sudoable=sudoable, checkrc=checkrc)
        return output


def by_agent(operation: str, cmd: list[Any], in_data: bytes, purpose: str) -> Output | None:
    """Have the broker run the module, or prepare for it; None where there is no answer from it."""
    *argv, command = (word.decode() if isinstance(word, bytes) else word for word in cmd)
    python = interpreter(command)
    if python is None or BROKER not in os.environ or not argv[0].endswith("ssh"):
        return None
    request = {
        "op": operation,
        "argv": [argv[0], *OWN_CONNECTION, *argv[1:]],
        "python": python,
        "purpose": purpose,
        "size": len(in_data),
    }
    broker = socket.socket(socket.AF_UNIX)
    try:
        broker.connect(os.environ[BROKER])
    except OSError as error:
        broker.close()
        display.warning(f"plain ssh is used, because the broker of kept connections does not answer: {error}")
        return None
    with broker, broker.makefile("rwb") as stream:
        stream.write(json.dumps(request).encode() + b"\n" + in_data)
        stream.flush()
        return answer_of(stream) if operation == "run" else None


def interpreter(command: str) -> str | None:
    """Return the interpreter that Ansible has a shell start, to read a module from its standard input."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if len(words) != 3 or words[:2] != ["/bin/sh", "-c"]:  # noqa: PLR2004 - the shell, -c and what it runs
        return None
    match = INTERPRETER.fullmatch(words[2])
    return match[1] if match else None


def answer_of(stream: IO[bytes]) -> Output | None:
    """Read what became of the call."""
    line = stream.readline()
    if not line:
        raise AnsibleConnectionFailure("the broker of kept connections went away while the module ran")
    frame = json.loads(line)
    if "unreachable" in frame:
        raise AnsibleConnectionFailure(f"Failed to connect to the host via ssh: {frame['unreachable']}")
    if "refused" in frame:
        display.warning(f"plain ssh is used, because the kept interpreter did not start: {frame['refused']}")
        return None
    return frame["rc"], stream.read(frame["out"]), stream.read(frame["err"])
