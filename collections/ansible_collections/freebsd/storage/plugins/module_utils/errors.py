# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What can go wrong on a storage host, as one closed set of codes.

A code says what a caller may conclude, so it is chosen by that: V(uncertain) and V(degraded) when
the outcome cannot be known or the host cannot be judged, V(internal) only when it is known that
nothing was made. The same words are the codes of the CSI driver.
"""

from __future__ import annotations

from typing import Optional

CODES = frozenset(
    {
        "invalid",
        "not_found",
        "source_not_found",
        "exists_differently",
        "published_differently",
        "foreign_name",
        "out_of_range",
        "out_of_space",
        "limit_reached",
        "in_use",
        "published_elsewhere",
        "unsupported",
        "denied",
        "host_retired",
        "busy",
        "copying",
        "degraded",
        "uncertain",
        "internal",
    }
)


class HostError(Exception):
    """
    One resource, or the whole request, cannot be brought to the wanted state.

    `msg` is for people: it names the object and the remedy and never holds a secret. `option` names
    the option at fault, `expected` and `actual` what was asked for and what is there.
    """

    def __init__(
        self,
        code: str,
        msg: str,
        *,
        option: Optional[str] = None,
        expected: Optional[object] = None,
        actual: Optional[object] = None,
    ) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not an error code")
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.option = option
        self.expected = expected
        self.actual = actual

    def as_dict(self) -> dict[str, object]:
        """Return the error in the form in which modules report it."""
        told: dict[str, object] = {"code": self.code, "msg": self.msg}
        extra = {"option": self.option, "expected": self.expected, "actual": self.actual}
        told.update({key: value for key, value in extra.items() if value is not None})
        return told

    def __repr__(self) -> str:
        return f"HostError({self.code!r}, {self.msg!r})"
