"""
Reading a whole configuration file as ctld does: parse it, check its permissions, check its sense.

Of a file in UCL only the main file's permissions are looked at, not those of what it includes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl import lexer
from tests.simulator.ctl.builder import Builder
from tests.simulator.ctl.conf import Parser
from tests.simulator.ctl.config import Config, ConfigError, empty
from tests.simulator.ctl.ucl.convert14 import Converter14
from tests.simulator.ctl.ucl.convert15 import Converter15
from tests.simulator.ctl.ucl.macros import Files
from tests.simulator.ctl.ucl.source import UclError
from tests.simulator.ctl.verify import apply_defaults, check_permissions, verify

Resolve = Callable[[str], Path]


@dataclass(frozen=True)
class Loaded:
    """A file as ctld read it: the configuration, or None when refused, and what it said."""

    config: Config | None
    messages: tuple[str, ...]


def load(path: str, *, release: str, ucl: bool = False, resolve: Resolve = Path) -> Loaded:
    """
    Read the file PATH of a host of that RELEASE. Never raises for a bad file.

    RESOLVE tells where a path of the host lies on this machine.
    """
    messages: list[str] = []
    builder = Builder(empty(), messages.append, release)
    try:
        if ucl:
            _read_ucl(path, resolve, builder)
        else:
            _read_classic(path, resolve, builder)
        check_permissions(resolve(path), path, builder)
        apply_defaults(builder)
        verify(builder)
    except ConfigError:
        return Loaded(None, tuple(messages))
    return Loaded(builder.config, tuple(messages))


def _read_classic(path: str, resolve: Resolve, builder: Builder) -> None:
    try:
        data = resolve(path).read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise builder.refuse(msg.OPEN_FILE_FAILED.format(path, reason)) from error
    keywords = lexer.KEYWORDS_14 if builder.before_15 else lexer.KEYWORDS_15
    Parser(lexer.Lexer(data, keywords), builder).parse()


def _read_ucl(path: str, resolve: Resolve, builder: Builder) -> None:
    try:
        top = Files(resolve).parse(path)
    except UclError as error:
        text = "(null)" if error.text is None else error.text
        failed = msg.UCL_PARSE_FAILED_14 if builder.before_15 else msg.UCL_PARSE_FAILED
        raise builder.refuse(failed.format(path, text, error.reason)) from error
    converter = Converter14(builder) if builder.before_15 else Converter15(builder)
    converter.convert(top)
