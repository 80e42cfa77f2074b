# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Secrets: items name them, the request has them beside, and nothing shows them by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from .errors import HostError


class Secret:
    """A secret that came with a request. Only `reveal` tells it; whatever prints this prints the name."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"


def named(secrets: Mapping[str, object], name: Optional[str], option: str) -> Optional[Secret]:
    """Return the secret that an option names, None where it names none; raise `HostError` if it is not there."""
    if name is None:
        return None
    value = secrets.get(name)
    if not isinstance(value, str):
        raise HostError("invalid", f"{option}: secrets has no text called {name!a}", option=option)
    return Secret(name, value)
