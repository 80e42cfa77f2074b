"""
From UCL to a configuration as ctld of FreeBSD 14 does it.

The traps: of a section that comes twice only the first is seen; what is wrong inside a section is told and ends that
section, but the file is taken all the same, exit status 0; unknown keys (`tag`, `ctl-lun`, `device-type`, `offload`,
`foreign` among them) mean nothing; a target's `portal-group` that is a plain string means nothing, so that the target
appears at the default portal group; a target's `lun` wants an array of objects with `number` and `name`, and the
iterator of that array begins where the one of a `portal-group` array ended. Some files crash ctld: `Unmodelled`.
Source: usr.sbin/ctld/uclparse.c of stable/14.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.builder import Builder
from tests.simulator.ctl.config import MAX_LUNS, AuthGroup, ConfigError, Lun, PortalGroup, Target
from tests.simulator.ctl.ucl.tree import Kind, Value
from tests.simulator.registry import Unmodelled

Entries = dict[str, Callable[[Value], None]]
# The number as it would be if it had no sign.
_UNSIGNED = 1 << 64


def crash(why: str) -> Unmodelled:
    """Return the refusal to say what ctld prints where it dies of a signal."""
    return Unmodelled(f"ctld -u before FreeBSD 15 crashes: {why}")


class Iterator:
    """ucl_iterate_object's place, as ctld keeps it from one value to the next without putting it back."""

    def __init__(self) -> None:
        self._place: int | str = 0

    def over(self, value: Value) -> list[Value]:
        """Return the values of VALUE, from this place on."""
        if value.kind is Kind.ARRAY:
            return self._over_array(value)
        if self._place != 0:
            raise crash(f"{value.key} is read after an array of the same section")
        if value.kind is Kind.OBJECT:
            return value.firsts
        self._place = "an address"
        return value.onwards

    def _over_array(self, value: Value) -> list[Value]:
        if isinstance(self._place, str):
            return []
        rest = value.items[self._place :]
        self._place = max(self._place, len(value.items))
        return rest


class Converter14:
    """Feeds a `Builder` from a UCL tree."""

    def __init__(self, builder: Builder) -> None:
        self._build = builder

    def convert(self, top: Value) -> None:
        """Take the whole file. Raises ConfigError only for what is wrong outside the sections."""
        config = self._build.config
        self._entries(
            top,
            {
                "debug": lambda value: setattr(config, "debug", self._integer(value)),
                "timeout": lambda value: setattr(config, "timeout", self._integer(value)),
                "maxproc": lambda value: setattr(config, "maxproc", self._integer(value)),
                # So it stands there: both set the timeout of logins.
                "isns-period": lambda value: setattr(config, "timeout", self._integer(value)),
                "isns-timeout": lambda value: setattr(config, "timeout", self._integer(value)),
                "pidfile": self._pidfile,
                "isns-server": self._isns_servers,
                "auth-group": lambda value: self._sections(value, self._auth_group),
                "portal-group": lambda value: self._sections(value, self._portal_group),
                "lun": lambda value: self._sections(value, self._lun),
            },
        )
        self._entries(top, {"target": lambda value: self._sections(value, self._target)})

    def _entries(self, section: Value, entries: Entries) -> None:
        """Act on the members of SECTION that are known, in their order; a repeated one is seen once."""
        if section.kind is Kind.ARRAY and section.items:
            raise crash(f"{section.key} is an array")
        for value in section.firsts if section.kind in (Kind.OBJECT, Kind.ARRAY) else section.onwards:
            entry = entries.get(value.key or "")
            if entry is not None:
                entry(value)

    def _sections(self, value: Value, convert: Callable[[Value], None]) -> None:
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(msg.UCL_SECTION_NOT_OBJECT.format(value.key))
        for section in value.firsts:
            try:
                convert(section)
            except ConfigError:
                continue  # ctld does not look whether it went well

    # --- kinds of values ---

    def _integer(self, value: Value) -> int:
        if value.number is None:
            raise self._build.refuse(msg.UCL_NOT_INTEGER.format(value.key))
        return value.number

    def _unchecked(self, value: Value) -> str:
        """Return a string that ctld takes without looking whether it is one."""
        if value.text is None:
            raise crash(f"{value.key or 'an element'} is no string")
        return value.text

    def _string(self, value: Value, complaint: str) -> str:
        if value.text is None:
            raise self._build.refuse(complaint)
        return value.text

    # --- global ---

    def _pidfile(self, value: Value) -> None:
        self._build.config.pidfile = self._string(value, msg.UCL_PIDFILE_NOT_STRING)

    def _isns_servers(self, value: Value) -> None:
        if value.kind is not Kind.ARRAY:
            raise self._build.refuse(msg.UCL_ISNS_NOT_ARRAY)
        for server in value.items:
            if server.text is None:
                raise ConfigError
            self._build.add_isns_server(server.text)

    # --- auth-group ---

    def _auth_group(self, section: Value) -> None:
        build = self._build
        group = build.start_auth_group(section.key or "")
        self._entries(
            section,
            {
                "auth-type": lambda value: build.set_auth_type(group, self._unchecked(value)),
                "chap": lambda value: self._each(group, value, self._chap),
                "chap-mutual": lambda value: self._each(group, value, self._chap_mutual),
                "initiator-name": lambda value: self._each(group, value, self._initiator_name),
                "initiator-portal": lambda value: self._each(group, value, self._initiator_portal),
            },
        )

    def _each(self, group: AuthGroup, value: Value, add: Callable[[AuthGroup, Value], None]) -> None:
        if value.kind is not Kind.ARRAY:
            raise self._build.refuse(msg.UCL_NOT_ARRAY_14.format(value.key, group.name))
        for element in value.items:
            add(group, element)

    def _initiator_name(self, group: AuthGroup, value: Value) -> None:
        self._build.add_initiator_name(group, self._unchecked(value))

    def _initiator_portal(self, group: AuthGroup, value: Value) -> None:
        self._build.add_initiator_portal(group, self._unchecked(value))

    def _chap(self, group: AuthGroup, value: Value) -> None:
        user = self._credential(group, value, "chap", "user")
        self._build.add_chap(group, user, _needed(value, "secret"))

    def _chap_mutual(self, group: AuthGroup, value: Value) -> None:
        user = self._credential(group, value, "chap-mutual", "user")
        secret = self._credential(group, value, "chap-mutual", "secret")
        others = _needed(value, "mutual-user"), _needed(value, "mutual-secret")
        self._build.add_chap_mutual(group, user, secret, *others)

    def _credential(self, group: AuthGroup, value: Value, what: str, key: str) -> str:
        found = value.find(key)
        if found is None or found.text is None:
            name = "(null)" if group.name is None else group.name
            raise self._build.refuse(msg.UCL_STRING_MISSING.format(what, "auth-group", name, key))
        return found.text

    # --- portal-group ---

    def _portal_group(self, section: Value) -> None:
        build = self._build
        group = build.start_portal_group(section.key or "")
        place = Iterator()
        not_string = msg.UCL_NOT_STRING.format("{}", "portal-group", group.name)
        self._entries(
            section,
            {
                "discovery-auth-group": lambda value: build.set_discovery_auth_group(group, self._unchecked(value)),
                "discovery-filter": lambda value: build.set_discovery_filter(
                    group, self._string(value, not_string.format("discovery-filter"))
                ),
                "listen": lambda value: self._listen(group, value, place, iser=False),
                "listen-iser": lambda value: self._listen(group, value, place, iser=True),
                "redirect": lambda value: build.set_redirection(
                    group, self._string(value, not_string.format("listen"))
                ),
                "options": lambda value: self._group_options(group, value, place),
                "dscp": lambda value: self._dscp(group, value),
                "pcp": lambda value: self._pcp(group, value),
            },
        )

    def _listen(self, group: PortalGroup, value: Value, place: Iterator, *, iser: bool) -> None:
        if value.text is not None:
            self._build.add_listen(group, value.text, iser=iser)
        elif value.kind is Kind.ARRAY:
            for address in place.over(value):
                self._build.add_listen(group, self._unchecked(address), iser=iser)
        else:
            raise self._build.refuse(msg.UCL_NOT_STRING.format("listen", "portal-group", group.name))

    def _group_options(self, group: PortalGroup, value: Value, place: Iterator) -> None:
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(msg.UCL_GROUP_OPTIONS.format(group.name))
        for option in place.over(value):
            group.options[option.key or ""] = option.forced()

    def _dscp(self, group: PortalGroup, value: Value) -> None:
        """Take a number unchecked; every word means 0, because ctld compares the wrong way round."""
        if value.number is None and value.text is None:
            raise self._build.refuse(msg.UCL_DSCP_TYPE.format(group.name))
        group.dscp = value.number or 0

    def _pcp(self, group: PortalGroup, value: Value) -> None:
        if value.number is None:
            raise self._build.refuse(msg.UCL_GROUP_NOT_INTEGER.format("pcp", group.name))
        if 0 <= value.number <= 7:
            group.pcp = value.number
        else:
            self._build.warn(msg.UCL_INVALID_PCP_14.format(value.number))

    # --- lun ---

    def _lun(self, section: Value) -> None:
        lun = self._build.start_lun(section.key or "")
        self._entries(
            section,
            {
                "backend": lambda value: self._lun_text(lun, value, "a string"),
                "blocksize": lambda value: self._lun_number(lun, value),
                "device-id": lambda value: self._lun_text(lun, value, "an integer"),
                "options": lambda value: self._lun_options(lun, value),
                "path": lambda value: self._lun_text(lun, value, "a string"),
                "serial": lambda value: self._lun_text(lun, value, "a string"),
                "size": lambda value: self._lun_number(lun, value),
            },
        )

    def _lun_text(self, lun: Lun, value: Value, said: str) -> None:
        key = value.key or ""
        text = self._string(value, msg.UCL_LUN_NOT.format(key, f'"{lun.name}"', said))
        self._build.set_lun_text(lun, key.replace("-", "_"), text)

    def _lun_number(self, lun: Lun, value: Value) -> None:
        if value.number is None:
            raise self._build.refuse(msg.UCL_LUN_NOT.format(value.key, f'"{lun.name}"', "an integer"))
        self._build.set_lun_number(lun, value.key or "", value.number % _UNSIGNED)

    def _lun_options(self, lun: Lun, value: Value) -> None:
        if value.kind is not Kind.OBJECT:
            raise self._build.refuse(msg.UCL_LUN_NOT.format("options", f'"{lun.name}"', "an object"))
        for option in value.firsts:
            lun.options[option.key or ""] = option.forced()

    # --- target ---

    def _target(self, section: Value) -> None:
        build = self._build
        target = build.start_target(section.key or "")
        place = Iterator()
        not_string = msg.UCL_NOT_STRING.format("{}", "target", target.name)
        self._entries(
            section,
            {
                "alias": lambda value: build.set_alias(target, self._string(value, not_string.format("alias"))),
                "auth-group": lambda value: build.set_target_auth_group(target, self._unchecked(value)),
                "auth-type": lambda value: build.set_auth_type(
                    build.explicit_auth(target, "auth-type"), self._unchecked(value)
                ),
                "chap": lambda value: self._chap(self._group_of(target), value),
                "chap-mutual": lambda value: self._chap_mutual(self._group_of(target), value),
                "initiator-name": lambda value: self._initiator_name(
                    build.explicit_auth(target, "initiator-name"), value
                ),
                "initiator-portal": lambda value: self._initiator_portal(
                    build.explicit_auth(target, "initiator-portal"), value
                ),
                "portal-group": lambda value: self._target_portal_groups(target, value, place),
                "port": _physical_port,
                "redirect": lambda value: build.set_target_redirection(
                    target, self._string(value, not_string.format("redirect"))
                ),
                "lun": lambda value: self._target_luns(target, value, place),
            },
        )

    def _group_of(self, target: Target) -> AuthGroup:
        if target.auth_group is None:
            raise crash("chap of a target that has neither auth-group nor auth-type before it")
        return target.auth_group

    def _target_portal_groups(self, target: Target, value: Value, place: Iterator) -> None:
        if value.kind is Kind.OBJECT:
            self._target_portal_group(target, value)
        elif value.kind is Kind.ARRAY:
            for element in place.over(value):
                self._target_portal_group(target, element)

    def _target_portal_group(self, target: Target, value: Value) -> None:
        name, auth = value.find("name"), value.find("auth-group-name")
        missing = msg.UCL_STRING_MISSING.format("portal-group", "target", target.name, "{}")
        if name is None or name.text is None:
            raise self._build.refuse(missing.format("name"))
        if auth is not None and auth.text is None:
            raise self._build.refuse(missing.format("auth-group-name"))
        self._build.add_portal_group(target, name.text, None if auth is None else auth.text)

    def _target_luns(self, target: Target, value: Value, place: Iterator) -> None:
        for element in place.over(value):
            if element.number is not None:
                self._build.start_target_lun(target, self._small(target, element.number))
            elif element.kind is Kind.OBJECT:
                self._target_lun(target, element)

    def _target_lun(self, target: Target, value: Value) -> None:
        number, name = value.find("number"), value.find("name")
        if number is None or number.number is None:
            raise self._build.refuse(msg.UCL_LUN_NUMBER_MISSING.format(target.name))
        place = self._small(target, number.number)
        if name is None or name.text is None:
            raise self._build.refuse(msg.UCL_LUN_NAME_MISSING_14.format(target.name))
        self._build.add_target_lun(target, place, name.text)

    def _small(self, target: Target, number: int) -> int:
        if not 0 <= number < MAX_LUNS:
            raise self._build.refuse(msg.UCL_LUN_TOO_BIG_14.format(number % _UNSIGNED, target.name))
        return number


def _needed(value: Value, key: str) -> str:
    """Return the string of KEY, whose absence ctld does not survive."""
    found = value.find(key)
    if found is None or found.text is None:
        raise crash(f"a user's {key} is missing")
    return found.text


def _physical_port(value: Value) -> None:
    raise Unmodelled(f"ctl.conf: {value.key} in UCL before FreeBSD 15")
