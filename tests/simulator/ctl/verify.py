"""
What ctld checks once the whole file is read: its permissions and its sense.

Order and words: usr.sbin/ctld/ctld.cc, conf_new_from_file().
"""

from __future__ import annotations

import stat
from pathlib import Path

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.builder import Builder
from tests.simulator.ctl.config import DEFAULT_PIDFILE, Config, Lun, PortalGroup, Target

_PREDEFINED = ("default", "no-authentication", "no-access")
_CDROM = 5


def check_permissions(path: Path, shown_path: str, builder: Builder) -> None:
    """Warn when others than the owner's group may touch the file (which may hold secrets)."""
    mode = path.stat().st_mode
    for bit, text in (
        (stat.S_IWOTH, msg.WORLD_WRITABLE),
        (stat.S_IROTH, msg.WORLD_READABLE),
        (stat.S_IXOTH, msg.WORLD_EXECUTABLE),
    ):
        if mode & bit:
            builder.warn(text.format(shown_path))
            return


def apply_defaults(builder: Builder) -> None:
    """Complete the groups called default unless the file defined them."""
    config = builder.config
    if not config.default_auth_group_defined:
        config.auth_groups["default"].type = "deny"
    if not config.default_portal_group_defined:
        for address in ("0.0.0.0:3260", "[::]:3260") if builder.before_15 else ("0.0.0.0", "[::]"):
            builder.add_listen(config.portal_groups["default"], address)


def verify(builder: Builder) -> None:
    """Check the whole; warn or raise `ConfigError`, in ctld's order."""
    config = builder.config
    if config.pidfile is None:
        config.pidfile = DEFAULT_PIDFILE
    for lun in config.luns.values():
        _verify_lun(builder, lun)
    for target in config.targets.values():
        _verify_target(builder, target)
    for group in config.portal_groups.values():
        _verify_portal_group(builder, group)
    for name, auth_group in config.auth_groups.items():
        if name not in _PREDEFINED and not auth_group.referenced:
            builder.warn(msg.AUTH_GROUP_UNUSED.format(name))


def _verify_lun(builder: Builder, lun: Lun) -> None:
    _verify_backend(builder, lun)
    if lun.blocksize == 0:
        lun.blocksize = 2048 if lun.device_type == _CDROM else 512
    elif lun.blocksize < 0:
        if builder.before_15:
            raise builder.refuse(msg.INVALID_BLOCKSIZE_14.format(lun.name))
        raise builder.refuse(msg.INVALID_BLOCKSIZE.format(lun.blocksize, lun.name))
    if lun.size % lun.blocksize != 0:
        raise builder.refuse(msg.INVALID_SIZE.format(lun.name))


def _verify_backend(builder: Builder, lun: Lun) -> None:
    if lun.backend is None:
        lun.backend = "block"
    if lun.backend == "block" and lun.path is None:
        raise builder.refuse(msg.MISSING_PATH.format(lun.name))
    if lun.backend == "ramdisk" and lun.size == 0:
        raise builder.refuse(msg.MISSING_RAMDISK_SIZE.format(lun.name))
    if lun.backend == "ramdisk" and lun.path is not None:
        raise builder.refuse(msg.RAMDISK_PATH.format(lun.name))


def _verify_target(builder: Builder, target: Target) -> None:
    config: Config = builder.config
    if target.auth_group is None:
        target.auth_group = config.auth_groups["default"]
    if not target.ports:
        builder.add_port(target, config.portal_groups["default"])
    if not target.luns and target.redirection is None:
        builder.warn(msg.NO_LUNS.format(target.name))


def _verify_portal_group(builder: Builder, group: PortalGroup) -> None:
    config = builder.config
    if group.discovery_auth_group is None:
        group.discovery_auth_group = config.auth_groups["default"]
    if group.discovery_filter is None:
        group.discovery_filter = "none"
    used = any(port.portal_group is group for port in config.ports.values())
    group.unassigned = not used and group.redirection is None
    if group.unassigned and group.name != "default":
        builder.warn(msg.PORTAL_GROUP_UNUSED.format(group.name))
