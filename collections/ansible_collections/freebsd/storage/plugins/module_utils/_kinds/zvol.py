# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Volumes that people name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .._state import Facts, owner_value
from .._zfs import api, values
from .._zfs.dataset import VOLUME, Dataset, marks
from .datasets import (
    ADOPT,
    NAME,
    PROPERTIES,
    Made,
    Settled,
    Subject,
    Unwanted,
    check_name,
    check_properties,
    different,
    differently,
    nouns_of,
)
from .kind import Kind, NounDict, Options, Wish, invalid

NOUN = "zvol"
_DEFAULT_VOLBLOCKSIZE = 16384
_VOLBLOCKSIZES = tuple(1 << power for power in range(9, 25))


class _Zvol(NamedTuple):
    """`volblocksize` 0 and `thin` None: as it is, or as is usual if it is new."""

    size_bytes: int
    volblocksize: int
    thin: Optional[bool]
    properties: Mapping[str, str]

    def make(self, facts: Facts, name: str) -> Made:
        thin = self.thin is not False
        block = self.volblocksize or _DEFAULT_VOLBLOCKSIZE
        size = _whole(self.size_bytes, block)
        settings = {"volmode": "dev", **self.properties}
        options = {"volblocksize": str(block), **settings, **marks(NOUN, owner_value(facts))}
        dataset = Dataset(name, VOLUME, properties=settings, size_bytes=size, volblocksize=block, thin=thin)
        return Made(api.make(name, options, size_bytes=size, thin=thin), dataset)

    def settle(self, _facts: Facts, found: Dataset) -> Settled:
        if found.type != VOLUME:
            raise differently(found, "name", VOLUME, found.type, "type")
        if self.volblocksize not in (0, found.volblocksize):
            raise differently(found, "volblocksize", self.volblocksize, found.volblocksize)
        size = _whole(self.size_bytes, found.volblocksize)
        if size < found.size_bytes:
            raise differently(found, "size", size, found.size_bytes, "a size of")
        changes = different(found, self.properties)
        after = found._replace(properties={**found.properties, **changes}, size_bytes=size)
        settings = {**changes, **({"volsize": str(size)} if size > found.size_bytes else {})}
        if self.thin not in (None, found.thin):
            after = after._replace(thin=not found.thin)
            settings["refreservation"] = "none" if after.thin else "auto"
        return Settled(settings, after)


def _whole(size: int, block: int) -> int:
    return -(-size // block) * block


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    try:
        size = values.size_of(options["size"])
    except ValueError as error:
        invalid("size", str(error))
    if size <= 0:
        invalid("size", "it has to be more than nothing")
    block = options["volblocksize"]
    if block is not None and block not in _VOLBLOCKSIZES:
        invalid("volblocksize", f"{block} is not a power of 2 from 512 to 16777216")
    properties = check_properties(options["properties"], values.VOLUME_PROPERTIES)
    zvol = _Zvol(size, block or 0, options["thin"], properties)
    return Subject(NOUN, check_name(options["name"]), options["adopt"], zvol.make, zvol.settle)


def _absent(options: Options) -> Wish:
    return Unwanted(NOUN, check_name(options["name"]))


def _nouns(facts: Facts) -> list[NounDict]:
    return nouns_of(facts, VOLUME)


KIND = Kind(
    name=NOUN,
    spec={
        "name": NAME,
        "size": {"type": "str"},
        "volblocksize": {"type": "int"},
        "thin": {"type": "bool"},
        "properties": PROPERTIES,
        "adopt": ADOPT,
    },
    required=("size",),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
