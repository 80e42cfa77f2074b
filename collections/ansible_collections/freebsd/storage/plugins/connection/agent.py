# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ssh connection, with an interpreter that is kept alive on the host where a broker is there to keep it."""

from __future__ import annotations

import json
import os
import re
import socket

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ssh

DOCUMENTATION = ssh.DOCUMENTATION.replace("name: ssh", "name: agent").replace(
    "connect via SSH client binary", "connect via SSH client binary, with a Python interpreter kept alive"
)

BROKER = "FREEBSD_STORAGE_BROKER"
# How Ansible starts an interpreter that is to read a module from its standard input.
PIPED_PYTHON = re.compile(r"^/bin/sh -c '(/[\w./-]*python[\w.]*)( && sleep 0)?'$")
# The last word wins in ssh's own options only if it comes first: no shared master for the agent.
OWN_CONNECTION = ["-o", "ControlMaster=no", "-o", "ControlPath=none"]


class Connection(ssh.Connection):
    """Sends modules to the agent behind the broker; everything else, and everything without one, by ssh."""

    transport = "freebsd.storage.agent"

    def _run(self, cmd, in_data, sudoable=True, checkrc=True):
        answer = by_agent(cmd, in_data) if in_data else None
        return answer or super()._run(cmd, in_data, sudoable=sudoable, checkrc=checkrc)


def by_agent(cmd, in_data):
    """Run the module over the broker: (rc, stdout, stderr), or None where it is not to be used."""
    *argv, command = (word.decode() if isinstance(word, bytes) else word for word in cmd)
    python = PIPED_PYTHON.match(command)
    if python is None or BROKER not in os.environ:
        return None
    broker = socket.socket(socket.AF_UNIX)
    try:
        broker.connect(os.environ[BROKER])
    except OSError:
        return None
    request = {"argv": [argv[0], *OWN_CONNECTION, *argv[1:]], "python": python[1], "size": len(in_data)}
    with broker, broker.makefile("rwb") as stream:
        stream.write(json.dumps(request).encode() + b"\n" + in_data)
        stream.flush()
        return answer_of(stream)


def answer_of(stream):
    """Read what became of the call."""
    line = stream.readline()
    if not line:
        raise AnsibleConnectionFailure("the broker went away while the module ran")
    frame = json.loads(line)
    if "unreachable" in frame:
        raise AnsibleConnectionFailure(f"Failed to connect to the host via ssh: {frame['unreachable']}")
    return frame["rc"], stream.read(frame["out"]), stream.read(frame["err"])
