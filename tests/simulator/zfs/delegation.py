"""zfs allow and zfs unallow, as far as users and everyone go."""

from __future__ import annotations

from tests.simulator.registry import Unmodelled
from tests.simulator.state import Dataset
from tests.simulator.zfs import messages
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.options import parse
from tests.simulator.zfs.session import DATASETS, Session

_HEADINGS = {
    ("local",): "Local permissions",
    ("descendent",): "Descendent permissions",
    ("local", "descendent"): "Local+Descendent permissions",
}
_COMMANDS = frozenset(
    [
        "allow",
        "bookmark",
        "change-key",
        "clone",
        "create",
        "destroy",
        "diff",
        "hold",
        "load-key",
        "mount",
        "promote",
        "receive",
        "release",
        "rename",
        "rollback",
        "send",
        "share",
        "snapshot",
        "groupquota",
        "groupused",
        "userprop",
        "userquota",
        "userused",
    ]
)


def allow(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "gcdelrstu")
    options = {name for name, _ in found}
    if not options and len(operands) == 1:
        return _show(session, session.open(operands[0], DATASETS).dataset)
    who, permissions, dataset = _arguments(session, options, operands)
    if not session.may(dataset, "allow"):
        raise ZfsError(f"cannot set permissions on '{dataset.name}': {messages.DENIED}")
    for permission in permissions:
        if permission not in _COMMANDS and session.table.find(permission) is None:
            raise ZfsError(f"cannot set permissions on '{dataset.name}': invalid permission '{permission}'", 1)
    for scope in _scopes(options):
        key = f"{scope} {who}"
        dataset.permissions[key] = sorted({*dataset.permissions.get(key, []), *permissions})
    session.storage.changed(dataset)
    return 0


def unallow(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "gcdelrsu")
    options = {name for name, _ in found}
    everything = len(operands) == 2 - ("e" in options)
    if everything:
        operands = [*operands[:-1], "", operands[-1]]
    who, permissions, dataset = _arguments(session, options, operands)
    if not session.may(dataset, "allow"):
        raise ZfsError(f"cannot unset permissions on '{dataset.name}': {messages.DENIED}")
    for scope in _scopes(options):
        key = f"{scope} {who}"
        left = [name for name in dataset.permissions.pop(key, []) if not everything and name not in permissions]
        if left:
            dataset.permissions[key] = left
    session.storage.changed(dataset)
    return 0


def _scopes(options: set[str]) -> tuple[str, ...]:
    local, descendent = "l" in options, "d" in options
    if local == descendent:
        return ("local", "descendent")
    return ("local",) if local else ("descendent",)


def _arguments(session: Session, options: set[str], operands: list[str]) -> tuple[str, list[str], Dataset]:
    if options & {"c", "s", "r", "g", "t"}:
        raise Unmodelled(f"options {sorted(options)}")
    if "e" in options:
        operands = ["everyone", *operands]
    if len(operands) != 3:
        raise UsageError
    name, permissions, dataset = operands
    if "," in name or name.startswith("@"):
        raise Unmodelled("several users at once")
    who = name if name == "everyone" else f"user {name}"
    return who, permissions.split(","), session.open(dataset, DATASETS).dataset


def _show(session: Session, dataset: Dataset) -> int:
    for holder in (dataset, *session.tree.ancestors(dataset)):
        if not holder.permissions:
            continue
        session.say(f"---- Permissions on {holder.name} ".ljust(70, "-"))
        for scopes, heading in _HEADINGS.items():
            entries = _entries(holder, scopes)
            if entries:
                session.say(f"{heading}:")
            for who, names in entries.items():
                session.say(f"\t{who} {','.join(names)}")
    return 0


def _entries(holder: Dataset, scopes: tuple[str, ...]) -> dict[str, list[str]]:
    """Who has what in exactly these scopes: what somebody has in both is not told twice."""
    entries = {}
    for who in sorted({key.partition(" ")[2] for key in holder.permissions}):
        had = {scope: set(holder.permissions.get(f"{scope} {who}", ())) for scope in ("local", "descendent")}
        inside = set.intersection(*(had[scope] for scope in scopes))
        outside = set().union(*(had[scope] for scope in had.keys() - set(scopes)))
        if names := sorted(inside - outside):
            entries[who] = names
    return entries
