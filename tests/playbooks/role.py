"""The variables of the role storage_host for a simulated host, whose files lie below one directory and are ours."""

from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import Any


def role_variables(info: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from a real FreeBSD host; `info` is `SimulatedHost.info`."""
    root = Path(info["control"]).parent
    return {
        "storage_host_parents": [info["parent"]],
        "storage_host_portals": info["portals"],
        "storage_host_settings_dir": info["settings_dir"],
        "storage_host_ctl_conf": str(root / "etc" / "ctl.conf"),
        "storage_host_loader_conf": str(root / "boot" / "loader.conf"),
        "storage_host__pf_conf": str(root / "etc/pf.conf"),
        "storage_host_python": info["python"],
        "storage_host__path": f"{root}/bin:/usr/bin:/bin",
        "storage_host__program": str(root / "usr/local/libexec/freebsd-storage"),
        "storage_host__sudoers": str(root / "usr/local/etc/sudoers.d/freebsd-storage"),
        "storage_host__doas_conf": str(root / "usr/local/etc/doas.conf"),
        "storage_host_owner": info["user"],
        "storage_host_group": grp.getgrgid(os.getgid()).gr_name,
    }
