"""The unix socket the driver listens on."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import PurePosixPath

from csi_driver.config import ConfigError

# sockaddr_un.sun_path without its final NUL: 108 on Linux, 104 on FreeBSD and macOS.
_PATH_MAX_BYTES = 103


def socket_path(endpoint: str | None) -> str:
    """Return the path in `unix:///….sock`; raise `ConfigError` for anything else."""
    if not endpoint:
        raise ConfigError("CSI_ENDPOINT is not set; set it to unix:///<absolute path>.sock")
    path = endpoint.removeprefix("unix:").removeprefix("//")
    if not endpoint.startswith("unix:") or not PurePosixPath(path).is_absolute() or not path.endswith(".sock"):
        raise ConfigError(f"CSI_ENDPOINT {endpoint!a} cannot be used; set it to unix:///<absolute path>.sock")
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        raise ConfigError(f"CSI_ENDPOINT: the path is longer than {_PATH_MAX_BYTES} bytes; use a shorter one")
    return path


def remove_stale(path: str) -> None:
    """
    Remove the socket that a process left behind when it died.

    Raises `ConfigError` when something else is there, or when somebody still answers on it.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"CSI_ENDPOINT: {path} is not a socket; remove it, or use another path")
    if _is_answered(path):
        raise ConfigError(f"CSI_ENDPOINT: another process serves {path}; stop it, or use another path")
    os.unlink(path)  # noqa: PTH108 - a plain string all along


def _is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True
