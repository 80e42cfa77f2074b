"""What really lies in the sparse files behind volumes: bytes allocated, and which blocks two files share."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 16384
_CHUNK = 1 << 20

BlockMap = dict[int, int]
"""Block number to a hash of its content; holes and blocks of zeros are absent."""

_ZERO = hash(bytes(BLOCK))


@dataclass(frozen=True)
class _Signature:
    """Changes whenever a file's content may have changed."""

    modified: int
    blocks: int
    size: int


class BlockMaps:
    """Maps of files, remembered until the file changes."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Signature, BlockMap]] = {}

    def of(self, path: Path) -> BlockMap:
        found = path.stat()
        signature = _Signature(found.st_mtime_ns, found.st_blocks, found.st_size)
        known = self._known.get(path)
        if known is None or known[0] != signature:
            known = (signature, read_map(path))
            self._known[path] = known
        return known[1]

    def forget(self, path: Path) -> None:
        self._known.pop(path, None)


def allocated_bytes(path: str) -> int:
    """Bytes the file really occupies; called for every volume by every command, so it takes a plain string."""
    return os.stat(path).st_blocks * 512  # noqa: PTH116 - see above


def read_map(path: Path) -> BlockMap:
    blocks: BlockMap = {}
    with path.open("rb") as file:
        for start, end in extents(file.fileno()):
            first = start // BLOCK
            file.seek(first * BLOCK)
            for number in range(first, (end + BLOCK - 1) // BLOCK):
                digest = hash(file.read(BLOCK).ljust(BLOCK, b"\0"))
                if digest != _ZERO:
                    blocks[number] = digest
    return blocks


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Ranges that hold data; where the filesystem cannot tell, the whole file."""
    size = os.fstat(descriptor).st_size
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def copy_sparse(source: Path, target: Path) -> None:
    """Make ``target``'s content that of ``source``, holes kept; an existing target keeps its inode (loop devices)."""
    size = source.stat().st_size
    target.touch(0o640)
    with source.open("rb") as reader, target.open("r+b") as writer:
        writer.truncate(0)
        writer.truncate(size)
        for start, end in extents(reader.fileno()):
            for offset in range(start, end, _CHUNK):
                chunk = os.pread(reader.fileno(), min(_CHUNK, end - offset), offset)
                _write_without_zeros(writer.fileno(), chunk, offset)


def _write_without_zeros(descriptor: int, chunk: bytes, offset: int) -> None:
    for begin in range(0, len(chunk), BLOCK):
        piece = chunk[begin : begin + BLOCK]
        if piece.strip(b"\0"):
            os.pwrite(descriptor, piece, offset + begin)


def differing(one: BlockMap, *others: BlockMap) -> int:
    """Bytes of the blocks of ``one`` that none of the others holds unchanged at the same place."""
    return BLOCK * sum(1 for number, digest in one.items() if all(other.get(number) != digest for other in others))
