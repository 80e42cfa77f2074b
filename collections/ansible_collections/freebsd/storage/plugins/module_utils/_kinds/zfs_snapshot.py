# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Snapshots that people name."""

from __future__ import annotations

from collections.abc import Mapping

from .._state import Facts, owner_value
from .._zfs import api
from .._zfs.dataset import SNAPSHOT, Dataset, marks
from .datasets import ADOPT, NAME, Made, Settled, Subject, Unwanted, check_name, nouns_of
from .kind import Kind, NounDict, Options, Wish

NOUN = "zfs_snapshot"


def _make(facts: Facts, name: str) -> Made:
    return Made(api.make_snapshot(name, marks(NOUN, owner_value(facts))), Dataset(name, SNAPSHOT))


def _settle(_facts: Facts, found: Dataset) -> Settled:
    return Settled({}, found)


def _present(options: Options, _secrets: Mapping[str, object]) -> Wish:
    return Subject(NOUN, check_name(options["name"], snapshot=True), options["adopt"], _make, _settle)


def _absent(options: Options) -> Wish:
    return Unwanted(NOUN, check_name(options["name"], snapshot=True))


def _nouns(facts: Facts) -> list[NounDict]:
    return nouns_of(facts, SNAPSHOT)


KIND = Kind(
    name=NOUN,
    spec={"name": NAME, "adopt": ADOPT},
    required=(),
    present=_present,
    absent=_absent,
    nouns=_nouns,
)
