# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Filesystems that people name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .._state import Facts, owner_value
from .._zfs import api, values
from .._zfs.dataset import FILESYSTEM, Dataset, marks
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
from .kind import Kind, NounDict, Options, Wish

NOUN = "zfs_dataset"


class _Filesystem(NamedTuple):
    properties: Mapping[str, str]

    def make(self, facts: Facts, name: str) -> Made:
        options = {**self.properties, **marks(NOUN, owner_value(facts))}
        return Made(api.make(name, options), Dataset(name, FILESYSTEM, properties=self.properties))

    def settle(self, _facts: Facts, found: Dataset) -> Settled:
        if found.type != FILESYSTEM:
            raise differently(found, "name", FILESYSTEM, found.type, "type")
        changes = different(found, self.properties)
        return Settled(changes, found._replace(properties={**found.properties, **changes}))


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    filesystem = _Filesystem(check_properties(options["properties"], values.FILESYSTEM_PROPERTIES))
    return Subject(NOUN, check_name(options["name"]), options["adopt"], filesystem.make, filesystem.settle)


def _absent(options: Options) -> Wish:
    return Unwanted(NOUN, check_name(options["name"]))


def _nouns(facts: Facts) -> list[NounDict]:
    return nouns_of(facts, FILESYSTEM)


KIND = Kind(
    name=NOUN,
    spec={"name": NAME, "properties": PROPERTIES, "adopt": ADOPT},
    required=(),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
