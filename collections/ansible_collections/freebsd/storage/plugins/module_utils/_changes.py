# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is done to objects that people name, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, NamedTuple, Optional

from ._ctl.sections import Named
from ._zfs.dataset import Dataset

Noun = Optional[dict[str, object]]


class RunZfs(NamedTuple):
    """Run a command on the dataset or snapshot `name`, which `ends` with it or is to be read afterwards."""

    argv: tuple[str, ...]
    name: str
    ends: bool = False


class Enter(NamedTuple):
    """Have the `entry`, or none, stand in ctl.conf under the key; `before`: what stands there."""

    key: str
    entry: Optional[Named]
    before: Optional[Named]


class Resize(NamedTuple):
    """Have the kernel show at least these bytes of a LUN."""

    lun: str
    size_bytes: int


class Change(NamedTuple):
    """
    What becomes of an object that a person named, in the form in which it is reported.

    `due`: it is not as it is to be. `tell` makes a noun of the `dataset` once it is read again.
    `hint` is shown in the difference beside the noun: secrets cannot be. `assumed` is not there, and
    was taken to be, because in check mode earlier tasks have not made it.
    """

    before: Noun
    after: Noun
    due: bool
    dataset: str = ""
    tell: Optional[Callable[[Dataset], dict[str, object]]] = None
    hint: Mapping[str, object] = {}
    assumed: tuple[str, ...] = ()
