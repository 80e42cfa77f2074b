"""How ctld writes a message: vis(3) encoding with VIS_NL, and the limit of one message."""

from __future__ import annotations

_LIMIT = 1024


def _encode(byte: int) -> str:
    if byte == 0x5C:
        return "\\\\"
    if byte == 0x09 or 0x20 <= byte < 0x7F:
        return chr(byte)
    low = byte & 0x7F
    prefix = "\\M" if byte & 0x80 else "\\"
    if 0x20 < low < 0x7F:
        return f"{prefix}-{chr(low)}"
    if low == 0x20:
        return "\\240"
    return f"{prefix}^{chr(low ^ 0x40)}"


def encode(text: str) -> str:
    """Return TEXT as ctld logs it: one line, control and high bytes visible, cut at 1023 bytes."""
    raw = text.encode("utf-8", "surrogateescape")[: _LIMIT - 1]
    return "".join(map(_encode, raw))
