# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The target layer of a host where one does not log in as root.

It belongs behind one root-owned program that is run without arguments and takes the data of the
seam on its standard input. That program does not exist yet, and running ctladm, ctld and service
one by one through sudo or doas would need rules that allow too much, so it is refused.
"""

from __future__ import annotations

from ..errors import HostError
from .model import Kernel
from .seam import Section, Settled, Wanted


class PrivilegedCtl:
    """Refuses, and says what can be done instead."""

    def __init__(self, privilege: str) -> None:
        self._privilege = privilege

    def observe(self) -> Kernel:
        raise self._refusal()

    def section(self, owner: str, kernel: Kernel) -> Section:  # noqa: ARG002 - the seam's
        raise self._refusal()

    def converge(self, wanted: Wanted, before: Kernel) -> Settled:  # noqa: ARG002 - the seam's
        raise self._refusal()

    def _refusal(self) -> HostError:
        return HostError(
            "unsupported",
            f"publications with privilege {self._privilege} are not supported yet: "
            "log in as root and set privilege to none",
            option="privilege",
        )
