"""
Reading ctl.conf(5) in the classic grammar.

A hand-written parser that does what ctld's LALR(1) parser does: actions run as soon as their
rule is complete, so a semantic refusal comes before a later syntax error, and a syntax error
names the token that could not be taken. Grammar: usr.sbin/ctld/parse.y.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl import lexer
from tests.simulator.ctl.builder import DEVICE_TYPES, Builder
from tests.simulator.ctl.config import (
    MAX_LUNS,
    AuthGroup,
    ConfigError,
    Lun,
    PortalGroup,
    Target,
)
from tests.simulator.registry import Unmodelled

Entry = Callable[[], None]
_NVMEOF = ("controller", "transport-group", "host-nqn", "host-address")


class Parser:
    """Feeds a `Builder` from a `Lexer`. One token is looked ahead, and only where needed."""

    def __init__(self, scanner: lexer.Lexer, builder: Builder) -> None:
        self._lexer = scanner
        self._build = builder
        self._token: lexer.Token | None = None
        self._last = lexer.Token(lexer.EOF, "", "", 1)

    # --- tokens ---

    def _peek(self) -> lexer.Token:
        if self._token is None:
            self._token = self._last = self._lexer.next()
        return self._token

    def _advance(self) -> lexer.Token:
        token = self._peek()
        self._token = None
        return token

    def _refuse(self, what: str) -> ConfigError:
        """Return the refusal that points at the last token read, as yyerror() does."""
        return self._build.refuse(msg.AT_LINE.format(self._last.line, self._last.text, what))

    def _expect(self, kind: str) -> lexer.Token:
        if self._peek().kind != kind:
            raise self._refuse(msg.SYNTAX_ERROR)
        return self._advance()

    def _string(self) -> str:
        return self._expect(lexer.STRING).value

    def _strings(self, count: int) -> list[str]:
        return [self._string() for _ in range(count)]

    def _number(self) -> int:
        return self._to_number(self._string())

    def _to_number(self, text: str) -> int:
        number = lexer.expand_number(text)
        if number is None:
            raise self._refuse(msg.INVALID_NUMBER)
        return number

    # --- structure ---

    def parse(self) -> None:
        """Read the whole file."""
        self._entries(self._statements(), lexer.EOF)

    def _block(self, entries: dict[str, Entry]) -> None:
        self._expect(lexer.OPEN)
        self._entries(entries, lexer.CLOSE)

    def _entries(self, entries: dict[str, Entry], end: str) -> None:
        while self._peek().kind != end:
            kind = self._peek().kind
            if kind in _NVMEOF:
                raise Unmodelled(f"ctl.conf: {kind}")
            if kind not in entries:
                raise self._refuse(msg.SYNTAX_ERROR)
            self._advance()
            entries[kind]()
            if self._peek().kind == lexer.SEMICOLON:
                self._advance()
        self._advance()

    def _statements(self) -> dict[str, Entry]:
        config, build = self._build.config, self._build
        return {
            "debug": partial(self._set_number, config, "debug"),
            "timeout": partial(self._set_number, config, "timeout"),
            "maxproc": partial(self._set_number, config, "maxproc"),
            "isns-period": partial(self._set_number, config, "isns_period"),
            "isns-timeout": partial(self._set_number, config, "isns_timeout"),
            "pidfile": lambda: build.set_pidfile(self._string()),
            "isns-server": lambda: build.add_isns_server(self._string()),
            "auth-group": self._auth_group,
            "portal-group": self._portal_group,
            "lun": self._lun,
            "target": self._target,
        }

    def _set_number(self, owner: object, attribute: str) -> None:
        setattr(owner, attribute, self._number())

    # --- auth-group ---

    def _auth_group(self) -> None:
        group = self._build.start_auth_group(self._string())
        self._block(self._auth_entries(lambda _keyword: group))

    def _auth_entries(self, group: Callable[[str], AuthGroup]) -> dict[str, Entry]:
        """Return the entries an auth-group and a target share; GROUP gives the one to fill."""
        build = self._build

        def entry(keyword: str, count: int, add: Callable[..., None]) -> Entry:
            def run() -> None:
                values = self._strings(count)
                add(group(keyword), *values)

            return run

        return {
            "auth-type": entry("auth-type", 1, build.set_auth_type),
            "chap": entry("chap", 2, build.add_chap),
            "chap-mutual": entry("chap-mutual", 4, build.add_chap_mutual),
            "initiator-name": entry("initiator-name", 1, build.add_initiator_name),
            "initiator-portal": entry("initiator-portal", 1, build.add_initiator_portal),
        }

    # --- portal-group ---

    def _portal_group(self) -> None:
        build = self._build
        group = build.start_portal_group(self._string())
        self._block(
            {
                "discovery-auth-group": lambda: build.set_discovery_auth_group(group, self._string()),
                "discovery-filter": lambda: build.set_discovery_filter(group, self._string()),
                "foreign": lambda: setattr(group, "foreign", True),
                "listen": lambda: build.add_listen(group, self._string()),
                "listen-iser": lambda: build.add_listen(group, self._string(), iser=True),
                "offload": lambda: build.set_offload(group, self._string()),
                "option": lambda: build.add_option(group.options, *self._strings(2)),
                "redirect": lambda: build.set_redirection(group, self._string()),
                "tag": partial(self._set_number, group, "tag"),
                "dscp": partial(self._dscp, group),
                "pcp": partial(self._pcp, group),
            }
        )

    def _dscp(self, group: PortalGroup) -> None:
        named = lexer.DSCP_VALUES.get(self._peek().kind)
        if named is not None:
            self._advance()
            group.dscp = named
            return
        value = self._number()
        self._check_14(msg.INVALID_DSCP_14, ok=value < 0x40)
        self._build.set_dscp(group, value)

    def _pcp(self, group: PortalGroup) -> None:
        value = self._number()
        self._check_14(msg.INVALID_PCP_14, ok=value <= 7)
        self._build.set_pcp(group, value)

    def _check_14(self, complaint: str, *, ok: bool) -> None:
        """What the grammar's own actions refuse before 15, and the functions behind them since."""
        if self._build.before_15 and not ok:
            raise self._refuse(complaint)

    # --- lun ---

    def _lun(self) -> None:
        self._lun_block(self._build.start_lun(self._string()))

    def _lun_block(self, lun: Lun) -> None:
        build = self._build
        self._block(
            {
                "backend": lambda: build.set_lun_text(lun, "backend", self._string()),
                "blocksize": lambda: build.set_lun_number(lun, "blocksize", self._number()),
                "device-id": lambda: build.set_lun_text(lun, "device_id", self._string()),
                "device-type": partial(self._device_type, lun),
                "ctl-lun": lambda: build.set_ctl_lun(lun, self._number()),
                "option": lambda: build.add_option(lun.options, *self._strings(2)),
                "path": lambda: build.set_lun_text(lun, "path", self._string()),
                "serial": lambda: build.set_lun_text(lun, "serial", self._string()),
                "size": lambda: build.set_lun_number(lun, "size", self._number()),
            }
        )

    def _device_type(self, lun: Lun) -> None:
        text = self._string()
        number = lexer.expand_number(text) if self._build.before_15 else None
        known = text.lower() in DEVICE_TYPES
        self._check_14(msg.INVALID_NUMBER, ok=known or (number is not None and number <= 15))
        self._build.set_device_type(lun, text if known or number is None else str(number))

    # --- target ---

    def _target(self) -> None:
        build = self._build
        target = build.start_target(self._string())
        entries = self._auth_entries(lambda keyword: build.explicit_auth(target, keyword))
        entries |= {
            "alias": lambda: build.set_alias(target, self._string()),
            "auth-group": lambda: build.set_target_auth_group(target, self._string()),
            "portal-group": partial(self._target_portal_group, target),
            "port": lambda: build.set_physical_port(target, self._string()),
            "redirect": lambda: build.set_target_redirection(target, self._string()),
            "lun": partial(self._target_lun, target),
        }
        self._block(entries)

    def _target_portal_group(self, target: Target) -> None:
        name = self._string()
        second = self._string() if self._peek().kind == lexer.STRING else None
        self._build.add_portal_group(target, name, second)

    def _target_lun(self, target: Target) -> None:
        text = self._string()
        if self._peek().kind == lexer.STRING:
            name = self._advance().value
            self._build.add_target_lun(target, self._lun_number(text), name)
        else:
            self._lun_block(self._build.start_target_lun(target, self._lun_number(text)))

    def _lun_number(self, text: str) -> int:
        number = self._to_number(text)
        self._check_14(msg.LUN_TOO_BIG_14, ok=number < MAX_LUNS)
        return number & 0xFFFFFFFF
