"""Numbers as zfs prints and reads them (libzutil's zfs_nicenum, libzfs's zfs_nicestrtonum)."""

from __future__ import annotations

import re

_UNITS = ("", "K", "M", "G", "T", "P", "E")
_SHIFTS = "BKMGTPEZ"
_LIMIT = 1 << 64
UINT64_MAX = _LIMIT - 1


class BadNumber(ValueError):
    """The text libzfs gives as reason."""


def nice_number(number: int) -> str:
    """``10737418240`` as ``10G``, at most five characters where possible."""
    index = 0
    whole = number
    while whole >= 1024 and index < len(_UNITS) - 1:
        whole //= 1024
        index += 1
    scale: int = 1024**index
    if number % scale == 0:
        return f"{whole}{_UNITS[index]}"
    text = ""
    for places in (2, 1, 0):
        text = f"{number / scale:.{places}f}{_UNITS[index]}"
        if len(text) <= 5:
            break
    return text


def nice_bytes(number: int) -> str:
    """As ``nice_number``, with a ``B`` after numbers below 1024."""
    return f"{number}B" if number < 1024 else nice_number(number)


def parse_number(text: str) -> int:
    """Read ``10G``, ``1.5T``, ``512`` …; raises BadNumber with libzfs's words."""
    if not text or text[0] not in "0123456789.":
        raise BadNumber(f"bad numeric value '{text}'")
    match = re.match(r"\d*", text)
    assert match is not None
    digits, rest = match.group(), text[match.end() :]
    if digits and int(digits) >= _LIMIT:
        raise BadNumber("numeric value is too large")
    if rest.startswith("."):
        fraction = re.match(r"\.\d*", rest)
        assert fraction is not None
        value = float(f"{digits or '0'}{fraction.group()}0")
        number = int(value * 2 ** _shift(rest[fraction.end() :]))
    else:
        number = int(digits or "0") << _shift(rest)
    if number >= _LIMIT:
        raise BadNumber("numeric value is too large")
    return number


def _shift(suffix: str) -> int:
    if not suffix:
        return 0
    position = _SHIFTS.find(suffix[0].upper())
    tail = suffix[1:].upper()
    if position < 0 or tail not in ("", "B", "IB") or (tail and position == 0):
        raise BadNumber(f"invalid numeric suffix '{suffix}'")
    return 10 * position
