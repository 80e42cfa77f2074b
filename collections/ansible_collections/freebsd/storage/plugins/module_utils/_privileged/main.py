# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The program that does as root what the user of the driver may not, and no more.

It takes no argument and nothing from the environment but who called it, which sudo(8) and doas(1)
set themselves. It takes the lock of the target layer and greets with its protocol; then it answers
one request after the other, each a line of JSON, until its input ends. Nothing it is told is believed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

from .. import _names, _settings
from .._ctl import wire
from .._ctl.local import LocalCtl
from ..command import SystemCommands
from ..errors import HostError
from .callers import Caller, caller_of
from .checking import owner_of, seconds_of, wanted_of

REQUEST_LIMIT = 4 << 20  # bytes of one line; 4,096 exports take about half of it
_LOCK_SECONDS = 60
_IDLE_SECONDS = 120  # a caller that says nothing for so long is ended with everything it holds


class Installation(NamedTuple):
    """
    What the role has written into the program.

    `caller`: the environment variable in which the host's sudo or doas names the user; `path`: where
    commands are looked for.
    """

    settings_dir: str
    caller: str
    path: str


def main(installation: Installation) -> int:
    """Serve one caller; return the exit status."""
    name = os.environ.get(installation.caller, "")
    os.environ.clear()
    os.environ.update(PATH=installation.path, LC_ALL="C")
    os.umask(0o077)
    os.chdir("/")
    return serve(installation, name, sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)


def serve(installation: Installation, name: str, arguments: Sequence[str], hear: IO[bytes], say: IO[bytes]) -> int:
    """Answer requests until there are no more, or one was not understood; return the exit status."""
    try:
        caller = _caller(installation, name, arguments)
        with _settings.locked(installation.settings_dir, _LOCK_SECONDS, name=_settings.CTL_LOCK):
            _tell(say, json.dumps({"protocol": wire.PROTOCOL}))
            _converse(installation.settings_dir, caller, hear, say)
    except HostError as error:
        _tell(say, json.dumps({"protocol": wire.PROTOCOL, "error": error.as_dict()}))
        return 1
    except BrokenPipeError:
        return 1
    return 0


def _caller(installation: Installation, name: str, arguments: Sequence[str]) -> Caller:
    if arguments:
        raise HostError("invalid", "this program takes no arguments")
    return caller_of(name, installation.settings_dir)


def _converse(settings_dir: str, caller: Caller, hear: IO[bytes], say: IO[bytes]) -> None:
    while True:
        signal.alarm(_IDLE_SECONDS)
        line = hear.readline(REQUEST_LIMIT + 1)
        signal.alarm(0)
        if not line:
            return
        if len(line) > REQUEST_LIMIT or not line.endswith(b"\n"):
            raise HostError("invalid", f"a request is longer than {REQUEST_LIMIT} bytes, or has no end")
        _tell(say, _answer(settings_dir, caller, line.decode("utf-8", "replace")))


def _answer(settings_dir: str, caller: Caller, line: str) -> str:
    try:
        return _done(settings_dir, caller, line)
    except HostError as error:
        return _masked(json.dumps({"error": error.as_dict()}), line)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not take silence for an answer
        told = HostError("uncertain", f"unexpected {type(error).__name__} in the program")
        return json.dumps({"error": told.as_dict()})


def _request(line: str) -> Mapping[str, Any]:
    try:
        request: object = json.loads(line)
    except (ValueError, RecursionError):
        raise HostError("invalid", "the request is not JSON") from None
    if not isinstance(request, dict):
        raise HostError("invalid", "the request is not an object")
    return request


def _done(settings_dir: str, caller: Caller, line: str) -> str:
    """Do what is asked and return the answer."""
    request = _request(line)
    owner = owner_of(request, caller)
    ctl = LocalCtl(SystemCommands(time.monotonic() + seconds_of(request)), settings_dir)
    fields, what = set(request), request.get("do")
    if what == "observe" and fields == {"do", "owner", "seconds"}:
        return json.dumps(wire.told_kernel(ctl.observe(), owner, caller.parents))
    if what == "compare" and fields == {"do", "owner", "seconds", "wanted"}:
        checked, _additions = wanted_of(owner, request["wanted"], caller)
        compared = ctl.compare(checked.wanted, ctl.observe())
        return _masked(json.dumps(wire.told_comparison(compared)), line)
    if what == "converge" and fields == {"do", "owner", "seconds", "wanted"}:
        checked, additions = wanted_of(owner, request["wanted"], caller)
        # Its own look: where the configuration lies, for one, is not for the caller to say.
        settled = ctl.converge(checked.wanted, ctl.observe())
        return _masked(json.dumps(wire.told_settled(checked.told(settled, additions))), line)
    raise HostError("invalid", "the request is none that the program understands")


def _masked(text: str, line: str) -> str:
    """Return the text without tokens that the caller has not named himself: ctld may quote those of others."""
    words = [word if word in line else "********" for word in _names.TOKEN.findall(text)]
    parts = _names.TOKEN.split(text)
    return "".join(part + word for part, word in zip(parts, [*words, ""]))


def _tell(say: IO[bytes], line: str) -> None:
    # A caller that does not listen is ended as well: it holds up everybody.
    signal.alarm(_IDLE_SECONDS)
    say.write(line.encode() + b"\n")
    say.flush()
    signal.alarm(0)
