"""
The words of ctl.conf(5) in the classic grammar, exactly as ctld's scanner cuts them.

Three things that surprise: a comment is one only if a newline follows it; a quoted string may
span lines and its newlines are not counted; a character that fits nothing else is a string of
its own (so `=` is a string, and a lonely quote too).
Source: usr.sbin/ctld/token.l (rule order and longest match of flex).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EOF = "end"
STRING = "string"
OPEN = "{"
CLOSE = "}"
SEMICOLON = ";"

DSCP_VALUES = (
    {"be": 0, "ef": 46}
    | {f"cs{c}": c * 8 for c in range(8)}
    | {f"af{c}{p}": c * 8 + p * 2 for c in range(1, 5) for p in range(1, 4)}
)

_COMMON = """
alias auth-group auth-type backend blocksize chap chap-mutual ctl-lun debug device-id device-type
discovery-auth-group discovery-filter dscp foreign initiator-name initiator-portal isns-period
isns-server isns-timeout listen listen-iser lun maxproc offload option path pcp pidfile port
portal-group redirect serial size tag target timeout
"""
_SINCE_15 = "controller discovery-tcp host-address host-nqn namespace tcp transport-group"

KEYWORDS_14 = frozenset(_COMMON.split()) | DSCP_VALUES.keys()
KEYWORDS_15 = KEYWORDS_14 | frozenset(_SINCE_15.split())

_QUOTED = re.compile(rb'"[^"]+"')
_WORD = re.compile(rb"[a-zA-Z0-9.\-@_/:\[\]]+")
_COMMENT = re.compile(rb"#[^\n]*(?=\n)")
_BLANKS = re.compile(rb"[ \t]+")
_NEWLINE = re.compile(rb"\r?\n")
_PUNCTUATION = {b"{": OPEN, b"}": CLOSE, b";": SEMICOLON}


@dataclass(frozen=True)
class Token:
    """
    One word of the file. A keyword is its own kind.

    TEXT is the word as it stands there, quotes included: what ctld quotes in a syntax error.
    """

    kind: str
    value: str
    text: str
    line: int


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class Lexer:
    """Cuts a file into tokens, one at a time, counting lines as ctld does."""

    def __init__(self, data: bytes, keywords: frozenset[str]) -> None:
        self._data = data
        self._keywords = keywords
        self._at = 0
        self._line = 1

    def next(self) -> Token:
        self._skip()
        if self._at >= len(self._data):
            return Token(EOF, "", "", self._line)
        quoted = _QUOTED.match(self._data, self._at)
        if quoted:
            return self._take(STRING, quoted.group(), quoted.group()[1:-1])
        word = _WORD.match(self._data, self._at)
        if word:
            text = decode(word.group())
            kind = text if text in self._keywords else STRING
            return self._take(kind, word.group(), word.group())
        single = self._data[self._at : self._at + 1]
        return self._take(_PUNCTUATION.get(single, STRING), single, single)

    def _skip(self) -> None:
        while self._at < len(self._data):
            newline = _NEWLINE.match(self._data, self._at)
            if newline:
                self._line += 1
            match = newline or _BLANKS.match(self._data, self._at) or _COMMENT.match(self._data, self._at)
            if match is None:
                return
            self._at = match.end()

    def _take(self, kind: str, text: bytes, value: bytes) -> Token:
        self._at += len(text)
        return Token(kind, decode(value), decode(text), self._line)


_SUFFIXES = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_NUMBER = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)([kmgtpeKMGTPE]?)[bB]?\Z")
_LIMIT = 1 << 64


def expand_number(text: str) -> int | None:
    """Read a number and its suffix (a power of 1024) as libutil does; None if TEXT is none."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    sign, digits, suffix = match.groups()
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    number = int(digits, base)
    if number >= _LIMIT:
        return None
    if sign == "-":
        number = -number % _LIMIT
    number <<= _SUFFIXES.get(suffix.lower(), 0)
    return number if number < _LIMIT else None
