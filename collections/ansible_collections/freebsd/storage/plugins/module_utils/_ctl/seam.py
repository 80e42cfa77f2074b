# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The seam to the target layer of a host: plain data in, plain data out.

All that needs root is behind it, so that the same code can serve in this process or in a program
that runs as root and is given the data on its standard input.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple, Optional, Protocol

from .model import Chap, Export, Kernel, Session
from .sections import Named


class Wanted(NamedTuple):
    """
    What is to hold once the owner's exports have been brought about.

    `exports` is all there is to be. Of these `additions` are new, and taken back if they fail;
    `confirm` have to be shown by the kernel. The targets in `gone` and the LUNs in `gone_luns` have
    to be gone from it. `sizes` has the bytes that LUNs have to show, where they are shown at all.

    `named` is all there is to be of what people named, by key; None: what there is. Its keys are
    among `additions` if they are new or another version, which is taken back to what it was, and
    among `confirm` and `gone` like targets. `confirm_named`: whatever people named is confirmed.

    `chap` has the secrets that came with this request, by target; those of other exports are kept
    behind the seam, and stay there as long as they are among `exports`, or as these are not `complete`.
    """

    owner: str
    exports: tuple[Export, ...]
    additions: frozenset[str]
    confirm: frozenset[str]
    gone: frozenset[str]
    gone_luns: frozenset[str]
    sizes: Mapping[str, int] = {}
    named: Optional[Mapping[str, Named]] = None
    confirm_named: bool = False
    chap: Mapping[str, Chap] = {}
    complete: bool = True


class Comparison(NamedTuple):
    """
    What differs from what is wanted: targets, and what else was named, by key.

    `unwritten` do not stand in the configuration as they should; `strange`: something else does, in
    the owner's part. `unmet` are not, or not rightly, shown by the kernel, and `lingering` are shown and should
    be gone, with a reason each.
    """

    unwritten: frozenset[str]
    strange: bool
    unmet: Mapping[str, str]
    lingering: Mapping[str, str]


class Section(NamedTuple):
    """
    The owner's part of the configuration as far as people named it, by key.

    `foreign` are the iSCSI names of which the rest of the configuration speaks, and `stale` the keys of
    what was changed in it by hand.
    """

    named: Mapping[str, Named] = {}
    foreign: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()


class Settled(NamedTuple):
    """
    What came of it; targets, and what else was named, by key, with a reason each.

    `refused` and `failed` are additions that were taken back: ctld would not have them, or the
    kernel did not show them. `unconfirmed` were there before and are not shown. `lingering` should
    be gone and are not. `left_out` were there before, and are kept out because ctld refuses them.
    `mended` were exports already and had to be brought back. `vanished` are targets of others that
    were shown before and are not any more. `small` are LUNs that do not show their size.
    """

    refused: Mapping[str, str]
    failed: Mapping[str, str]
    unconfirmed: Mapping[str, str]
    lingering: Mapping[str, str]
    left_out: Mapping[str, str]
    mended: frozenset[str]
    vanished: tuple[str, ...]
    reloads: int
    small: Mapping[str, str] = {}


class CtlHost(Protocol):
    """The target layer of one host."""

    def observe(self) -> Kernel:
        """Look at ctld and the kernel's tables; raise `HostError` where they cannot be read."""

    def section(self, owner: str, kernel: Kernel) -> Section:
        """Read what people named for this owner; raise `HostError` where it cannot be read."""

    def logins(self) -> tuple[Session, ...]:
        """Look at who is logged in; raise `HostError` where that cannot be read."""

    def compare(self, wanted: Wanted, kernel: Kernel) -> Comparison:
        """Tell what `converge` would find to do, and change nothing; raise `HostError` where it cannot be told."""

    def converge(self, wanted: Wanted, before: Kernel) -> Settled:
        """
        Bring the exports about; raise `HostError` if nothing could be changed.

        `before` is what `observe` returned under the same lock.
        """


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """Real time."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Patience(NamedTuple):
    """
    How long to wait for the kernel's tables after a reload, in seconds.

    `limit` in all; `signal` until ctld is told again, doubled each time; `grace` for the rest once
    part of it has come about; `aftermath` for what is taken back.
    """

    limit: float = 20.0
    signal: float = 1.0
    grace: float = 2.5
    aftermath: float = 2.0
    first_pause: float = 0.002
    longest_pause: float = 0.1
