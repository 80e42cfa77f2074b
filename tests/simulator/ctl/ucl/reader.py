"""
The language itself: keys, values, sections, and the stack of what is open.

A state machine, as libucl's parser is one: what it says of a wrong file depends on where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.simulator.ctl.ucl import scalars
from tests.simulator.ctl.ucl.source import (
    BLANK,
    SPACE,
    VALUE_END,
    Source,
    UclError,
    expand,
    plain,
    unescape,
    unescape_single,
)
from tests.simulator.ctl.ucl.tree import CannotMerge, Duplicate, Kind, Strategy, Value, add_key, become, become_scalar
from tests.simulator.registry import Unmodelled

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_START = frozenset("/0123456789_" + _LETTERS) | {chr(c) for c in range(0x80, 0x100)}
_KEY = _KEY_START | frozenset("-.")
_KEY_END = BLANK + ":="


@dataclass
class Frame:
    """An object or array that is open. LEVEL grows with sections named on one line, which one brace closes."""

    value: Value
    level: int
    braced: bool
    line: int
    source: Source


class Macros(Protocol):
    """What a line that begins with a dot does."""

    def run(self, parsing: Parsing, reader: Reader) -> None:
        """Read the macro whose dot was just read, and do what it says. Raises UclError, Unmodelled."""


class Parsing:
    """One run of the parser: the tree so far, what is open, which value comes next."""

    def __init__(self, macros: Macros) -> None:
        self.macros = macros
        self.top: Value | None = None
        self.stack: list[Frame] = []
        self.current: Value | None = None
        self.depth = 0

    def open(self, value: Value, kind: Kind, frame: Frame) -> None:
        """Go into VALUE. Raises UclError if it is there already and is of the other kind."""
        try:
            become(value, kind)
        except CannotMerge:
            raise frame.source.error("cannot merge an object with an array") from None
        self.stack.append(frame)
        self.current = value

    def close(self) -> None:
        """Leave the innermost object or array, and the sections named on its line."""
        self.stack.pop()
        while len(self.stack) > 1 and self.stack[-2].level != self.stack[-1].level:
            self.current = self.stack.pop().value


class Reader:
    """Reads one file into the tree."""

    def __init__(self, parsing: Parsing, source: Source, strategy: Strategy) -> None:
        self.parsing = parsing
        self.source = source
        self._strategy = strategy
        self._names_section = False
        self._state: Callable[[], bool] = self._key

    def read(self) -> None:
        """Read the whole file. Raises UclError, Unmodelled."""
        if not self.source.text:
            self.parsing.top = self.parsing.top or Value(kind=Kind.OBJECT)
            return
        self._begin()
        while not self.source.ended:
            if not self._state():
                return
        self._check_closed()

    def _begin(self) -> None:
        source = self.source
        before = source.at
        source.skip_comments()
        if source.at == before:
            source.skip_all(SPACE)
        if source.here == "[":
            raise Unmodelled("UCL: a file that is an array")
        braced = source.here == "{"
        source.skip(int(braced))
        if self.parsing.top is None:
            self.parsing.top = Value()
            self.parsing.open(self.parsing.top, Kind.OBJECT, self._frame(self.parsing.top, 0, braced=braced))

    def _frame(self, value: Value, level: int, *, braced: bool) -> Frame:
        return Frame(value, level, braced, self.source.line, self.source)

    @property
    def _inner(self) -> Frame:
        return self.parsing.stack[-1]

    def _check_closed(self) -> None:
        """Raises UclError if a brace of this file is still open."""
        text = ""
        for frame in reversed(self.parsing.stack):
            if frame.source is not self.source:
                break
            if frame.braced:
                text += f"{self.source.name}:{self.source.line} unmatched open brace at {frame.line}; "
        if text:
            raise UclError(text)

    # --- keys: each state tells whether there may be more ---

    def _key(self) -> bool:
        source = self.source
        source.skip_all(SPACE)
        if source.ended or source.here == "}":
            self._state = self._after_value
            return True
        if not self.parsing.stack:
            raise source.error("top object is finished but the parser expects a key")
        name = self._key_name()
        if name is not None:
            self._after_key(name)
        return True

    def _key_name(self) -> str | None:
        """Read a key; None if there was a macro, only comments, or the end of the object."""
        source = self.source
        while not source.ended:
            if source.at_comment:
                source.skip_comments()
            elif source.here in SPACE:
                source.skip()
            elif source.here in _KEY_START:
                return self._bare_key()
            elif source.here == '"':
                return self._quoted_key()
            elif source.here == "}":
                self._state = self._after_value
                return None
            elif source.here == ".":
                source.skip()
                self.parsing.macros.run(self.parsing, self)
                return None
            else:
                raise source.error("key must begin with a letter")
        return None

    def _quoted_key(self) -> str:
        self.source.skip()
        raw = "" if self.source.ended else self.source.double_quoted()
        if self.source.ended:
            raise self.source.error("unfinished key")
        return plain(unescape(raw) if "\\" in raw else raw)

    def _bare_key(self) -> str:
        source = self.source
        start = source.at
        while not source.ended:
            if source.here in _KEY_END:
                return plain(source.text[start : source.at])
            if source.here not in _KEY:
                raise source.error("invalid character in a key")
            source.skip()
        raise source.error("unfinished key")

    def _after_key(self, name: str) -> None:
        """Read up to the value; decide whether the key is a section's name or has a value."""
        if not self._separator():
            self._names_section = self._brace_on_this_line()
        if not name:
            raise self.source.error("empty keys are not allowed")
        try:
            value = add_key(self._inner.value, name, self._strategy)
        except Duplicate:
            raise self.source.error(f"duplicate element for key '{name}' found") from None
        self.parsing.current = value
        if self._names_section:
            self.parsing.open(value, Kind.OBJECT, self._frame(value, self._inner.level + 1, braced=False))
        else:
            self._state = self._value

    def _separator(self) -> bool:
        source = self.source
        found = False
        while not source.ended:
            if source.here in BLANK:
                source.skip()
            elif source.here in "=:":
                if found:
                    raise source.error(f"unexpected '{source.here}' character")
                found = True
                source.skip()
            elif source.at_comment:
                source.skip_comments()
            else:
                return found
        raise source.error("unfinished key")

    def _brace_on_this_line(self) -> bool:
        """Tell whether more names follow, up to a bracket: `target "a" {`."""
        text = self.source.text
        at = self.source.at
        if text[at] in "{[":
            return False
        while at < len(text) and text[at] not in ",;\n\r":
            if text[at] in "{[":
                return True
            at += 1
        return False

    # --- values ---

    def _value(self) -> bool:
        source = self.source
        if source.here in SPACE or source.at_comment:
            source.skip_all(SPACE)
            source.skip_comments()
        if source.ended:
            return True
        c = source.here
        if c == "]" and self._inner.value.kind is Kind.ARRAY:
            self._state = self._after_value
        elif c in "{[":
            self._open_bracket(Kind.OBJECT if c == "{" else Kind.ARRAY)
        else:
            self._scalar(c)
            self._state = self._after_value
        return True

    def _target(self) -> Value:
        """Return the value to fill: the key's, or a new element of the array."""
        if self._inner.value.kind is Kind.ARRAY:
            self.parsing.current = Value()
            self._inner.value.items.append(self.parsing.current)
        assert self.parsing.current is not None
        return self.parsing.current

    def _open_bracket(self, kind: Kind) -> None:
        value = self._target()
        self.parsing.open(value, kind, self._frame(value, self._inner.level, braced=True))
        self._state = self._key if kind is Kind.OBJECT else self._value
        self.source.skip()

    def _scalar(self, c: str) -> None:
        source = self.source
        if c == '"':
            source.skip()
            raw = expand(source.double_quoted())
            become_scalar(self._target(), Kind.STRING, plain(unescape(raw)))
        elif c == "'":
            source.skip()
            raw = source.single_quoted()
            become_scalar(self._target(), Kind.STRING, plain(unescape_single(raw)))
        elif source.text.startswith("<<", source.at):
            raise Unmodelled("UCL: strings of several lines")
        else:
            self._bare_scalar(self._target())

    def _bare_scalar(self, value: Value) -> None:
        source = self.source
        if source.here in "-0123456789":
            try:
                found = scalars.number(source.text, source.at)
            except scalars.OutOfRange:
                raise source.error("numeric value out of range") from None
            if found is not None:
                become_scalar(value, found.kind, found.value)
                source.skip_to(found.end)
                return
        raw = self._bare_text()
        if not raw:
            raise source.error("string value must not be empty")
        word = scalars.word(raw)
        if word is None:
            become_scalar(value, Kind.STRING, plain(unescape(expand(raw))))
        else:
            become_scalar(value, *word)

    def _bare_text(self) -> str:
        """Read an unquoted string: brackets in it that are paired do not end it."""
        source = self.source
        start = source.at
        unpaired = {"}": 0, "]": 0}
        while not source.ended:
            c = source.here
            if c in "{[":
                unpaired["}" if c == "{" else "]"] += 1
            elif c in "}]":
                unpaired[c] -= 1
                if unpaired[c] >= 0:
                    source.skip()
                    continue
            elif c == "\\":
                source.skip(2)
                continue
            if c in VALUE_END or source.at_comment:
                break
            source.skip()
        return source.text[start : source.at].rstrip(BLANK)

    def _after_value(self) -> bool:
        source = self.source
        separated = False
        while not source.ended:
            if source.here in BLANK:
                source.skip()
            elif source.at_comment:
                source.skip_comments()
                separated = True
            elif source.here in VALUE_END:
                if source.here in "}]" and not self._close_bracket():
                    return False
                source.skip()
                separated = True
            elif separated:
                break
            else:
                raise source.error("delimiter is missing")
        self._state = self._key if self._inner.value.kind is Kind.OBJECT else self._value
        return True

    def _close_bracket(self) -> bool:
        """Close what the bracket here closes; False when it was the whole file."""
        source, stack = self.source, self.parsing.stack
        frame = stack[-1]
        if frame.value.kind is not (Kind.OBJECT if source.here == "}" else Kind.ARRAY):
            raise source.error("unexpected terminating symbol detected")
        if not frame.braced:
            text = f"{source.name}:{source.line} object closed with }} is not opened with {{ at line {frame.line}"
            raise UclError(text)
        self.parsing.close()
        return bool(stack)
