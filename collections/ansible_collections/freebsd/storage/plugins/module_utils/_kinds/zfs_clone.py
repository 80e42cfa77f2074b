# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Clones that people name: filesystems or volumes, as their snapshot is of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
    check_settled,
    different,
    differently,
    full_name,
    needed,
    nouns_of,
)
from .kind import Kind, NounDict, Options, Wish

NOUN = "zfs_clone"
_ALL = tuple(sorted({*values.FILESYSTEM_PROPERTIES, *values.VOLUME_PROPERTIES} - values.ONCE))


class _Clone(NamedTuple):
    snapshot: str
    properties: Mapping[str, str]

    def make(self, facts: Facts, name: str) -> Made:
        snapshot = full_name(facts, self.snapshot)
        check_settled(facts, snapshot)
        assumed = needed(facts, snapshot, f"{name} is to be its clone", option="snapshot", code="source_not_found")
        source = facts.dataset(snapshot.partition("@")[0]) or Dataset(snapshot, VOLUME)
        own = {"volmode": "dev"} if source.type == VOLUME else {}
        settings = {**own, **self.properties}
        dataset = Dataset(
            name,
            source.type,
            properties=settings,
            size_bytes=source.size_bytes,
            volblocksize=source.volblocksize,
            origin=snapshot,
        )
        argv = api.make_clone(name, snapshot, {**settings, **marks(NOUN, owner_value(facts))})
        return Made(argv, dataset, assumed)

    def settle(self, facts: Facts, found: Dataset) -> Settled:
        snapshot = full_name(facts, self.snapshot)
        if found.origin != snapshot:
            raise differently(found, "snapshot", snapshot, found.origin or "none", "the origin")
        changes = different(found, self.properties)
        return Settled(changes, found._replace(properties={**found.properties, **changes}))


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    snapshot = check_name(options["snapshot"], snapshot=True, option="snapshot")
    clone = _Clone(snapshot, check_properties(options["properties"], _ALL))
    return Subject(NOUN, check_name(options["name"]), options["adopt"], clone.make, clone.settle)


def _absent(options: Options) -> Wish:
    return Unwanted(NOUN, check_name(options["name"]))


def _nouns(facts: Facts) -> list[NounDict]:
    return nouns_of(facts, VOLUME, clones=True)


KIND = Kind(
    name=NOUN,
    spec={"name": NAME, "snapshot": {"type": "str"}, "properties": PROPERTIES, "adopt": ADOPT},
    required=("snapshot",),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
