"""
The actions behind both grammars: each puts one fact into the configuration or refuses it.

Order of the checks and their words: usr.sbin/ctld/conf.cc, ctld.cc, lib/libiscsiutil.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.config import (
    DEFAULT_PORT,
    MAX_LUNS,
    AuthGroup,
    Config,
    ConfigError,
    Credential,
    Lun,
    Port,
    Portal,
    PortalGroup,
    Target,
)

AUTH_TYPES = ("none", "deny", "chap", "chap-mutual")
FILTERS = ("none", "portal", "portal-name", "portal-name-auth")
DEVICE_TYPES = {"disk": 0, "direct": 0, "processor": 3} | dict.fromkeys(("cd", "cdrom", "dvd", "dvdrom"), 5)
MAX_NAME = 223


class Builder:
    """
    Builds a `Config` as ctld of RELEASE does. Refusals are told to WARN and raised as `ConfigError`.

    Before 15 some things are not checked, and one refusal says nothing (usr.sbin/ctld/ctld.c, parse.y of 14).
    """

    def __init__(self, config: Config, warn: Callable[[str], None], release: str) -> None:
        self.config = config
        self.warn = warn
        self.before_15 = release.startswith("14")

    def refuse(self, text: str) -> ConfigError:
        self.warn(text)
        return ConfigError(text)

    # --- global ---

    def set_pidfile(self, path: str) -> None:
        if self.config.pidfile is not None:
            raise self.refuse(msg.PIDFILE_TWICE)
        self.config.pidfile = path

    def add_isns_server(self, address: str) -> None:
        if parse_address(address, 3205) is None:
            raise self.refuse(msg.INVALID_ISNS_ADDRESS.format(address))

    def add_option(self, options: dict[str, str], name: str, value: str) -> None:
        if name in options:
            raise self.refuse(msg.DUPLICATED_OPTION.format(name))
        options[name] = value

    # --- auth-group ---

    def start_auth_group(self, name: str) -> AuthGroup:
        if name == "default" and not self.config.default_auth_group_defined:
            self.config.default_auth_group_defined = True
            return self.config.auth_groups[name]
        if name in self.config.auth_groups:
            raise self.refuse(msg.DUPLICATED_AUTH_GROUP.format(name))
        group = AuthGroup(f'auth-group "{name}"', name)
        self.config.auth_groups[name] = group
        return group

    def set_auth_type(self, group: AuthGroup, value: str) -> None:
        if value not in AUTH_TYPES:
            raise self.refuse(msg.INVALID_AUTH_TYPE.format(value, group.label))
        if group.type not in (None, value):
            raise self.refuse(msg.AUTH_TYPE_CONFLICT.format(value, group.label))
        group.type = value

    def add_chap(self, group: AuthGroup, user: str, secret: str) -> None:
        self._set_implied_type(group, "chap")
        self._check_secret(group, user, secret, "secret")
        self._add_user(group, user, Credential(secret))

    def add_chap_mutual(self, group: AuthGroup, user: str, secret: str, user2: str, secret2: str) -> None:
        self._set_implied_type(group, "chap-mutual")
        self._check_secret(group, user, secret, "secret")
        self._check_secret(group, user, secret2, "mutual secret")
        self._add_user(group, user, Credential(secret, user2, secret2))

    def _set_implied_type(self, group: AuthGroup, kind: str) -> None:
        if group.type is None:
            group.type = kind
        if group.type != kind:
            raise self.refuse(msg.MIXED_AUTH.format(kind, group.label))

    def _check_secret(self, group: AuthGroup, user: str, secret: str, what: str) -> None:
        length = len(secret.encode("utf-8", "surrogateescape"))
        if length > 16:
            self.warn(msg.SECRET_TOO_LONG.format(what, user, group.label))
        if length < 12:
            self.warn(msg.SECRET_TOO_SHORT.format(what, user, group.label))

    def _add_user(self, group: AuthGroup, user: str, credential: Credential) -> None:
        if user in group.users and self.before_15:
            return
        if user in group.users:
            raise self.refuse(msg.DUPLICATE_CREDENTIALS.format(user, group.label))
        group.users[user] = credential

    def add_initiator_name(self, group: AuthGroup, name: str) -> None:
        """
        Add NAME; duplicates are ignored.

        It does not set the type: a group without auth-type and without users denies every login,
        whatever names it holds.
        """
        if name not in group.initiator_names:
            group.initiator_names.append(name)

    def add_initiator_portal(self, group: AuthGroup, text: str) -> None:
        try:
            network = ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            complaint = msg.INVALID_INITIATOR_PORTAL_14 if self.before_15 else msg.INVALID_INITIATOR_PORTAL
            raise self.refuse(complaint.format(text, group.label)) from None
        group.initiator_portals.append(network)

    # --- portal-group ---

    def start_portal_group(self, name: str) -> PortalGroup:
        if name == "default" and not self.config.default_portal_group_defined:
            self.config.default_portal_group_defined = True
            return self.config.portal_groups[name]
        if name in self.config.portal_groups:
            raise self.refuse(msg.DUPLICATED_PORTAL_GROUP.format(name))
        group = PortalGroup(name)
        self.config.portal_groups[name] = group
        return group

    def add_listen(self, group: PortalGroup, text: str, *, iser: bool = False) -> None:
        address = parse_address(text, DEFAULT_PORT)
        if address is None:
            raise self.refuse(msg.INVALID_LISTEN.format(text))
        group.portals.append(Portal(text, *address, iser=iser))

    def set_discovery_auth_group(self, group: PortalGroup, name: str) -> None:
        if group.discovery_auth_group is not None:
            raise self.refuse(msg.DISCOVERY_AUTH_GROUP_TWICE.format(group.name))
        found = self.config.auth_groups.get(name)
        if found is None:
            raise self.refuse(msg.UNKNOWN_DISCOVERY_AUTH_GROUP.format(name, group.name))
        found.referenced = True
        group.discovery_auth_group = found

    def set_discovery_filter(self, group: PortalGroup, value: str) -> None:
        if value not in FILTERS:
            raise self.refuse(msg.INVALID_FILTER.format(value, group.name))
        if group.discovery_filter not in (None, value):
            raise self.refuse(msg.FILTER_CONFLICT.format(value, group.name))
        group.discovery_filter = value

    def set_offload(self, group: PortalGroup, value: str) -> None:
        if group.offload is not None:
            raise self.refuse(msg.OFFLOAD_TWICE.format(value, group.name))
        group.offload = value

    def set_redirection(self, group: PortalGroup, address: str) -> None:
        if group.redirection is not None:
            raise self.refuse(msg.REDIRECTION_TWICE.format(address, group.name))
        group.redirection = address

    def set_dscp(self, group: PortalGroup, value: int) -> None:
        if value >= 0x40:
            raise self.refuse(msg.INVALID_DSCP.format(value, group.name))
        group.dscp = value

    def set_pcp(self, group: PortalGroup, value: int) -> None:
        if value > 7:
            raise self.refuse(msg.INVALID_PCP.format(value, group.name))
        group.pcp = value

    # --- lun ---

    def start_lun(self, name: str) -> Lun:
        if name in self.config.luns:
            raise self.refuse(msg.DUPLICATED_LUN.format(name))
        lun = Lun(name)
        self.config.luns[name] = lun
        return lun

    def set_lun_text(self, lun: Lun, attribute: str, value: str) -> None:
        """Set backend, path, serial or device_id, each at most once."""
        if getattr(lun, attribute) is not None:
            raise self.refuse(msg.LUN_KEY_TWICE.format(attribute, lun.name))
        setattr(lun, attribute, value)

    def set_lun_number(self, lun: Lun, attribute: str, value: int) -> None:
        """Set blocksize or size; ctld takes 0 for "not yet set"."""
        if getattr(lun, attribute) != 0:
            raise self.refuse(msg.LUN_KEY_TWICE.format(attribute, lun.name))
        setattr(lun, attribute, _signed32(value) if attribute == "blocksize" else value)

    def set_ctl_lun(self, lun: Lun, value: int) -> None:
        if lun.ctl_lun >= 0:
            raise self.refuse(msg.LUN_KEY_TWICE.format("ctl_lun", lun.name))
        lun.ctl_lun = _signed32(value)

    def set_device_type(self, lun: Lun, value: str) -> None:
        kind = DEVICE_TYPES.get(value.lower())
        if kind is None and re.fullmatch(r"\s*\+?\d+", value) and int(value) <= 15:
            kind = int(value)
        if kind is None:
            raise self.refuse(msg.INVALID_DEVICE_TYPE.format(value, lun.name))
        lun.device_type = kind

    # --- target ---

    def start_target(self, name: str) -> Target:
        if name.lower() in self.config.targets:
            raise self.refuse(msg.DUPLICATED_TARGET.format(name))
        if len(name.encode("utf-8", "surrogateescape")) >= MAX_NAME:
            self.warn(msg.OVERLONG_TARGET.format(name))
            raise self.refuse(msg.TARGET_NAME_INVALID_14.format(name)) if self.before_15 else ConfigError
        complaint = name_complaint(name)
        if complaint:
            self.warn(complaint)
        target = Target(name.lower())
        self.config.targets[target.name] = target
        return target

    def set_alias(self, target: Target, value: str) -> None:
        if target.alias is not None:
            raise self.refuse(msg.ALIAS_TWICE.format(target.name))
        target.alias = value

    def set_target_auth_group(self, target: Target, name: str) -> None:
        if target.auth_group is not None:
            named = target.auth_group.name is not None
            text = msg.AUTH_GROUP_TWICE if named else msg.AUTH_GROUP_AND_EXPLICIT
            raise self.refuse(text.format(target.name))
        target.auth_group = self._find_auth_group(target, name)

    def explicit_auth(self, target: Target, what: str) -> AuthGroup:
        """Return the group that holds TARGET's own authorisations, begun by keyword WHAT."""
        if target.auth_group is None:
            target.auth_group = AuthGroup(f'target "{target.name}"')
        elif target.auth_group.name is not None:
            raise self.refuse(msg.BOTH_AUTH_GROUP_AND.format(what, target.name))
        return target.auth_group

    def _find_auth_group(self, target: Target, name: str) -> AuthGroup:
        group = self.config.auth_groups.get(name)
        if group is None:
            raise self.refuse(msg.UNKNOWN_AUTH_GROUP.format(name, target.name))
        group.referenced = True
        return group

    def add_portal_group(self, target: Target, name: str, auth_name: str | None) -> None:
        group = self.config.portal_groups.get(name)
        if group is None:
            raise self.refuse(msg.UNKNOWN_PORTAL_GROUP.format(name, target.name))
        auth_group = None if auth_name is None else self._find_auth_group(target, auth_name)
        port = self.add_port(target, group)
        if port is None:
            raise self.refuse(msg.CANNOT_LINK.format(name, target.name))
        port.auth_group = auth_group

    def add_port(self, target: Target, group: PortalGroup) -> Port | None:
        """Link TARGET to GROUP; None when it already is."""
        port = Port(f"{group.name}-{target.name}", target, group)
        if self.config.find_port(port.name) is not None:
            self.warn(msg.DUPLICATE_PORT.format(port.name))
            return None
        self.config.ports[port.name.lower()] = port
        target.ports.append(port)
        return port

    def set_physical_port(self, target: Target, name: str) -> None:
        if target.physical_port is not None:
            raise self.refuse(msg.MULTIPLE_PHYSICAL_PORTS.format(target.name))
        target.physical_port = name

    def set_target_redirection(self, target: Target, address: str) -> None:
        if target.redirection is not None:
            raise self.refuse(msg.TARGET_REDIRECTION_TWICE.format(address, target.name))
        target.redirection = address

    def start_target_lun(self, target: Target, number: int) -> Lun:
        self._check_lun_number(target, number)
        lun = self.start_lun(f"{target.name},lun,{number}")
        target.luns[number] = lun
        return lun

    def add_target_lun(self, target: Target, number: int, name: str) -> None:
        self._check_lun_number(target, number)
        lun = self.config.luns.get(name)
        if lun is None and self.before_15:
            raise ConfigError
        if lun is None:
            raise self.refuse(msg.UNKNOWN_LUN.format(name, target.name))
        target.luns[number] = lun

    def _check_lun_number(self, target: Target, number: int) -> None:
        if self.before_15:
            return
        if number >= MAX_LUNS:
            raise self.refuse(msg.LUN_TOO_BIG.format(number, target.name))
        if number in target.luns:
            raise self.refuse(msg.DUPLICATE_LUN_NUMBER.format(number, target.name))


def _signed32(value: int) -> int:
    """Return VALUE as C's int would hold it."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def parse_address(text: str, default_port: int) -> tuple[str, int] | None:
    """
    Return (host, port) of a numeric address, None when ctld would refuse it.

    Names are refused too: the simulated host has no resolver.
    """
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(.+))?", text)
    if bracketed:
        host, port = bracketed.group(1), bracketed.group(2)
    elif text.count(":") == 1:
        host, port = text.split(":")
    else:
        host, port = text, None
    try:
        ipaddress.ip_address(host)
        number = default_port if port is None else int(port)
    except ValueError:
        return None
    return (host, number) if 0 <= number <= 65535 else None


def name_complaint(name: str) -> str | None:
    """Return ctld's warning about an odd target name, None for a good one."""
    prefix, rest = name[:4].lower(), name[4:]
    if prefix == "iqn.":
        odd = next((c for c in rest if not (c.isascii() and c.isalnum()) and c not in "-.:"), None)
        return odd and msg.INVALID_TARGET_CHARACTER.format(odd, name)
    if prefix == "eui." and len(rest) != 16:
        return msg.INVALID_EUI.format(name)
    if prefix == "naa." and len(rest) > 32:
        return msg.INVALID_NAA.format(name)
    if prefix in ("eui.", "naa."):
        odd = next((c for c in rest if c not in "0123456789ABCDEFabcdef"), None)
        return odd and msg.INVALID_HEX_CHARACTER.format(odd, name)
    return msg.INVALID_TARGET_PREFIX.format(name)
