# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the CAM target layer of a host is like: its LUNs, ports and sessions, and what is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from .._ctl import check
from .._ctl.model import Kernel, Lun, Port, Session
from .._ctl.seam import Section
from .._names import masked_target
from .._nouns import drift_nouns
from .._zfs.model import Drift
from .kind import NounDict


def nouns_of(kernel: Kernel, logins: tuple[Session, ...], section: Section) -> NounDict:
    """Return all of it as it is reported; the tokens in the names of publications' targets are not."""
    names = {lun.id: lun.name or None for lun in kernel.luns}
    return {
        "ctld": {"running": kernel.daemon.pid is not None, "config": kernel.daemon.config, "ucl": kernel.daemon.ucl},
        "limits": {"ports": kernel.max_ports, "luns": kernel.max_luns},
        "luns": [_lun(lun) for lun in kernel.luns],
        "ports": [_port(port, names) for port in kernel.ports],
        "sessions": [{**login._asdict(), "target": masked_target(login.target)} for login in logins],
        "drift": drift_nouns(_drift(kernel, section)),
    }


def _lun(lun: Lun) -> NounDict:
    return {
        "id": lun.id,
        "name": lun.name or None,
        "path": lun.path,
        "size_bytes": lun.size_blocks * lun.blocksize,
        "blocksize": lun.blocksize,
        "serial": lun.serial,
        "device_id": lun.device_id,
    }


def _port(port: Port, names: Mapping[int, Optional[str]]) -> NounDict:
    return {
        "id": port.id,
        "frontend": port.frontend,
        "online": port.online,
        "target": masked_target(port.target) or None,
        "portal_group": port.portal_group or None,
        "luns": [{"number": number, "name": names.get(lun)} for number, lun in sorted(port.luns.items())],
        "initiators": list(port.initiators),
    }


def _drift(kernel: Kernel, section: Section) -> list[Drift]:
    unmet = check.unmet(section.named.values(), kernel)
    bare = (lun for lun in kernel.luns if lun.name and not lun.size_blocks)
    stopped = [Drift("stopped", "ctld", "it does not run, so nobody can log in; start it: service ctld start")]
    return [
        *([] if kernel.daemon.pid is not None else stopped),
        *(Drift("unmet", key, why) for key, why in unmet.items()),
        *(Drift("edited", key, "its part of the configuration was changed by hand") for key in sorted(section.stale)),
        *(Drift("no_medium", lun.name, f"{lun.path} cannot be opened") for lun in bare),
    ]
