"""
From UCL to a configuration as ctld of FreeBSD 15 does it.

Other than before: a section that comes twice is read as one, member by member; what is wrong inside a section refuses
the file; what may be many may be one or an array. Still so: unknown keys mean nothing; of a repeated plain value only
the first is seen; an unquoted `on` in `options` is the word `true`; a word for `dscp` is always refused, because ctld
compares the key and not the value. NVMe-oF is `Unmodelled`. Source: usr.sbin/ctld/uclparse.cc, conf.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.builder import Builder
from tests.simulator.ctl.config import AuthGroup, ConfigError, Lun, PortalGroup, Target
from tests.simulator.ctl.ucl.tree import Kind, Value
from tests.simulator.registry import Unmodelled

Entries = dict[str, Callable[[Value], None]]
_UINT = 1 << 32
_STRTOUL = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_CHAP = ("user", "secret")
_CHAP_MUTUAL = ("user", "secret", "mutual-user", "mutual-secret")


def members(value: Value) -> list[Value]:
    """
    Return what ctld's loop over VALUE meets.

    That is what is in it and in those that follow it under the same key: members of objects, elements of arrays, or the
    values themselves.
    """
    found: list[Value] = []
    for each in value.onwards:
        if each.kind is Kind.OBJECT:
            found += each.firsts
        elif each.kind is Kind.ARRAY:
            found += each.items
        else:
            found.append(each)
    return found


class Converter15:
    """Feeds a `Builder` from a UCL tree. Every refusal is a ConfigError."""

    def __init__(self, builder: Builder) -> None:
        self._build = builder

    def convert(self, top: Value) -> None:
        """Take the whole file."""
        config = self._build.config
        self._entries(
            top,
            {
                "debug": lambda value: setattr(config, "debug", self._integer(value)),
                "timeout": lambda value: setattr(config, "timeout", self._integer(value)),
                "maxproc": lambda value: setattr(config, "maxproc", self._integer(value)),
                "isns-period": lambda value: setattr(config, "isns_period", self._integer(value)),
                "isns-timeout": lambda value: setattr(config, "isns_timeout", self._integer(value)),
                "pidfile": lambda value: self._build.set_pidfile(self._string(value, msg.UCL_PIDFILE_NOT_STRING)),
                "isns-server": self._isns_servers,
                "auth-group": lambda value: self._sections(value, self._auth_group),
                "portal-group": lambda value: self._sections(value, self._portal_group),
                "transport-group": _not_modelled,
                "lun": lambda value: self._sections(value, self._lun),
            },
        )
        targets: Entries = {
            "controller": _not_modelled,
            "target": lambda value: self._sections(value, self._target),
        }
        self._entries(top, targets)

    def _entries(self, section: Value, entries: Entries) -> None:
        for value in members(section):
            entry = entries.get(value.key or "")
            if entry is not None:
                entry(value)

    def _sections(self, value: Value, convert: Callable[[Value], None]) -> None:
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(msg.UCL_SECTION_NOT_OBJECT.format(value.key))
        for section in members(value):
            convert(section)

    # --- kinds of values ---

    def _integer(self, value: Value) -> int:
        if value.number is None:
            raise self._build.refuse(msg.UCL_NOT_INTEGER.format(value.key))
        return value.number

    def _string(self, value: Value, complaint: str) -> str:
        if value.text is None:
            raise self._build.refuse(complaint)
        return value.text

    def _one_or_many(self, value: Value, kind: Kind, add: Callable[[Value], None], complaint: str) -> None:
        """Call ADD for VALUE if it is of KIND, or for each element if it is an array."""
        if value.kind is kind:
            add(value)
        elif value.kind is Kind.ARRAY:
            for element in members(value):
                add(element)
        else:
            raise self._build.refuse(complaint)

    def _isns_servers(self, value: Value) -> None:
        if value.kind is not Kind.ARRAY:
            raise self._build.refuse(msg.UCL_ISNS_NOT_ARRAY)
        for server in members(value):
            if server.text is None:
                raise ConfigError
            self._build.add_isns_server(server.text)

    # --- auth-group, and what a target has of one ---

    def _auth_group(self, section: Value) -> None:
        group = self._build.start_auth_group(section.key or "")
        entries = self._auth_entries("auth-group", section.key or "", lambda _keyword: group)
        entries["auth-type"] = lambda value: self._build.set_auth_type(group, value.text or "")
        self._entries(section, entries)

    def _auth_entries(self, kind: str, name: str, group: Callable[[str], AuthGroup]) -> Entries:
        """Return the entries an auth-group and a target share; GROUP gives the one to fill."""
        build = self._build

        def several(key: str, one: Kind, add: Callable[[Value], None]) -> Callable[[Value], None]:
            said = msg.UCL_NOT_ARRAY_OR.format(key, kind, name, one.name.lower())
            return lambda value: self._one_or_many(value, one, add, said)

        def add_chap(value: Value) -> None:
            user, secret = self._credentials(value, "chap", _CHAP, kind, name)
            build.add_chap(group("chap"), user, secret)

        def add_chap_mutual(value: Value) -> None:
            user, secret, user2, secret2 = self._credentials(value, "chap-mutual", _CHAP_MUTUAL, kind, name)
            build.add_chap_mutual(group("chap-mutual"), user, secret, user2, secret2)

        def add_name(value: Value) -> None:
            build.add_initiator_name(group("initiator-name"), value.text or "")

        def add_portal(value: Value) -> None:
            build.add_initiator_portal(group("initiator-portal"), value.text or "")

        return {
            "chap": several("chap", Kind.OBJECT, add_chap),
            "chap-mutual": several("chap-mutual", Kind.OBJECT, add_chap_mutual),
            "initiator-name": several("initiator-name", Kind.STRING, add_name),
            "initiator-portal": several("initiator-portal", Kind.STRING, add_portal),
            "host-address": _not_modelled,
            "host-nqn": _not_modelled,
        }

    def _credentials(self, value: Value, what: str, keys: tuple[str, ...], kind: str, name: str) -> list[str]:
        texts: list[str] = []
        for key in keys:
            found = value.find(key)
            if found is None or found.text is None:
                raise self._build.refuse(msg.UCL_STRING_MISSING.format(what, kind, name, key))
            texts.append(found.text)
        return texts

    # --- portal-group ---

    def _portal_group(self, section: Value) -> None:
        build = self._build
        group = build.start_portal_group(section.key or "")

        def string(key: str, put: Callable[[PortalGroup, str], None]) -> Callable[[Value], None]:
            said = msg.UCL_NOT_STRING.format(key, "portal-group", section.key)
            return lambda value: put(group, self._string(value, said))

        def integer(key: str, put: Callable[[int], None]) -> Callable[[Value], None]:
            return lambda value: put(self._group_integer(value, key, section.key or ""))

        self._entries(
            section,
            {
                "discovery-auth-group": string("discovery-auth-group", build.set_discovery_auth_group),
                "discovery-filter": string("discovery-filter", build.set_discovery_filter),
                "foreign": lambda _value: setattr(group, "foreign", True),
                "listen": lambda value: self._listen(group, value, iser=False),
                "listen-iser": lambda value: self._listen(group, value, iser=True),
                "offload": string("offload", build.set_offload),
                "redirect": string("listen", build.set_redirection),
                "options": lambda value: self._options(group.options, value, msg.UCL_GROUP_OPTIONS.format(section.key)),
                "tag": integer("tag", lambda number: setattr(group, "tag", number % (1 << 16))),
                "dscp": lambda value: self._dscp(group, value),
                "pcp": integer("pcp", lambda number: build.set_pcp(group, number % _UINT)),
            },
        )

    def _group_integer(self, value: Value, key: str, name: str) -> int:
        if value.number is None:
            raise self._build.refuse(msg.UCL_GROUP_NOT_INTEGER.format(key, name))
        return value.number

    def _listen(self, group: PortalGroup, value: Value, *, iser: bool) -> None:
        said = msg.UCL_NOT_STRING.format("listen", "portal-group", group.name)
        self._one_or_many(
            value, Kind.STRING, lambda each: self._build.add_listen(group, each.text or "", iser=iser), said
        )

    def _options(self, options: dict[str, str], value: Value, complaint: str) -> None:
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(complaint)
        for option in members(value):
            self._build.add_option(options, option.key or "", option.forced())

    def _dscp(self, group: PortalGroup, value: Value) -> None:
        if value.text is not None:
            raise self._build.refuse(msg.UCL_DSCP_WORD)
        if value.number is None:
            raise self._build.refuse(msg.UCL_DSCP_TYPE.format(group.name))
        self._build.set_dscp(group, value.number % _UINT)

    # --- lun ---

    def _lun(self, section: Value) -> None:
        self._lun_entries(self._build.start_lun(section.key or ""), f'"{section.key}"', section)

    def _lun_entries(self, lun: Lun, label: str, section: Value) -> None:
        build = self._build

        def text(key: str, said: str, put: Callable[[str], None]) -> Callable[[Value], None]:
            complaint = msg.UCL_LUN_NOT.format(key, label, said)
            return lambda value: put(self._string(value, complaint))

        def integer(key: str, put: Callable[[int], None]) -> Callable[[Value], None]:
            return lambda value: put(self._lun_integer(value, key, label))

        self._entries(
            section,
            {
                "backend": text("backend", "a string", lambda t: build.set_lun_text(lun, "backend", t)),
                "blocksize": integer("blocksize", lambda n: build.set_lun_number(lun, "blocksize", n)),
                "device-id": text("device-id", "an integer", lambda t: build.set_lun_text(lun, "device_id", t)),
                "device-type": text("device-type", "an integer", lambda t: build.set_device_type(lun, t)),
                "ctl-lun": integer("ctl-lun", lambda n: build.set_ctl_lun(lun, n)),
                "options": lambda value: self._options(
                    lun.options, value, msg.UCL_LUN_NOT.format("options", label, "an object")
                ),
                "path": text("path", "a string", lambda t: build.set_lun_text(lun, "path", t)),
                "serial": text("serial", "a string", lambda t: build.set_lun_text(lun, "serial", t)),
                "size": integer("size", lambda n: build.set_lun_number(lun, "size", n % (1 << 64))),
            },
        )

    def _lun_integer(self, value: Value, key: str, label: str) -> int:
        if value.number is None:
            raise self._build.refuse(msg.UCL_LUN_NOT.format(key, label, "an integer"))
        return value.number

    # --- target ---

    def _target(self, section: Value) -> None:
        build, name = self._build, section.key or ""
        target = build.start_target(name)

        def string(key: str, put: Callable[[Target, str], None]) -> Callable[[Value], None]:
            said = msg.UCL_NOT_STRING.format(key, "target", name)
            return lambda value: put(target, self._string(value, said))

        entries = self._auth_entries("target", name, lambda keyword: build.explicit_auth(target, keyword))
        del entries["host-address"], entries["host-nqn"]
        entries |= {
            "alias": string("alias", build.set_alias),
            "auth-group": string("auth-group", build.set_target_auth_group),
            "auth-type": string(
                "auth-type", lambda t, text: build.set_auth_type(build.explicit_auth(t, "auth-type"), text)
            ),
            "portal-group": lambda value: self._target_portal_groups(target, value, name),
            "port": string("port", build.set_physical_port),
            "redirect": string("redirect", build.set_target_redirection),
            "lun": lambda value: self._target_luns(target, value, name),
        }
        self._entries(section, entries)

    def _target_portal_groups(self, target: Target, value: Value, said: str) -> None:
        for element in members(value) if value.kind is Kind.ARRAY else [value]:
            self._target_portal_group(target, element, said)

    def _target_portal_group(self, target: Target, value: Value, said: str) -> None:
        if value.text is not None:
            self._build.add_portal_group(target, value.text, None)
            return
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(msg.UCL_TARGET_GROUP_TYPE.format(said))
        name, auth = value.find("name"), value.find("auth-group-name")
        if name is None or name.text is None:
            raise self._build.refuse(msg.UCL_STRING_MISSING.format("portal-group", "target", said, "name"))
        if auth is not None and auth.text is None:
            raise self._build.refuse(msg.UCL_TARGET_GROUP_AUTH.format(said))
        self._build.add_portal_group(target, name.text, None if auth is None else auth.text)

    def _target_luns(self, target: Target, value: Value, said: str) -> None:
        for element in members(value):
            self._target_lun(target, element, said)

    def _target_lun(self, target: Target, value: Value, said: str) -> None:
        build = self._build
        number = None if value.key is None else self._lun_key(value.key, said)
        if number is not None and value.text is not None:
            build.add_target_lun(target, number, value.text)
            return
        if value.kind is not Kind.OBJECT:
            raise build.refuse(msg.UCL_LUN_ENTRIES.format(said))
        if number is None:
            number = self._lun_number(value, said)
        name = value.find("name")
        if name is None:
            label = f'{number} for target "{said}"'
            self._lun_entries(build.start_target_lun(target, number), label, value)
        elif name.text is None:
            raise build.refuse(msg.UCL_LUN_NAME_TYPE.format(number, said))
        else:
            build.add_target_lun(target, number, name.text)

    def _lun_key(self, key: str, said: str) -> int:
        match = _STRTOUL.fullmatch(key)
        if match is None:
            raise self._build.refuse(msg.UCL_LUN_KEY.format(key, said))
        digits = match.group(2)
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
        return int(match.group(1) + digits, base) % _UINT

    def _lun_number(self, value: Value, said: str) -> int:
        number = value.find("number")
        if number is None or number.number is None:
            raise self._build.refuse(msg.UCL_LUN_NUMBER_MISSING.format(said))
        return number.number % _UINT


def _not_modelled(value: Value) -> None:
    raise Unmodelled(f"ctl.conf: {value.key}")
