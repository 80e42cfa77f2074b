"""One UCL file while it is read: where the reader stands, and the strings and comments it meets."""

from __future__ import annotations

import re

from tests.simulator.registry import Unmodelled

BLANK = " \t"
SPACE = " \t\n\v\f\r"
VALUE_END = "\0\n\r#,;]}"
_ESCAPES = '"/\\bfnrtu'
_ESCAPED = {"n": "\n", "r": "\r", "b": "\b", "t": "\t", "f": "\f"}
_VARIABLE = re.compile(r"\$\{?(?:CURDIR|FILENAME)")
_PLAIN_COMMENT = re.compile(r"/\*[^*\"/]*\*/")


class UclError(Exception):
    """
    The file cannot be parsed. TEXT is libucl's message, None where it fails without one.

    REASON is what errno says then: of the last file that could not be opened, or nothing.
    """

    def __init__(self, text: str | None, reason: str = "No error: 0") -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason


class Source:
    """The text of one file, one character per byte. NAME is the file's name as messages call it."""

    def __init__(self, data: bytes, name: str) -> None:
        if b"\0" in data:
            raise Unmodelled("UCL: a file with NUL bytes")
        self.text = data.decode("latin-1")
        self.name = name
        self.at = 0
        self.line = 1
        self.column = 0

    # --- where it stands ---

    @property
    def ended(self) -> bool:
        return self.at >= len(self.text)

    @property
    def left(self) -> int:
        return len(self.text) - self.at

    @property
    def here(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def at_comment(self) -> bool:
        """Tell whether a comment begins here; a single character at the end of the file begins none."""
        return self.left >= 2 and (self.here == "#" or self.text.startswith("/*", self.at))

    def skip(self, count: int = 1) -> None:
        for _ in range(min(count, self.left)):
            if self.here == "\n":
                self.line += 1
                self.column = 0
            else:
                self.column += 1
            self.at += 1

    def skip_to(self, place: int) -> None:
        self.skip(place - self.at)

    def skip_all(self, characters: str) -> None:
        """Skip the characters that are in CHARACTERS."""
        while not self.ended and self.here in characters:
            self.skip()

    def error(self, what: str) -> UclError:
        """Return the complaint WHAT about the place where the reader stands (ucl_set_err)."""
        if self.ended:
            return UclError(f"error while parsing {self.name}: at the end of chunk: {what}")
        shown = self.here if "!" <= self.here <= "~" else f"0x{ord(self.here):02x}"
        place = f"line: {self.line}, column: {self.column}"
        return UclError(f"error while parsing {self.name}: {place} - '{what}', character: '{shown}'")

    # --- comments and strings ---

    def skip_comments(self) -> None:
        """Skip the comments that begin here, one right after the other."""
        while not self.ended:
            if self.here == "#":
                end = self.text.find("\n", self.at)
                self.skip_to(len(self.text) if end < 0 else end + 1)
            elif self.text.startswith("/*", self.at):
                self._skip_block_comment()
            else:
                return

    def _skip_block_comment(self) -> None:
        if "*/" not in self.text[self.at + 2 :]:
            self.skip_to(len(self.text))
            raise self.error("unfinished multiline comment")
        match = _PLAIN_COMMENT.match(self.text, self.at)
        if match is None:
            raise Unmodelled("UCL: a comment that versions of libucl read differently: it has quotes, stars or slashes")
        self.skip_to(match.end())

    def double_quoted(self) -> str:
        """Read what follows an opening double quote, up to and with the closing one; return it as it stands there."""
        start = self.at
        while not self.ended:
            if self.here < "\x1f":
                raise self.error("unexpected newline" if self.here == "\n" else "unexpected control character")
            if self.here == "\\":
                self._skip_escape()
            elif self.here == '"':
                self.skip()
                return self.text[start : self.at - 1]
            else:
                self.skip()
        raise self.error("no quote at the end of json string")

    def _skip_escape(self) -> None:
        self.skip()
        if self.ended:
            raise self.error("unfinished escape character")
        if self.here not in _ESCAPES:
            return
        unicode = self.here == "u"
        self.skip()
        if unicode:
            self._skip_four_digits()

    def _skip_four_digits(self) -> None:
        for _ in range(4):
            if not self.ended and self.here not in "0123456789abcdefABCDEF":
                raise self.error("invalid utf escape")
            self.skip()
        if self.ended:
            raise self.error("unfinished escape character")

    def single_quoted(self) -> str:
        """Read what follows an opening single quote, up to and with the closing one; return it as it stands there."""
        start = self.at
        while not self.ended:
            if self.here == "'":
                self.skip()
                return self.text[start : self.at - 1]
            escaped = self.here == "\\"
            self.skip()
            if escaped and self.ended:
                raise self.error("unfinished escape character")
            self.skip(int(escaped))
        raise self.error("no quote at the end of single quoted string")


def plain(raw: str) -> str:
    """Return characters that stand for bytes as text."""
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def expand(raw: str) -> str:
    """Return RAW as it is: a `$` means itself unless libucl knows the variable."""
    if _VARIABLE.search(raw):
        raise Unmodelled("UCL: the variables CURDIR and FILENAME")
    return raw


def unescape(raw: str) -> str:
    r"""Resolve the escapes of a double-quoted or unquoted string; a pair of surrogates stays two characters."""
    if len(raw) <= 1:
        return raw
    parts: list[str] = []
    at = 0
    while at < len(raw):
        if raw[at] != "\\" or at + 1 == len(raw):
            parts.append(raw[at])
            at += 1
        elif raw[at + 1] == "u" and at + 5 < len(raw):
            parts.append(_of_code(raw[at + 2 : at + 6]))
            at += 6
        else:
            parts.append(_ESCAPED.get(raw[at + 1], raw[at + 1]))
            at += 2
    return "".join(parts)


def _of_code(digits: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{4}", digits) or digits == "0000":
        raise Unmodelled(f"UCL: the character u{digits} in a string")
    return chr(int(digits, 16)).encode("utf-8", "surrogatepass").decode("latin-1")


def unescape_single(raw: str) -> str:
    r"""Resolve the escapes of a single-quoted string: `\'`, and a backslash that ends the line."""
    if len(raw) <= 1:
        return raw
    return re.sub(r"\\(\r\n|[\s\S])", lambda match: _single(match.group(1)), raw)


def _single(escaped: str) -> str:
    if escaped == "'":
        return "'"
    return "" if escaped in ("\n", "\r", "\r\n") else f"\\{escaped}"
