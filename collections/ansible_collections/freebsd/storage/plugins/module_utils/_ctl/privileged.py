# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The target layer of a host where one does not log in as root.

All of it is behind one root-owned program, which the role storage_host installs and which takes no
arguments. It is spoken to line by line, and holds the lock of the target layer from its greeting
until its input ends: if this process dies, a program that has not begun never will.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from .._settings import REMEDY
from ..command import Commands, Completed, Dialogue
from ..errors import CODES, HostError
from . import wire
from .model import Kernel, Session
from .seam import Comparison, Section, Settled, Wanted

PROGRAM = "/usr/local/libexec/freebsd-storage"


class PrivilegedCtl:
    """Has the program do the work. To be closed when there is no more for it."""

    def __init__(self, privilege: str, owner: str, commands: Commands) -> None:
        self._argv = [privilege, "-n", PROGRAM]
        self._owner = owner
        self._commands = commands
        self._dialogue: Optional[Dialogue] = None

    def observe(self) -> Kernel:
        answer = self._ask({"do": "observe", "owner": self._owner}, silence="degraded")
        return wire.heard_kernel(answer)

    def section(self, owner: str, kernel: Kernel) -> Section:  # noqa: ARG002 - the seam's
        raise self._reserved()

    def logins(self) -> tuple[Session, ...]:
        raise self._reserved()

    def _reserved(self) -> HostError:
        # What people name may be a target for everybody, so it takes a person who is root.
        return HostError(
            "unsupported",
            "portal-groups, auth-groups and targets with names of their own need a login as root, and privilege none",
            option="privilege",
        )

    def compare(self, wanted: Wanted, kernel: Kernel) -> Comparison:  # noqa: ARG002 - it looks for itself
        request = {"do": "compare", "owner": self._owner, "wanted": wire.told_wanted(wanted)}
        answer = self._ask(request, silence="degraded")
        return wire.heard_comparison(answer)

    def converge(self, wanted: Wanted, before: Kernel) -> Settled:  # noqa: ARG002 - it looks for itself
        request = {"do": "converge", "owner": self._owner, "wanted": wire.told_wanted(wanted)}
        answer = self._ask(request, silence="uncertain")
        return wire.heard_settled(answer)

    def close(self) -> None:
        """Let the program end."""
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            dialogue.end()

    def _ask(self, request: Mapping[str, object], *, silence: str) -> Mapping[str, Any]:
        """Return the program's answer; without one, raise `HostError` with the code `silence`."""
        if self._dialogue is None:
            self._dialogue = self._greeted()
        seconds = min(max(self._commands.remaining(), 0.1), wire.SECONDS_LIMIT)
        self._dialogue.say(json.dumps({**request, "seconds": seconds}))
        answer = self._dialogue.hear()
        if answer is None:
            raise HostError(silence, f"{self._said()} did not answer{_because(self._end())}")
        told = _object(answer, self._said())
        if "error" in told:
            raise _error(told["error"])
        return told

    def _greeted(self) -> Dialogue:
        """Start the program and wait for its word: only then it has the lock, and is of a version we know."""
        dialogue = self._dialogue = self._commands.converse(self._argv)
        greeting = dialogue.hear()
        if greeting is None:
            raise self._refusal(self._end())
        told = _object(greeting, self._said())
        spoken = told.get("protocol")
        if spoken != wire.PROTOCOL:
            self._end()
            raise HostError(
                "unsupported",
                f"{PROGRAM} on this host speaks protocol {spoken!a}, these modules speak {wire.PROTOCOL}: "
                f"{REMEDY} again, with the release of these modules",
                option="privilege",
                expected=wire.PROTOCOL,
                actual=spoken,
            )
        if "error" in told:
            self._end()
            raise _error(told["error"])
        return dialogue

    def _end(self) -> Completed:
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is None:
            raise RuntimeError("there is no dialogue")
        return dialogue.end()

    def _refusal(self, done: Completed) -> HostError:
        if done.late:
            return HostError("busy", f"{self._said()} was not ready in time; another run works on ctld")
        said = f"{self._said()} cannot be run{_because(done)}"
        return HostError("unsupported", f"{said}; {REMEDY} with a user for this login", option="privilege")

    def _said(self) -> str:
        return " ".join(self._argv)


def _because(done: Completed) -> str:
    said = " ".join(done.err.split())[:300]
    return f": {said}" if said else ""


def _object(line: str, who: str) -> Mapping[str, Any]:
    try:
        told: object = json.loads(line)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise HostError("degraded", f"{who} said what is no JSON object; {REMEDY} again")
    return told


def _error(told: Mapping[str, Any]) -> HostError:
    code = told["code"] if told["code"] in CODES else "degraded"
    extra = {key: told[key] for key in ("option", "expected", "actual") if key in told}
    return HostError(code, told["msg"], **extra)
