"""
`.include` and its arguments; what a missing or doubtful file does.

What surprises: `try=true` forgives a missing file, `.try_include` does not (it fails without a message); a pattern is
one only with `glob=true`; arguments that do not exist, or have another type than expected, are ignored.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulator.ctl.ucl.reader import Parsing, Reader
from tests.simulator.ctl.ucl.source import SPACE, VALUE_END, Source, UclError, expand, plain
from tests.simulator.ctl.ucl.tree import Kind, Strategy, Value
from tests.simulator.registry import Unmodelled

_DEEPEST = 16
_ARGUMENTS = re.compile(r"\(((?:[^()\"]|\"[^\"\\]*\")*)\)")
_NOT_MODELLED = ("includes", "priority", "load", "inherit")
_ARGUMENTS_NOT_MODELLED = ("sign", "url", "prefix", "key", "target", "path", "priority")


@dataclass(frozen=True)
class _Include:
    """How an `.include` is to be done."""

    must_exist: bool = True
    pattern: bool = False
    strategy: Strategy = Strategy.APPEND


class Files:
    """Macros on the simulated host: RESOLVE tells where a path of that host lies on this machine."""

    def __init__(self, resolve: Callable[[str], Path]) -> None:
        self._resolve = resolve

    def parse(self, path: str) -> Value:
        """Parse the file PATH and what it includes. Raises UclError, Unmodelled."""
        parsing = Parsing(self)
        shown = os.path.normpath(path)
        self._read(parsing, self._source(path, shown, must_exist=True), Strategy.APPEND)
        assert parsing.top is not None
        return parsing.top

    def _read(self, parsing: Parsing, source: Source | None, strategy: Strategy) -> None:
        if source is None:
            return
        parsing.depth += 1
        if parsing.depth > _DEEPEST:
            raise UclError(f"maximum include nesting limit is reached: {parsing.depth}")
        Reader(parsing, source, strategy).read()
        parsing.depth -= 1

    def _source(self, path: str, shown: str, *, must_exist: bool) -> Source | None:
        """Open a file; None if there is none and there need not be."""
        host_path = self._resolve(path)
        try:
            if not host_path.is_file() and host_path.exists():
                raise UclError(f"file {shown} is not a regular file")
            return Source(host_path.read_bytes(), shown)
        except UclError:
            if must_exist:
                raise
        except OSError as error:
            if must_exist:
                reason = os.strerror(error.errno or 0)
                raise UclError(f"cannot open file {path}: {reason}", reason) from error
        return None

    # --- the macro's text ---

    def run(self, parsing: Parsing, reader: Reader) -> None:
        source = reader.source
        name = _name(source)
        if name is None:
            return
        _skip_spaces(source)
        arguments = _arguments(source) if source.here == "(" else None
        _skip_spaces(source)
        if source.ended:
            if arguments is not None:
                raise Unmodelled(f"UCL: .{name} at the end of the file")
            return
        text = plain(expand(_text(source)))
        source.skip_all(SPACE + ";")
        if name == "try_include" and not self._resolve(text).is_file():
            raise UclError(None, os.strerror(errno.ENOENT))
        options = _options(arguments)
        pattern = options.pattern and ("*" in text or "?" in text)
        for path in self._matches(text, options) if pattern else [text]:
            self._include(parsing, path, options, source.name)

    def _include(self, parsing: Parsing, path: str, options: _Include, including: str) -> None:
        shown = os.path.normpath(path)
        if shown == including:
            raise UclError(f"trying to include the file {shown} from itself")
        self._read(parsing, self._source(path, shown, must_exist=options.must_exist), options.strategy)

    def _matches(self, pattern: str, options: _Include) -> list[str]:
        """Return the files that match, in the order of their names. Raises UclError if there must be one."""
        directory, last = os.path.split(pattern)
        if "*" in directory or "?" in directory:
            raise Unmodelled("UCL: a pattern for directories")
        names = [path.name for path in self._resolve(directory).glob(last) if path.name[0] != "." or last[0] == "."]
        if not names and options.must_exist:
            raise UclError(None)
        return [f"{directory}/{name}" for name in sorted(names)]


def _name(source: Source) -> str | None:
    """Read the macro's name; None when the file ends before it does, which nobody minds."""
    start = source.at
    while not source.ended and source.here not in SPACE + "(":
        source.skip()
    name = source.text[start : source.at]
    if source.ended:
        return None
    where = f"error at {source.name}:{source.line} at column {source.column}:"
    if not name:
        raise UclError(f"{where} invalid macro name")
    if name in _NOT_MODELLED:
        raise Unmodelled(f"UCL: the macro .{name}")
    if name not in ("include", "try_include"):
        raise UclError(f"{where} unknown macro: '{name}', character: '{source.here}'")
    return name


def _skip_spaces(source: Source) -> None:
    source.skip_all(SPACE)
    if source.at_comment:
        source.skip_comments()


def _arguments(source: Source) -> Value:
    """Read what stands in the parentheses, itself UCL."""
    match = _ARGUMENTS.match(source.text, source.at)
    if match is None:
        raise Unmodelled("UCL: parentheses or escaped quotes among the arguments of a macro")
    source.skip_to(match.end())
    parsing = Parsing(_NoMacros())
    try:
        Reader(parsing, Source(match.group(1).encode("latin-1"), "<unknown>"), Strategy.APPEND).read()
    except UclError as error:
        raise Unmodelled("UCL: arguments of a macro that cannot be parsed") from error
    assert parsing.top is not None
    return parsing.top


class _NoMacros:
    def run(self, parsing: Parsing, reader: Reader) -> None:
        raise Unmodelled("UCL: a macro among the arguments of a macro")


def _text(source: Source) -> str:
    """Read what the macro is given: quoted, in braces, or a word."""
    if source.here == '"':
        source.skip()
        return source.double_quoted()
    if source.here == "{":
        raise Unmodelled("UCL: a macro with a body in braces")
    start = source.at
    while not source.ended and source.here not in VALUE_END:
        source.skip()
    return source.text[start : source.at]


def _options(arguments: Value | None) -> _Include:
    must_exist, pattern, strategy = True, False, Strategy.APPEND
    for value in arguments.firsts if arguments is not None else ():
        _check_name(value.key or "")
        if value.kind is Kind.BOOLEAN and value.key == "try":
            must_exist = not value.scalar
        elif value.kind is Kind.BOOLEAN and value.key == "glob":
            pattern = bool(value.scalar)
        elif value.key == "duplicate" and value.text in {known.value for known in Strategy}:
            strategy = Strategy(value.text)
    return _Include(must_exist, pattern, strategy)


def _check_name(key: str) -> None:
    """Raise Unmodelled for arguments not modelled; libucl takes the beginning of a name for the name."""
    if key in ("try", "glob", "duplicate"):
        return
    if any(name.startswith(key) for name in ("try", "glob", "duplicate", *_ARGUMENTS_NOT_MODELLED)):
        raise Unmodelled(f"UCL: the argument {key} of .include")
