# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The target layer, one at a time.

Whoever works ctld holds this lock: a module that is root, or the program that works for one that is
not. The lock of the runs would not do: a module that is not root can be killed while the program
goes on, and nothing that such a module can reach may decide when two programs write at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import _settings
from ..command import Commands
from .model import Kernel, Session
from .seam import Comparison, CtlHost, Section, Settled, Wanted


class LockedCtl:
    """Takes the lock for each look and each change."""

    def __init__(self, ctl: CtlHost, settings_dir: str, commands: Commands) -> None:
        self._ctl = ctl
        self._settings_dir = settings_dir
        self._commands = commands

    def observe(self) -> Kernel:
        with self._locked():
            return self._ctl.observe()

    def section(self, owner: str, kernel: Kernel) -> Section:
        with self._locked():
            return self._ctl.section(owner, kernel)

    def logins(self) -> tuple[Session, ...]:
        return self._ctl.logins()

    def compare(self, wanted: Wanted, kernel: Kernel) -> Comparison:
        with self._locked():
            return self._ctl.compare(wanted, kernel)

    def converge(self, wanted: Wanted, before: Kernel) -> Settled:
        with self._locked():
            return self._ctl.converge(wanted, before)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        timeout = max(self._commands.remaining(), 0)
        with _settings.locked(self._settings_dir, timeout, name=_settings.CTL_LOCK):
            yield
