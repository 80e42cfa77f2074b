# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which size a volume gets. Pure; everything is bytes."""

from __future__ import annotations

from ..errors import HostError

DEFAULT_SIZE = 1 << 30
SIZE_LIMIT = (1 << 63) - 1  # off_t: what ZFS and CTL can address


def size_of(required: int, limit: int, block: int) -> int:
    """
    Return the size of a new volume: what is required, rounded up to whole blocks.

    Where only a limit is given, the default size or as much of it as fits. `limit` 0: any size will
    do. A clone begins with the size of its source: see `grown_size`.
    """
    if required == 0 and 0 < limit < DEFAULT_SIZE:
        size = limit // block * block
    else:
        size = _whole(required or DEFAULT_SIZE, block)
    return _checked(size, required, limit, block)


def grown_size(size: int, required: int, limit: int, block: int) -> int:
    """Return the size of a volume that has `size` already: never less, and only as much more as is required."""
    return _checked(max(size, _whole(required, block)), required, limit, block)


def fits(size: int, required: int, limit: int) -> bool:
    """Return whether a volume of that size is what someone wants."""
    return required <= size <= (limit or SIZE_LIMIT)


def _whole(size: int, block: int) -> int:
    return -(-size // block) * block


def _checked(size: int, required: int, limit: int, block: int) -> int:
    if size == 0 or 0 < limit < size:
        raise HostError(
            "out_of_range",
            f"no size of whole blocks of {block} bytes lies between required_bytes {required} and limit_bytes {limit}"
            + (f"; the least possible is {size}" if size else ""),
            option="limit_bytes",
        )
    if size > SIZE_LIMIT:
        raise HostError(
            "out_of_range",
            f"required_bytes {required} is more than a volume can have ({SIZE_LIMIT})",
            option="required_bytes",
        )
    return size
