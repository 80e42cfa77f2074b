"""
Unquoted values: numbers with their suffixes, booleans, null.

What surprises: `k` is 1000 and `kb` is 1024; there is no suffix for terabytes, so `1t` is a string; `10s` is a time;
`on`, `yes` and `true` are booleans, not words; a number with a suffix and a blank after it is a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.simulator.ctl.ucl.source import VALUE_END
from tests.simulator.ctl.ucl.tree import Kind
from tests.simulator.registry import Unmodelled

Quantity = int | float

_HEX = re.compile(r"(-?)([0-9]*)[xX]([0-9a-fA-F]*)")
_DOUBLE = re.compile(r"-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_LONGEST = 126
_THOUSANDS = {"k": 10**3, "m": 10**6, "g": 10**9}
_BINARY = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_INT64 = 1 << 63

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class OutOfRange(Exception):
    """The number does not fit."""


@dataclass(frozen=True)
class Number:
    """A number, and where it ended."""

    kind: Kind
    value: Quantity
    end: int


def number(text: str, at: int) -> Number | None:
    """Read the number that begins at AT; None if what stands there is none."""
    digits = _digits(text, at)
    if digits is None:
        return None
    value, end = digits
    if end >= len(text) or text[end] in VALUE_END:
        return _made(value, end)
    found = _with_suffix(text, value, end)
    if found is not None and found.kind is Kind.TIME and _HEX.match(text, at):
        return Number(Kind.INT, value, found.end)
    return found


def _digits(text: str, at: int) -> tuple[Quantity, int] | None:
    """Read the digits; return the value and where they ended."""
    hexadecimal = _HEX.match(text, at)
    if hexadecimal is not None:
        return _hexadecimal(text, hexadecimal)
    end, exact = _extent(text, at)
    if end is None or not any(c.isdigit() for c in text[at:end]) or end - at > _LONGEST:
        return None
    if exact:
        return _int64(int(text[at:end])), end
    return _double(text[at:end], at)


def _hexadecimal(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Read what follows an x; the digits before it must be there and are forgotten."""
    sign, before, digits = match.groups()
    follows_dot = text[match.end() : match.end() + 1] == "."
    if not digits or not before or follows_dot:
        return None
    return _int64(int(sign + digits, 16)), match.end()


def _extent(text: str, at: int) -> tuple[int | None, bool]:
    """Return where a decimal number ends (None: it is none) and whether it is an integer."""
    start = at + (text[at : at + 1] == "-")
    end, dot, exponent = start, False, False
    while end < len(text):
        c = text[end]
        if c.isascii() and c.isdigit():
            end += 1
        elif end == start or (c == "." and dot) or (c in "eE" and exponent):
            return None, False
        elif c == ".":
            dot = True
            end += 1
        elif c in "eE":
            exponent = True
            if text[end + 1 : end + 2] not in tuple("0123456789+-"):
                return None, False
            end += 2
        else:
            break
    return (None if end == start else end), not (dot or exponent)


def _double(text: str, at: int) -> tuple[float, int]:
    match = _DOUBLE.match(text)
    assert match is not None
    value = float(match.group())
    if value in (float("inf"), float("-inf")):
        raise OutOfRange
    return value, at + match.end()


def _int64(value: int) -> int:
    if not -_INT64 <= value < _INT64:
        raise OutOfRange
    return value


def _made(value: Quantity, end: int) -> Number:
    return Number(Kind.FLOAT if isinstance(value, float) else Kind.INT, value, end)


def _with_suffix(text: str, value: Quantity, end: int) -> Number | None:
    suffix = text[end].lower()
    if suffix == "x":
        raise Unmodelled("UCL: an x in a number")
    if suffix in _THOUSANDS:
        return _multiple(text, value, end, suffix)
    if suffix == "s" or suffix in _SECONDS:
        seconds = float(value) * _SECONDS.get(suffix, 1)
        return Number(Kind.TIME, seconds, end + 1) if _over(text, end + 1) else None
    if text[end] in " \t":
        after = end
        while after < len(text) and text[after] in " \t":
            after += 1
        return _made(value, after) if _over(text, after) else None
    return None


def _multiple(text: str, value: Quantity, end: int, suffix: str) -> Number | None:
    second = text[end + 1 : end + 2].lower()
    if second == "s":
        seconds = value / 1000 if suffix == "m" else float(value * _THOUSANDS[suffix])
        return Number(Kind.TIME, seconds, end + 2) if _over(text, end + 2) else None
    if second == "b":
        product = _wrapped(int(value) * _BINARY[suffix])
        return Number(Kind.INT, product, end + 2) if _over(text, end + 2) else None
    if _over(text, end + 1):
        times = value * _THOUSANDS[suffix]
        return _made(times if isinstance(times, float) else _wrapped(times), end + 1)
    if text[end : end + 3].lower() == "min":
        return Number(Kind.TIME, float(value) * 60, end + 3) if _over(text, end + 3) else None
    return None


def _over(text: str, at: int) -> bool:
    """Tell whether a value may end at AT: a blank does not end it."""
    return at >= len(text) or text[at] in VALUE_END


def _wrapped(value: int) -> int:
    """Return VALUE as an overflowing 64-bit integer holds it."""
    return (value + _INT64) % (2 * _INT64) - _INT64


def word(text: str) -> tuple[Kind, bool | float | None] | None:
    """Return what an unquoted word other than a string means, None for a string."""
    if text == "null":
        return Kind.NULL, None
    if text in ("nan", "inf"):
        return Kind.FLOAT, float(text)
    if text.lower() in BOOLEANS:
        return Kind.BOOLEAN, BOOLEANS[text.lower()]
    return None
