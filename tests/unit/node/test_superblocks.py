"""How big a filesystem is and whether it is worth growing: told of what mkfs really makes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node import superblocks
from csi_driver.node.filesystems import FILESYSTEMS, Filesystems
from csi_driver.node.host import LocalHost

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 16384


def made(directory: Path, fs_type: str, size: int) -> Path:
    """A sparse file with a filesystem, made as the node makes one."""
    path = directory / f"{fs_type}-{size}"
    with path.open("wb") as file:
        file.truncate(size)
    subprocess.run((*FILESYSTEMS[fs_type].mkfs, str(path)), check=True, capture_output=True)
    return path


def grown(path: Path, size: int) -> str:
    with path.open("r+b") as file:
        file.truncate(size)
    return str(path)


@pytest.fixture
def filesystems() -> Filesystems:
    return Filesystems(LocalHost())


@pytest.mark.parametrize(
    ("fs_type", "sizes"),
    [
        ("ext4", [MIB, 3 * MIB, 8 * MIB + BLOCK, 64 * MIB, 64 * MIB + BLOCK, 65 * MIB, 600 * MIB, GIB + BLOCK]),
        ("ext4", [GIB + number * MIB for number in range(1, 128, 9)]),
        ("xfs", [300 * MIB, 301 * MIB + BLOCK, GIB, GIB + MIB]),
    ],
)
def test_a_new_filesystem_fills_its_device(
    filesystems: Filesystems, tmp_path: Path, fs_type: str, sizes: list[int]
) -> None:
    """Even where mkfs leaves out an end too small for a block group."""
    for size in sizes:
        path = made(tmp_path, fs_type, size)
        assert not filesystems.can_grow(str(path), fs_type), size
        path.unlink()


@pytest.mark.parametrize(
    ("fs_type", "before", "after"),
    [
        ("ext4", 64 * MIB, 65 * MIB),
        ("ext4", 64 * MIB, 128 * MIB),
        ("ext4", 600 * MIB, 616 * MIB),
        ("ext4", GIB, 5 * GIB),
        ("ext4", GIB, 10_000 * GIB),
        ("xfs", 300 * MIB, 301 * MIB),
        ("xfs", 300 * MIB, 5 * GIB),
    ],
)
def test_a_device_that_has_grown_is_noticed(
    filesystems: Filesystems, tmp_path: Path, fs_type: str, before: int, after: int
) -> None:
    """By a thousandth or a thousandfold."""
    path = grown(made(tmp_path, fs_type, before), after)
    assert filesystems.can_grow(path, fs_type)


def test_after_an_offline_growth_there_is_nothing_more_to_do(filesystems: Filesystems, tmp_path: Path) -> None:
    """Growing the file system on an image needs no privilege."""
    path = grown(made(tmp_path, "ext4", 64 * MIB), 200 * MIB)
    filesystems.grow_unmounted(path, "ext4", deadline=time.monotonic() + 60)
    assert not filesystems.can_grow(path, "ext4")
    assert superblocks.ext4(Path(path).read_bytes()[: superblocks.LENGTH]).size_bytes == 200 * MIB


def test_more_than_32_bits_of_blocks_are_counted(tmp_path: Path) -> None:
    """Above 16 TiB the number of blocks has a second half."""
    head = bytearray(made(tmp_path, "ext4", GIB).read_bytes()[: superblocks.LENGTH])
    assert superblocks.ext4(bytes(head)).size_bytes == GIB
    head[1024 + 336] = 3
    assert superblocks.ext4(bytes(head)).size_bytes == GIB + 3 * (1 << 32) * 4096


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
@pytest.mark.parametrize("content", [b"", b"short", bytes(4096)])
def test_what_is_no_superblock_is_not_guessed_at(
    filesystems: Filesystems, tmp_path: Path, fs_type: str, content: bytes
) -> None:
    """Nothing is grown on a guess."""
    path = tmp_path / "device"
    path.write_bytes(content)
    with pytest.raises(DriverError, match="cannot be told") as caught:
        filesystems.can_grow(str(path), fs_type)
    assert caught.value.code == ErrorCode.DEGRADED
