# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What a kind of object that people name consists of: its options, and what is done to have it or not.

One kind is one module, its `_info` twin, and a kind of resource of `apply`. All of them use the same
value, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, NoReturn, Protocol

from .._state import Facts, Plan
from ..errors import HostError

Options = Mapping[str, Any]
NounDict = dict[str, object]


class Wish(Protocol):
    """An object as somebody wants it, or wants it gone."""

    def plan(self, facts: Facts) -> Plan:
        """
        Return what has to be done; raise `HostError` where it cannot be had.

        Raise `NextRound` if it depends on what an earlier item of the batch changes.
        """


class Kind(NamedTuple):
    """
    A kind of named object; `name` is that of the module and of the noun in its result.

    `spec` has the options beside `state`, of which `required` are needed to have the object.
    `wish` gets them validated, and the secrets by name. `nouns` tells what objects there are.
    `apart` returns the options with their secrets taken out, and the secrets by the names put in place.
    """

    name: str
    spec: Mapping[str, Any]
    required: tuple[str, ...]
    present: Callable[[Options, Mapping[str, object]], Wish]
    absent: Callable[[Options], Wish]
    nouns: Callable[[Facts], list[NounDict]]
    apart: Callable[[Options], tuple[Options, Mapping[str, str]]] = lambda options: (options, {})


def invalid(option: str, problem: str) -> NoReturn:
    """Refuse a value of an option."""
    raise HostError("invalid", f"{option}: {problem}", option=option)
