# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What this collection exports, and what the CAM target layer of the kernel shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

DEFAULT_CONFIG = "/etc/ctl.conf"
DEFAULT_MAX_PORTS = 256  # kern.cam.ctl.max_ports
DEFAULT_MAX_LUNS = 1024  # kern.cam.ctl.max_luns
ONE_WAY, MUTUAL = "one-way", "mutual"


class Chap(NamedTuple):
    """What an initiator proves itself with and, if there is a `mutual_user`, the target to it."""

    user: str
    secret: str
    mutual_user: str = ""
    mutual_secret: str = ""

    @property
    def kind(self) -> str:
        """Who proves itself: the initiator alone, or both."""
        return MUTUAL if self.mutual_user else ONE_WAY

    def __repr__(self) -> str:
        return f"Chap({self.user!r}, {self.kind})"


class Export(NamedTuple):
    """
    One volume exported to one initiator: everything ctl.conf says of it.

    `chap` is what the initiator has to know, None: nothing but its name. The `proof` is that, and is known to those
    alone who write ctl.conf; without it an export that needs it is not written.
    """

    target: str
    auth_group: str
    initiator: str
    portal_group: str
    lun: str
    path: str
    blocksize: int
    serial: str
    device_id: str
    naa: str
    readonly: bool
    chap: Optional[str] = None
    proof: tuple[Chap, ...] = ()

    @property
    def key(self) -> str:
        """By which it is known among entries of ctl.conf, and in the kernel."""
        return self.target


class Port(NamedTuple):
    """
    A port of the kernel. `luns` maps the LUN number initiators see to the kernel's LUN id.

    `portal_group` is empty if ctld did not make it.
    """

    id: int
    frontend: str
    online: bool
    target: str
    luns: Mapping[int, int]
    initiators: tuple[str, ...]
    portal_group: str = ""


class Lun(NamedTuple):
    """A LUN of the kernel; `size_blocks` 0: it has no medium. `name` is empty if ctld did not make it."""

    id: int
    name: str
    path: str
    size_blocks: int
    blocksize: int
    serial: str
    device_id: str


class Session(NamedTuple):
    """An initiator that is logged in to a target, and the address it came from."""

    initiator: str
    address: str
    target: str


class Daemon(NamedTuple):
    """The running ctld, or how it would be started; `pid` None: it does not run."""

    pid: Optional[int]
    config: str = DEFAULT_CONFIG
    ucl: bool = False


class Kernel(NamedTuple):
    """
    One look at ctld and at the kernel's tables. `sessions`: targets some initiator is logged in to.

    `proven` are the targets whose CHAP secrets are kept.
    """

    daemon: Daemon
    ports: tuple[Port, ...]
    luns: tuple[Lun, ...]
    sessions: frozenset[str] = frozenset()
    max_ports: int = DEFAULT_MAX_PORTS
    max_luns: int = DEFAULT_MAX_LUNS
    proven: frozenset[str] = frozenset()
