"""zfs program: nothing of Lua but a program that is empty or returns one literal string."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.simulator import registry
from tests.simulator.registry import Unmodelled
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.session import Session

_LITERAL = re.compile(r'\s*return\s+"([^"\\]*)"\s*')
_COMMENT = re.compile(r"--[^\n]*")


def program(session: Session, args: list[str]) -> int:
    try:
        found, operands = registry.options(args, "njt:m:", modelled="njtm")
    except registry.BadOption as error:
        raise UsageError(f"invalid option '{error.option}'") from error
    if len(operands) < 2:
        raise UsageError("invalid number of arguments")
    pool, source = operands[:2]
    if session.tree.get(pool) is None:
        raise ZfsError(f"cannot open '{pool}': no such pool")
    text = _COMMENT.sub("", _read(session, source))
    if not session.call.is_root:
        raise ZfsError("Channel program execution failed:\nPermission denied. Channel programs must be run as root.")
    literal = _LITERAL.fullmatch(text)
    if literal is None and text.strip():
        raise Unmodelled("a channel program that does something")
    _answer(session, literal.group(1) if literal else None, as_json="j" in dict(found))
    return 0


def _read(session: Session, source: str) -> str:
    if source == "-":
        return session.call.read_stdin().decode()
    try:
        return Path(session.call.cwd, source).read_text(encoding="utf-8")
    except OSError as error:
        raise ZfsError(f"cannot open '{source}': {error.strerror}") from error


def _answer(session: Session, value: str | None, *, as_json: bool) -> None:
    if as_json:
        session.say(json.dumps({"return": value} if value is not None else {}, separators=(",", ":")))
    elif value is None:
        session.say("Channel program fully executed and did not produce output.")
    else:
        session.say(f'Channel program fully executed with return value:\n    return: "{value}"')
