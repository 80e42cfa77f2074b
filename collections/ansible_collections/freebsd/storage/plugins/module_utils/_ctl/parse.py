# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What ctladm(8), ctld(8) and pgrep(1) say, as values. The only place that knows their texts.

Pure functions. The XML is the kernel's; it copies some names into it unescaped, among them what a
remote initiator calls itself. So it is read element by element, and a stray character spoils at
most the element it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from ..command import Completed
from ..errors import HostError
from .model import DEFAULT_CONFIG, DEFAULT_MAX_LUNS, DEFAULT_MAX_PORTS, Daemon, Lun, Port, Session

SAID_LIMIT = 600  # characters of a command's words that are handed on

_ELEMENT = re.compile(r'<(\w+)(?: id="(\d+)")?>([^<]*)</\1>')
_ISCSI_NAME = re.compile(r"\b(?:iqn|eui|naa)\.[^\s\"'{}\[\];,]+")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"))
_NEAR = re.compile(r"\bnear '[^']{8,}'")
_NO_DEVICE = "error opening /dev/cam/ctl: No such file or directory"

# What `ctld -t` may say about the parts of others without refusing the configuration.
_WARNINGS = re.compile(
    r"is world-(readable|writable|executable)$"
    r"|is too (short|long); it should be at (least|most) \d+ characters long$"
    r'|^no LUNs defined for target "'
    r'|^(auth-group|portal-group|transport-group) "[^"]*" not assigned to any target$'
    r'|^invalid character ".*" in target name "'
    r'|^invalid target name "'
)
# With UCL ctld 14 takes what it has not understood, with such words at most. Only these mean no harm: an
# auth-group may be unused if somebody named it, but not that of a publication.
_HARMLESS = re.compile(
    r"is world-(readable|writable|executable)$"
    r'|^(portal-group|transport-group) "[^"]*" not assigned to any target$'
    r'|^auth-group "(?![^"]*:[0-9a-f]{32}")[^"]*" not assigned to any target$'
)


def ports(text: str) -> tuple[Port, ...]:
    """Return the ports of `ctladm portlist -x`."""
    return tuple(_port(*entry) for entry in _entries(text, "ctlportlist", "targ_port"))


def luns(text: str) -> tuple[Lun, ...]:
    """Return the LUNs of `ctladm devlist -x`."""
    return tuple(_lun(*entry) for entry in _entries(text, "ctllunlist", "lun"))


def sessions(text: str) -> frozenset[str]:
    """Return the targets of `ctladm islist -x` that somebody is logged in to."""
    found: set[str] = set()
    for _id, body in _entries(text, "ctlislist", "connection"):
        found.update(_unescaped(value) for name, _n, value in _ELEMENT.findall(body) if name == "target")
    return frozenset(found)


def logins(text: str) -> tuple[Session, ...]:
    """Return the sessions of `ctladm islist -x`. What an initiator calls itself is its own affair."""
    found: list[Session] = []
    for _id, body in _entries(text, "ctlislist", "connection"):
        values = {name: _unescaped(value) for name, _n, value in reversed(_ELEMENT.findall(body))}
        found.append(Session(values.get("initiator", ""), values.get("initiator_addr", ""), values.get("target", "")))
    return tuple(found)


def daemon(done: Completed) -> Optional[Daemon]:
    """Return the running ctld that pgrep shows; None if it does not run."""
    if done.rc != 0:
        # No pidfile, one that nobody has locked, or another user's process.
        error = failure(done)
        if error is not None and (error.code == "denied" or done.unstarted or done.late):
            raise error
        return None
    pid, _blank, args = done.out.strip().partition(" ")
    if not pid.isdigit():
        raise HostError("degraded", f"pgrep showed no process: {done.out[:120]!a}")
    config, ucl = _flags(args.split()[1:])
    return Daemon(int(pid), config, ucl)


def flags(text: str) -> Daemon:
    """Return how ctld would be started, from the value of `ctld_flags`."""
    config, ucl = _flags(text.split())
    return Daemon(None, config, ucl)


def limits(done: Completed) -> tuple[int, int]:
    """Return how many ports and LUNs the kernel holds; its defaults where it does not say."""
    said = re.fullmatch(r"(\d+)\s+(\d+)\s*", done.out)
    if done.rc != 0 or said is None:
        return DEFAULT_MAX_PORTS, DEFAULT_MAX_LUNS
    return int(said[1]), int(said[2])


def no_module(done: Completed) -> bool:
    """Return whether ctladm failed because the kernel module ctl is not loaded: nothing is exported."""
    return done.rc != 0 and _NO_DEVICE in done.err


def failure(done: Completed) -> Optional[HostError]:
    """Return why a command of this area failed, or None if it did not."""
    what = " ".join(done.argv[:2])
    if done.unstarted is not None:
        return done.unstarted
    if done.late:
        return HostError("uncertain", f"{what} did not end within the time limit; its effect is unknown")
    if done.rc == 0:
        return None
    said = " ".join((done.err or done.out).split())[:SAID_LIMIT]
    said = said or f"exit status {done.rc} without a word"
    if "ermission denied" in said or "not permitted" in said:
        return HostError("denied", f"{what}: {said}; log in as root, or set privilege for this host")
    if "not running?" in said or "Cannot 'reload' ctld" in said:
        return HostError("degraded", f"{said}; start it with service ctld start")
    return HostError("degraded", f"{what}: {said}")


def objections(done: Completed, *, ucl: bool) -> list[str]:
    """Return what `ctld -t` has against a configuration; nothing if it takes it."""
    # What it is near may be a secret.
    lines = [_NEAR.sub("near '…'", line.removeprefix("ctld: ")) for line in done.err.splitlines()]
    harmless = _HARMLESS if ucl else _WARNINGS
    serious = [line.strip() for line in lines if line.strip() and not harmless.search(line)]
    if done.rc != 0:
        spoken = [line for line in serious if line != "configuration error; exiting"]
        return spoken or [f"exit status {done.rc}"]
    return serious


def cannot_judge(objections: Sequence[str]) -> bool:
    """Return whether `ctld -t` failed before it read the configuration."""
    return any(line.startswith("failed to open /dev/cam/ctl") for line in objections)


def targets_named(text: str) -> frozenset[str]:
    """Return the iSCSI names that a configuration speaks of, in whatever place and grammar."""
    return frozenset(_ISCSI_NAME.findall(text))


def _entries(text: str, root: str, element: str) -> list[tuple[int, str]]:
    if f"<{root}>" not in text or f"</{root}>" not in text:
        raise HostError("degraded", f"ctladm printed no complete {root}: {text[:120]!a}")
    found = re.findall(rf'<{element} id="(\d+)">(.*?)</{element}>', text, re.DOTALL)
    return [(int(number), body) for number, body in found]


def _port(number: int, body: str) -> Port:
    values: dict[str, str] = {}
    mapped: dict[int, int] = {}
    initiators: list[str] = []
    for name, id_, value in _ELEMENT.findall(body):
        if name == "lun" and id_ and value.isdigit():
            mapped[int(id_)] = int(value)
        elif name == "initiator":
            initiators.append(_unescaped(value))
        else:
            values.setdefault(name, _unescaped(value))
    return Port(
        id=number,
        frontend=values.get("frontend_type", ""),
        online=values.get("online") == "YES",
        target=values.get("target", ""),
        luns=mapped,
        initiators=tuple(initiators),
        portal_group=values.get("ctld_portal_group_name", ""),
    )


def _lun(number: int, body: str) -> Lun:
    values: dict[str, str] = {}
    for name, _id, value in _ELEMENT.findall(body):
        values.setdefault(name, _unescaped(value))
    return Lun(
        id=number,
        name=values.get("ctld_name", ""),
        path=values.get("file", ""),
        size_blocks=_number(values.get("size", "")),
        blocksize=_number(values.get("blocksize", "")),
        serial=values.get("serial_number", ""),
        device_id=values.get("device_id", ""),
    )


def _flags(words: Sequence[str]) -> tuple[str, bool]:
    """Read the options of ctld(8) as getopt(3) does: letters without a value, and -f with one."""
    config, seen = DEFAULT_CONFIG, ""
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        before, f, after = rest.pop(0)[1:].partition("f")
        seen += before
        if f:
            config = after or (rest.pop(0) if rest else DEFAULT_CONFIG)
    return config, "u" in seen


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _unescaped(text: str) -> str:
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text
