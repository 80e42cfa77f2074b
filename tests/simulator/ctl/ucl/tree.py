"""
The values of a UCL file, and what a key that comes again does to them.

A key that comes twice in one object makes an implicit array: its values form a chain. Most readers see only the
first of them, and that is the trap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from tests.simulator.registry import Unmodelled


class Kind(Enum):
    OBJECT = auto()
    ARRAY = auto()
    STRING = auto()
    INT = auto()
    FLOAT = auto()
    TIME = auto()
    BOOLEAN = auto()
    NULL = auto()


class Strategy(Enum):
    """What an included file's keys do to those that are there: the `duplicate` argument of `.include`."""

    APPEND = "append"
    MERGE = "merge"
    REWRITE = "rewrite"
    ERROR = "error"


Scalar = str | int | float | bool | None


@dataclass(eq=False)
class Value:
    """
    One value. KEY is None for the elements of an array and for the whole file.

    CHAIN holds all values of the same key in the same object, this one included.
    """

    key: str | None = None
    kind: Kind = Kind.NULL
    scalar: Scalar = None
    members: dict[str, list[Value]] = field(default_factory=dict)
    items: list[Value] = field(default_factory=list)
    chain: list[Value] = field(init=False)

    def __post_init__(self) -> None:
        self.chain = [self]

    @property
    def onwards(self) -> list[Value]:
        """The value itself and those that follow it in its chain."""
        return self.chain[self.chain.index(self) :]

    @property
    def firsts(self) -> list[Value]:
        """The members of an object as most readers see them: of each key the first value."""
        return [chain[0] for chain in self.members.values()]

    @property
    def text(self) -> str | None:
        """The string, or None if it is none."""
        return self.scalar if self.kind is Kind.STRING and isinstance(self.scalar, str) else None

    @property
    def number(self) -> int | None:
        """The integer, or None if it is none."""
        return self.scalar if self.kind is Kind.INT and isinstance(self.scalar, int) else None

    def find(self, key: str) -> Value | None:
        """The first value of KEY; None without one, and for what is no object."""
        return self.members[key][0] if self.kind is Kind.OBJECT and key in self.members else None

    def forced(self) -> str:
        """Any value as a string (ucl_object_tostring_forced): an unquoted `on` is the word `true`."""
        if self.kind in (Kind.OBJECT, Kind.ARRAY, Kind.NULL):
            return self.kind.name.lower()
        if isinstance(self.scalar, bool):
            return "true" if self.scalar else "false"
        return _decimal(self.scalar) if isinstance(self.scalar, float) else str(self.scalar)


def _decimal(number: float) -> str:
    """NUMBER as libucl writes it."""
    if number == int(number):
        return f"{number:.1f}"
    return f"{number:.15g}" if abs(number - int(number)) < 1e-7 else f"{number:f}"


# Of a key with one of these libucl makes a note, even after it has freed the key.
_UNSAFE = frozenset('\b\t\n\f\r "+:=[\\{')


class Duplicate(Exception):
    """The strategy forbids a key to come twice."""


class CannotMerge(Exception):
    """An object meets an array, or the other way round."""


def add_key(parent: Value, key: str, strategy: Strategy) -> Value:
    """Return the value that what follows KEY in PARENT goes into: a new one, or one that is there and merged into."""
    known = _find(parent, key)
    if known is None:
        fresh = Value(key)
        parent.members[key] = fresh.chain
        return fresh
    if strategy is Strategy.ERROR:
        raise Duplicate
    if strategy is Strategy.MERGE and known.kind in (Kind.OBJECT, Kind.ARRAY):
        if _UNSAFE & set(key):
            raise Unmodelled(f"UCL: {key} is merged with itself, where libucl writes to memory it has freed")
        return known
    fresh = Value(key)
    if strategy is Strategy.REWRITE:
        if parent.members.get(key) is not known.chain:
            raise Unmodelled("UCL: duplicate=rewrite of a key that another section of the same name has")
        parent.members[key] = fresh.chain
    else:
        fresh.chain = known.chain
        fresh.chain.append(fresh)
    return fresh


def _find(parent: Value, key: str) -> Value | None:
    """The first value of KEY in PARENT or in what follows PARENT in its chain."""
    for value in parent.onwards:
        if value.kind is not Kind.OBJECT:
            raise Unmodelled(f"UCL: {parent.key} is a section first and something else later")
        if key in value.members:
            return value.members[key][0]
    return None


def become(value: Value, kind: Kind) -> None:
    """Make VALUE an object or an array, or go on with the one it is."""
    if value.kind in (Kind.OBJECT, Kind.ARRAY) and value.kind is not kind:
        raise CannotMerge
    value.kind = kind


def become_scalar(value: Value, kind: Kind, scalar: Scalar) -> None:
    """Give VALUE what was read for it."""
    if value.kind in (Kind.OBJECT, Kind.ARRAY):
        raise Unmodelled(f"UCL: the section {value.key} is merged with a single value")
    value.kind, value.scalar = kind, scalar
