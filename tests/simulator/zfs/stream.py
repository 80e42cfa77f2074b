"""
The simulator's own form of a send stream: opaque to everyone but zfs send and zfs receive.

A magic line, a length and a JSON header, then records in order of offset: ``W`` (offset, length, data), ``H`` (offset,
length: a hole), and at the end ``E`` with a checksum of the records.
"""

from __future__ import annotations

import binascii
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Protocol

MAGIC = b"SIMZFS1\n"
_RECORD = struct.Struct("!cQI")
_LENGTH = struct.Struct("!I")
_LONGEST_HEADER = 1 << 20
RECORD_BYTES = 128 << 10


class Truncated(Exception):
    """The stream ended in the middle."""


class Corrupt(Exception):
    """A record or the checksum is wrong."""


@dataclass(frozen=True)
class Header:
    """``toname`` is DATASET@SNAPSHOT; ``fromguid`` is 0 for a full stream; ``offset`` is where a resumed one begins."""

    toname: str
    toguid: int
    kind: str
    volsize: int
    volblocksize: int
    creation: int
    fromguid: int = 0
    resuming: bool = False
    offset: int = 0
    properties: dict[str, str] = field(default_factory=dict)
    snapshot_properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """``data`` is None for a hole of ``length`` bytes."""

    offset: int
    length: int
    data: bytes | None


class Source(Protocol):
    def exactly(self, count: int) -> bytes:
        """``count`` bytes, fewer only at the end of the stream."""


def encode(header: Header, records: Iterator[Record]) -> Iterator[bytes]:
    body = json.dumps(asdict(header)).encode()
    yield MAGIC + _LENGTH.pack(len(body)) + body
    checksum = 0
    for record in records:
        mark = b"H" if record.data is None else b"W"
        packed = _RECORD.pack(mark, record.offset, record.length) + (record.data or b"")
        checksum = zlib.crc32(packed, checksum)
        yield packed
    yield _RECORD.pack(b"E", 0, checksum)


def read_header(source: Source) -> Header | None:
    """The header; None when this is no stream of ours. Raises Truncated."""
    start = source.exactly(len(MAGIC) + _LENGTH.size)
    if len(start) < len(MAGIC) + _LENGTH.size:
        raise Truncated
    if not start.startswith(MAGIC):
        return None
    (length,) = _LENGTH.unpack(start[len(MAGIC) :])
    body = source.exactly(min(length, _LONGEST_HEADER))
    if len(body) < length:
        raise Truncated
    return Header(**json.loads(body))


def read_records(source: Source) -> Iterator[Record]:
    """The records up to the end mark; raises Truncated or Corrupt."""
    checksum = 0
    while True:
        packed = source.exactly(_RECORD.size)
        if len(packed) < _RECORD.size:
            raise Truncated
        mark, offset, length = _RECORD.unpack(packed)
        if mark == b"E":
            if length != checksum:
                raise Corrupt
            return
        if mark not in (b"W", b"H") or length > RECORD_BYTES:
            raise Corrupt
        data = source.exactly(length) if mark == b"W" else None
        if data is not None and len(data) < length:
            raise Truncated
        checksum = zlib.crc32(packed + (data or b""), checksum)
        yield Record(offset, length, data)


class BadToken(ValueError):
    """The reason in libzfs's words."""


@dataclass(frozen=True)
class ResumeToken:
    toname: str
    toguid: int
    fromguid: int
    offset: int

    def text(self) -> str:
        """``1-checksum-length-payload`` as libzfs writes it (the checksum is ours)."""
        plain = json.dumps(asdict(self)).encode()
        packed = zlib.compress(plain)
        return f"1-{zlib.crc32(packed):x}-{len(plain):x}-{packed.hex()}"


def parse_token(text: str) -> ResumeToken:
    parts = text.split("-")
    try:
        version, checksum, length = int(parts[0]), int(parts[1], 16), int(parts[2], 16)
    except (ValueError, IndexError) as error:
        raise BadToken("resume token is corrupt (invalid format)") from error
    if version != 1:
        raise BadToken(f"resume token is corrupt (invalid version {version})")
    try:
        packed = bytes.fromhex(parts[-1])
    except (ValueError, binascii.Error) as error:
        raise BadToken("resume token is corrupt (payload is not hex-encoded)") from error
    if zlib.crc32(packed) != checksum:
        raise BadToken("resume token is corrupt (incorrect checksum)")
    plain = zlib.decompress(packed)
    if len(plain) != length:
        raise BadToken("resume token is corrupt (decompression failed)")
    return ResumeToken(**json.loads(plain))
