"""Options of zfs subcommands: getopt(3) with cmd/zfs's complaints, and property arguments."""

from __future__ import annotations

from tests.simulator import registry
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import UsageError, ZfsError


def parse(
    args: list[str], accepted: str, modelled: str | None = None, *, missing: str = ""
) -> tuple[list[tuple[str, str]], list[str]]:
    """Options and operands. ``missing`` is what the command says of an option (``{0}``) that lacks its argument."""
    try:
        return registry.options(args, accepted, modelled=modelled)
    except registry.BadOption as error:
        if error.missing_argument and missing:
            raise UsageError(missing.format(error.option)) from error
        raise UsageError(f"invalid option '{error.option}'") from error


def flags(found: list[tuple[str, str]]) -> set[str]:
    return {name for name, _ in found}


def property_arguments(texts: list[str], rc: int = 1) -> dict[str, str]:
    """``name=value`` arguments in order; raises ZfsError as parseprop in zfs_main.c does."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ZfsError(messages.MISSING_EQUALS, rc)
        if name in found:
            raise ZfsError(messages.duplicate_property(name), rc)
        found[name] = value
    return found
