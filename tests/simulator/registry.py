"""Which commands and parts the simulated host has, and how a command is called and answers."""

from __future__ import annotations

import getopt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from tests.simulator.machine import Machine

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Unmodelled(Exception):
    """The command was asked for something this simulator does not know; never to be answered with success."""


@dataclass(frozen=True)
class Call:
    """
    One execution of a command by a client process.

    The descriptors are the client's own, open until it is answered; ``lifeline`` becomes readable when it dies.
    """

    argv: tuple[str, ...]
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "root"
    pid: int = 0
    parent: int = 0
    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    lifeline: int = -1

    @property
    def name(self) -> str:
        return self.argv[0]

    @property
    def args(self) -> list[str]:
        return list(self.argv[1:])

    @property
    def is_root(self) -> bool:
        return self.user == "root"

    def read_stdin(self) -> bytes:
        """Everything up to end of file; empty when the call has no input."""
        chunks: list[bytes] = []
        while self.stdin >= 0 and (chunk := os.read(self.stdin, 1 << 16)):
            chunks.append(chunk)
        return b"".join(chunks)


@dataclass(frozen=True)
class Result:
    """What the client process prints, byte for byte, and its exit status."""

    rc: int = 0
    out: str = ""
    err: str = ""


Handler = Callable[["Machine", Call], Result]


@dataclass(frozen=True)
class Command:
    name: str
    handler: Handler
    exclusive: bool


class Part:
    """
    A piece of the host's state beside ZFS (the kernel's CTL tables, services …). One instance per machine.

    Get it with ``machine.part(Kind)``. All methods are called with the machine's lock held, except where said.
    """

    name: ClassVar[str]

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def boot(self) -> None:
        """The host comes up (first start, and after a reboot): start what rc.conf enables."""

    def halt(self) -> None:
        """Power is cut: everything volatile is gone at once, nobody is told."""

    def stop(self) -> None:
        """The simulator ends (called without the lock): close sockets, end threads."""

    def observe(self) -> dict[str, Json]:
        """What ``{"op": "state"}`` adds for this part."""
        return {}

    def counters(self) -> dict[str, int]:
        """What ``{"op": "counters"}`` adds for this part."""
        return {}


COMMANDS: dict[str, Command] = {}
PARTS: dict[str, type[Part]] = {}
_PartType = TypeVar("_PartType", bound=type[Part])


def command(*names: str, exclusive: bool = True) -> Callable[[Handler], Handler]:
    """
    Register a handler under one or several command names.

    Exclusive handlers run under the machine's lock. One that waits or streams says ``exclusive=False`` and takes
    ``machine.lock`` itself around each change of state.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            if name in COMMANDS:
                raise ValueError(f"command {name} registered twice")
            COMMANDS[name] = Command(name, handler, exclusive)
        return handler

    return register


def part(kind: _PartType) -> _PartType:
    """Class decorator: every machine gets one instance of this part, in order of registration."""
    PARTS[kind.name] = kind
    return kind


class BadOption(Exception):
    """getopt(3) stopped at an option; ``missing_argument`` tells which of its two complaints it is."""

    def __init__(self, option: str, *, missing_argument: bool) -> None:
        super().__init__(option)
        self.option = option
        self.missing_argument = missing_argument


def options(args: list[str], accepted: str, *, modelled: str | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    """
    Parse as FreeBSD's getopt(3) does: stops at the first operand, flags may be joined (``-Hp``).

    ``accepted`` is the real command's option string; an option in it but not in ``modelled`` raises Unmodelled, one
    that
    is in neither raises BadOption. Returned option names carry no dash.
    """
    try:
        parsed, operands = getopt.getopt(args, accepted)
    except getopt.GetoptError as error:
        raise BadOption(error.opt, missing_argument="requires argument" in error.msg) from error
    found = [(flag[1:], value) for flag, value in parsed]
    for flag, _ in found:
        if modelled is not None and flag not in modelled:
            raise Unmodelled(f"option -{flag}")
    return found, operands
