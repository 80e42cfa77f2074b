"""
The configuration language of libucl: what a text means, and what is said of a wrong one.

Every line of these tables was put to libucl itself, 0.8.2 to 0.9.2.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.ctl.ucl.macros import Files
from tests.simulator.ctl.ucl.source import UclError
from tests.simulator.ctl.ucl.tree import Kind, Value
from tests.simulator.registry import Unmodelled

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


class Chain(list[Plain]):
    """The values of a key that came more than once."""


def plain(value: Value) -> Plain:
    """Return VALUE in Python's own types, chains as such."""
    if value.kind is Kind.OBJECT:
        return {key: _chain(chain) for key, chain in value.members.items()}
    if value.kind is Kind.ARRAY:
        return [plain(item) for item in value.items]
    return value.scalar


def _chain(values: list[Value]) -> Plain:
    return plain(values[0]) if len(values) == 1 else Chain(plain(value) for value in values)


def parse(tmp_path: Path, text: str | bytes, **others: str) -> Plain:
    """Parse TEXT as /ctl.conf of a host that has the files OTHERS too (`b` is /b.conf)."""
    (tmp_path / "ctl.conf").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, content in others.items():
        (tmp_path / f"{name}.conf").write_text(content)
    return plain(Files(lambda path: tmp_path / path.lstrip("/")).parse("/ctl.conf"))


def failure(tmp_path: Path, text: str, **others: str) -> str | None:
    with pytest.raises(UclError) as caught:
        parse(tmp_path, text, **others)
    return caught.value.text


MEANINGS: list[tuple[str, Plain]] = [
    ("", {}),
    ("# only a comment", {}),
    ('{"a": 1}', {"a": 1}),
    ('{"a": 1} rest is not read', {"a": 1}),
    ('"a": 1, "b": [1, 2];', {"a": 1, "b": [1, 2]}),
    ("a = 1; b: 2, c 3\nd 4", {"a": 1, "b": 2, "c": 3, "d": 4}),
    ("a { b { c = d } }", {"a": {"b": {"c": "d"}}}),
    ("a { b = 1 }; c = 2", {"a": {"b": 1}, "c": 2}),
    ('target "x y" { lun 0 { path = /dev/v } }', {"target": {"x y": {"lun": {"0": {"path": "/dev/v"}}}}}),
    ("a b c { d = 1 }\ne = 2", {"a": {"b": {"c": {"d": 1}}}, "e": 2}),
    ("a b [1, 2]", {"a": {"b": [1, 2]}}),
    ("a b c;", {"a": "b c"}),
    ("a = [{x = 1}, {y = 2}, 3,]", {"a": [{"x": 1}, {"y": 2}, 3]}),
    ("a { }\nb [ ]", {"a": {}, "b": []}),
    ("a = 1 # note\n# note\n/* note */ b = 2", {"a": 1, "b": 2}),
    # strings
    ('a = "x\\n\\t\\"\\\\\\u00e9\\q/"', {"a": 'x\n\t"\\éq/'}),
    ("a = 'x\\n\\'y'", {"a": "x\\n'y"}),
    ("a = x\\ty z  ", {"a": "x\ty z"}),
    ("a = x{1}[2]y", {"a": "x{1}[2]y"}),
    ("a = $x $$ ${y}", {"a": "$x $$ ${y}"}),
    ("é = ü", {"é": "ü"}),
    # numbers
    ("a = 10", {"a": 10}),
    ("a = -3", {"a": -3}),
    ("a = 0x1F", {"a": 31}),
    ("a = 010", {"a": 10}),
    ("a = 1.5", {"a": 1.5}),
    ("a = 1e3", {"a": 1000.0}),
    ("a = 4k", {"a": 4000}),
    ("a = 4kb", {"a": 4096}),
    ("a = 2G", {"a": 2_000_000_000}),
    ("a = 2GB", {"a": 2 << 30}),
    ("a = 1t", {"a": "1t"}),
    ("a = 10k ; b = 1", {"a": "10k", "b": 1}),
    ("a = 10k; b = 1", {"a": 10000, "b": 1}),
    ("a = 10 k", {"a": "10 k"}),
    ("a = 10 ; b = 1", {"a": 10, "b": 1}),
    ("a = 10s", {"a": 10.0}),
    ("a = 2d", {"a": 172800.0}),
    ("a = 5min", {"a": 300.0}),
    ("a = 250ms", {"a": 0.25}),
    ("a = 192.0.2.1", {"a": "192.0.2.1"}),
    ("a = 127.0.0.1:3260", {"a": "127.0.0.1:3260"}),
    ("a = 0x6589cfc000000ab", {"a": 0x6589CFC000000AB}),
    ('a = "10"', {"a": "10"}),
    # words that are no strings
    ("a = on; b = Yes; c = TRUE", {"a": True, "b": True, "c": True}),
    ("a = off; b = no; c = false", {"a": False, "b": False, "c": False}),
    ("a = null; b = none", {"a": None, "b": "none"}),
    ('a = "on"', {"a": "on"}),
    # keys that come again
    ("a = 1; a = 2", {"a": Chain([1, 2])}),
    ('t "x" { a = 1 }\nt "y" { b = 2 }', {"t": Chain([{"x": {"a": 1}}, {"y": {"b": 2}}])}),
    ("t { x { a = 1 } x { b = 2 } }", {"t": {"x": Chain([{"a": 1}, {"b": 2}])}}),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS)
def test_what_a_text_means(tmp_path: Path, text: str, meaning: Plain) -> None:
    found = parse(tmp_path, text)
    assert found == meaning
    assert repr(found) == repr(meaning)


def at(line: int, column: int, what: str, character: str, *, file: str = "/ctl.conf") -> str:
    return f"error while parsing {file}: line: {line}, column: {column} - '{what}', character: '{character}'"


def at_end(what: str) -> str:
    return f"error while parsing /ctl.conf: at the end of chunk: {what}"


ERRORS = [
    ("a", at_end("unfinished key")),
    ("a =", at_end("unfinished key")),
    ('"a" ', at_end("unfinished key")),
    ('a = 1; "', at_end("unfinished key")),
    ("# c\n {a = 1}", at(2, 1, "key must begin with a letter", "{")),
    ("a{", at(1, 1, "invalid character in a key", "{")),
    ("a == 1", at(1, 3, "unexpected '=' character", "=")),
    ("a := 1", at(1, 3, "unexpected '=' character", "=")),
    ('a = "x', at_end("no quote at the end of json string")),
    ('a = "x\ny"', at(1, 6, "unexpected newline", "0x0a")),
    ('a = "\\u12"', at(1, 9, "invalid utf escape", '"')),
    ("a = 'x", at_end("no quote at the end of single quoted string")),
    ('a = "x" b = 2', at(1, 8, "delimiter is missing", "b")),
    ("a = ;", at(1, 4, "string value must not be empty", ";")),
    ("a = 99999999999999999999", at(1, 4, "numeric value out of range", "9")),
    ("a { b = 1 ]", at(1, 10, "unexpected terminating symbol detected", "]")),
    ("a { b = [1 }", at(1, 11, "unexpected terminating symbol detected", "}")),
    ("a {\n b = 1", "/ctl.conf:2 unmatched open brace at 1; "),
    ("a {\n b [", "/ctl.conf:2 unmatched open brace at 2; /ctl.conf:2 unmatched open brace at 1; "),
    ("a = 1\n}", "/ctl.conf:2 object closed with } is not opened with { at line 1"),
    ('"" = 1', at(1, 5, "empty keys are not allowed", "1")),
    ("/* a", at_end("unfinished multiline comment")),
    (".bogus x\n", "error at /ctl.conf:1 at column 6: unknown macro: 'bogus', character: ' '"),
    (". x\n", "error at /ctl.conf:1 at column 1: invalid macro name"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_errors_name_the_place_and_the_character(tmp_path: Path, text: str, message: str) -> None:
    assert failure(tmp_path, text) == message


NOT_MODELLED = [
    "[1, 2]",
    "a = <<EOD\nx\nEOD\n",
    "a = ${CURDIR}/x",
    '/* "quoted" */ a = 1',
    ".priority 5\na = 1\n",
    '.include(priority=5) "/b.conf"\n',
    '.include(prefix=true, key="x") "/b.conf"\n',
    "a = 3.50x10",
    'a = "\\u0000x"',
    b"a = \0",
]


@pytest.mark.parametrize("text", NOT_MODELLED)
def test_what_is_not_modelled_is_never_guessed_at(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(Unmodelled):
        parse(tmp_path, text, b="c = 1\n")


def test_a_missing_file_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UclError) as caught:
        Files(lambda path: tmp_path / path.lstrip("/")).parse("/none")
    assert caught.value.text == "cannot open file /none: No such file or directory"
    assert caught.value.reason == "No such file or directory"


A = "t { x { a = 1 } }\n"
B = "t { y { b = 2 } }\n"
TWO: Plain = {"t": Chain([{"x": {"a": 1}}, {"y": {"b": 2}}])}
ONE: Plain = {"t": {"x": {"a": 1}, "y": {"b": 2}}}
ONLY_B: Plain = {"t": {"y": {"b": 2}}}

INCLUDES: list[tuple[str, str, Plain]] = [
    ("plain", '.include "/b.conf"\nc = 1', {"t": {"y": {"b": 2}}, "c": 1}),
    ("without quotes", ".include /b.conf\nc = 1", {"t": {"y": {"b": 2}}, "c": 1}),
    ("within a section", 's {\n.include "/b.conf"\n}', {"s": ONLY_B}),
    ("a second section of the name", A + '.include "/b.conf"\n', TWO),
    ("append says the same", A + '.include(duplicate=append) "/b.conf"\n', TWO),
    ("merge", A + '.include(try=true,duplicate=merge) "/b.conf"\n', ONE),
    ("merge in quotes", A + '.include (try=true, duplicate="merge") "/b.conf"\n', ONE),
    (
        "merge goes into the first of two",
        A + 't { z = 3 }\n.include(duplicate=merge) "/b.conf"\n',
        {"t": Chain([{"x": {"a": 1}, "y": {"b": 2}}, {"z": 3}])},
    ),
    (
        "what follows a merged section is the second",
        '.include(duplicate=merge) "/b.conf"\n' + A,
        {"t": Chain([{"y": {"b": 2}}, {"x": {"a": 1}}])},
    ),
    ("rewrite", A + '.include(duplicate=rewrite) "/b.conf"\n', ONLY_B),
    ("unknown strategy is append", A + '.include(duplicate=x) "/b.conf"\n', TWO),
    ("an argument of another type", A + '.include(try="true",duplicate=1) "/b.conf"\n', TWO),
    ("missing, but try", '.include(try=true) "/none"\nc = 1', {"c": 1}),
    ("a directory, but try", '.include(try=true) "/"\nc = 1', {"c": 1}),
    ("two files by pattern", '.include(glob=true,duplicate=merge) "/[ab]*.conf"\n', ONE),
    ("no file by pattern, but try", '.include(glob=true,try=true) "/none*"\nc = 1', {"c": 1}),
    ("try_include of what is there", '.try_include "/b.conf"\n', ONLY_B),
    ("the name alone at the end of the file", "c = 1\n.include", {"c": 1}),
]


@pytest.mark.parametrize(("text", "meaning"), [case[1:] for case in INCLUDES], ids=[case[0] for case in INCLUDES])
def test_what_includes_mean(tmp_path: Path, text: str, meaning: Plain) -> None:
    assert repr(parse(tmp_path, text, a=A, b=B)) == repr(meaning)


def test_merged_arrays_grow_and_merged_values_chain(tmp_path: Path) -> None:
    found = parse(tmp_path, 'l = [1]; v = 1\n.include(duplicate=merge) "/b.conf"\n', b="l = [2]; v = 2")
    assert repr(found) == repr({"l": [1, 2], "v": Chain([1, 2])})


INCLUDE_ERRORS = [
    ('.include "/none"\n', "", "cannot open file /none: No such file or directory"),
    ('.include "/"\n', "", "file / is not a regular file"),
    ('.include "/ctl.conf"\n', "", "trying to include the file /ctl.conf from itself"),
    ('.include "/b.conf"\n', '.include "/ctl.conf"\n', "maximum include nesting limit is reached: 17"),
    ('.include "/b.conf"\n', "c = ;", at(1, 4, "string value must not be empty", ";", file="/b.conf")),
    (
        A + '.include(duplicate=error) "/b.conf"\n',
        B,
        at(1, 2, "duplicate element for key 't' found", "{", file="/b.conf"),
    ),
    ('.include "/b.conf"\nc = 1', '{"t": 1}', "/b.conf:1 object closed with } is not opened with { at line 1"),
    (
        A + '.include(duplicate=merge) "/b.conf"\n',
        "t [1]",
        at(1, 2, "cannot merge an object with an array", "[", file="/b.conf"),
    ),
    # These two say nothing at all.
    ('.try_include "/none"\n', "", None),
    ('.include(glob=true) "/none*"\n', "", None),
]


@pytest.mark.parametrize(("text", "other", "message"), INCLUDE_ERRORS)
def test_what_is_said_of_wrong_includes(tmp_path: Path, text: str, other: str, message: str | None) -> None:
    assert failure(tmp_path, text, b=other) == message


def test_a_key_with_a_colon_is_not_merged_with_itself(tmp_path: Path) -> None:
    """Real libucl writes to memory it has freed then; no file of ours may rely on that."""
    with pytest.raises(Unmodelled):
        parse(tmp_path, 't { "x:1" { a = 1 } }\n.include(duplicate=merge) "/b.conf"\n', b='t { "x:1" { b = 2 } }')
