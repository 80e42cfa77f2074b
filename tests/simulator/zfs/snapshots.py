"""zfs snapshot, rollback, bookmark, hold, holds, release."""

from __future__ import annotations

import time

from tests.simulator.registry import Unmodelled
from tests.simulator.state import SNAPSHOT, VOLUME, Bookmark, Dataset
from tests.simulator.zfs import messages
from tests.simulator.zfs.destroy import dependents_of_snapshot, destroy_snapshots
from tests.simulator.zfs.errors import ABORTED, UsageError, ZfsError
from tests.simulator.zfs.names import BadName, check_name
from tests.simulator.zfs.options import flags, parse, property_arguments
from tests.simulator.zfs.session import DATASETS, Handle, Session
from tests.simulator.zfs.validation import too_long, valid_properties

_SNAPSHOT_ONLY = frozenset({SNAPSHOT})
_LONGEST_TAG = 255
_METADATA = 64 << 10


def snapshot(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "ro:")
    given = property_arguments([value for name, value in found if name == "o"])
    recursive = "r" in flags(found)
    if not operands:
        raise UsageError("missing snapshot argument")
    wanted = _expand(session, operands, recursive=recursive)
    try:
        _take(session, wanted, given)
    except ZfsError as error:
        several = recursive or len(operands) > 1
        text = f"{error.message}\n{messages.NO_SNAPSHOTS_CREATED}" if several else error.message
        raise ZfsError(text, error.rc) from error
    return 0


def _expand(session: Session, operands: list[str], *, recursive: bool) -> list[tuple[Dataset, str]]:
    wanted: list[tuple[Dataset, str]] = []
    for operand in operands:
        base, at, name = operand.partition("@")
        if not at:
            raise UsageError
        try:
            dataset = session.open(base, DATASETS).dataset
        except ZfsError as error:
            raise UsageError(error.message) from error
        datasets = session.tree.subtree(dataset) if recursive else [dataset]
        wanted += [(holder, name) for holder in datasets]
    return _unique(wanted)


def _unique(wanted: list[tuple[Dataset, str]]) -> list[tuple[Dataset, str]]:
    return list({(dataset.name, name): (dataset, name) for dataset, name in wanted}.values())


def _take(session: Session, wanted: list[tuple[Dataset, str]], given: dict[str, str]) -> None:
    """zfs_snapshot_nvl and the ioctl: every snapshot or none."""
    for dataset, name in wanted:
        full = f"{dataset.name}@{name}"
        try:
            check_name(full, _SNAPSHOT_ONLY, modifying=True)
        except BadName as error:
            raise ZfsError(f"cannot create snapshot '{full}': {error}") from error
    stored = valid_properties(session.table, SNAPSHOT, given, "cannot create snapshots ")
    if len({dataset.name for dataset, _ in wanted}) < len(wanted) or len({d.pool for d, _ in wanted}) > 1:
        raise ZfsError("cannot create snapshots : multiple snapshots of same fs not allowed")
    if any(too_long(name, value) for name, value in stored.items()):
        raise ZfsError("internal error: cannot create snapshots : Argument list too long", ABORTED)
    reasons = [(dataset, name, _refusal(session, dataset, name)) for dataset, name in wanted]
    refused = [f"cannot create snapshot '{d.name}@{name}': {reason}" for d, name, reason in reasons if reason]
    if refused:
        raise ZfsError("\n".join(refused))
    txg, now = session.storage.next_txg(wanted[0][0].pool), session.storage.now()
    for dataset, name in wanted:
        session.storage.take_snapshot(dataset, name, txg, now, stored)
    session.moved()


def _refusal(session: Session, dataset: Dataset, name: str) -> str:
    if not session.may(dataset, "snapshot", "mount"):
        return messages.DENIED
    if dataset.snapshot(name) is not None:
        return messages.EXISTS
    usage = session.space.usage(dataset)
    needed = min(usage.unique, dataset.number("refreservation"))
    if needed > session.space.directory_available(dataset):
        return messages.OUT_OF_SPACE
    root = session.tree.get(dataset.pool)
    assert root is not None
    return messages.OUT_OF_SPACE if session.space.directory_available(root) < _METADATA else ""


def rollback(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "rRf", "rf")
    if not operands:
        raise UsageError("missing dataset argument")
    if len(operands) > 1:
        raise UsageError("too many arguments")
    handle = session.open(operands[0], _SNAPSHOT_ONLY)
    dataset, target = handle.dataset, handle.snapshot
    assert target is not None
    newer = [Handle(dataset, other) for other in dataset.snapshots if other.createtxg > target.createtxg]
    marks = [mark for mark in dataset.bookmarks if mark.createtxg > target.createtxg]
    if "r" not in flags(found) and (newer or marks):
        names = [other.name for other in newer] + [f"{dataset.name}#{mark.name}" for mark in marks]
        raise ZfsError(_newer_exist(handle.name, names))
    clones = [name for other in newer if other.snapshot for name in dependents_of_snapshot(session, other.snapshot)]
    if clones:
        text = f"cannot rollback to '{handle.name}': clones of previous snapshots exist"
        raise ZfsError("\n".join([text, "use '-R' to force deletion of the following clones and dependents:", *clones]))
    if not session.may(dataset, "rollback", "mount"):
        raise ZfsError(f"cannot rollback '{dataset.name}': {messages.DENIED}")
    if newer and destroy_snapshots(session, newer, defer=False):
        return 1
    dataset.bookmarks = [mark for mark in dataset.bookmarks if mark not in marks]
    if dataset.kind != VOLUME:
        raise Unmodelled("rollback of a filesystem")
    session.storage.restore(dataset, target)
    session.moved()
    return 0


def _newer_exist(name: str, newer: list[str]) -> str:
    limit = 32
    lines = [f"cannot rollback to '{name}': more recent snapshots or bookmarks exist"]
    lines += ["use '-r' to force deletion of the following snapshots and bookmarks:", *newer[:limit]]
    if len(newer) >= limit:
        lines.append(f"Output limited to {limit} snapshots/bookmarks")
    return "\n".join(lines)


def bookmark(session: Session, args: list[str]) -> int:
    _, operands = parse(args, "")
    if len(operands) < 1:
        raise UsageError("missing source argument")
    if len(operands) < 2:
        raise UsageError("missing bookmark argument")
    source, target = operands
    if not source.startswith(tuple("@#")) and not target.startswith("#") and "#" not in target:
        raise UsageError(f"invalid bookmark name '{target}'")
    handle = session.open(source, _SNAPSHOT_ONLY)
    base, _, name = target.partition("#")
    dataset = handle.dataset
    if base not in ("", dataset.name):
        raise Unmodelled("a bookmark on another dataset")
    if any(mark.name == name for mark in dataset.bookmarks):
        raise ZfsError(f"cannot create bookmark '{dataset.name}#{name}': bookmark exists")
    assert handle.snapshot is not None
    made = handle.snapshot
    dataset.bookmarks.append(Bookmark(name, made.guid, made.createtxg, made.creation))
    session.storage.changed(dataset)
    return 0


def hold(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "rt")
    if len(operands) < 2:
        raise UsageError
    tag, names = operands[0], operands[1:]
    if tag.startswith("."):
        raise UsageError("tag may not start with '.'")
    return _each(
        session, names, lambda dataset, name: _hold(session, dataset, name, tag, recursive="r" in flags(found))
    )


def release(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "r")
    if len(operands) < 2:
        raise UsageError
    tag, names = operands[0], operands[1:]
    return _each(
        session, names, lambda dataset, name: _release(session, dataset, name, tag, recursive="r" in flags(found))
    )


def _each(session: Session, names: list[str], act: object) -> int:
    assert callable(act)
    errors = 0
    for name in names:
        base, at, snapname = name.partition("@")
        try:
            if not at:
                raise ZfsError(f"'{name}' is not a snapshot")
            act(session.open(base, DATASETS).dataset, snapname)
        except ZfsError as error:
            session.complain(error.message)
            errors += 1
    return int(errors > 0)


def _named(session: Session, dataset: Dataset, name: str, *, recursive: bool) -> list[Handle]:
    holders = session.tree.subtree(dataset) if recursive else [dataset]
    return [Handle(holder, found) for holder in holders if (found := holder.snapshot(name)) is not None]


def _hold(session: Session, dataset: Dataset, name: str, tag: str, *, recursive: bool) -> None:
    prefix = f"cannot hold snapshot '{dataset.name}@{name}'"
    handles = _named(session, dataset, name, recursive=recursive)
    if not handles:
        raise ZfsError(f"{prefix}: {messages.NOT_FOUND}")
    for handle in handles:
        assert handle.snapshot is not None
        prefix = f"cannot hold snapshot '{handle.name}'"
        if not session.may(handle.dataset, "hold"):
            raise ZfsError(f"{prefix}: {messages.DENIED}")
        if len(tag) > _LONGEST_TAG:
            raise ZfsError(f"{prefix}: {messages.TAG_TOO_LONG}")
        if tag in handle.snapshot.holds:
            raise ZfsError(f"{prefix}: {messages.TAG_EXISTS}")
    for handle in handles:
        assert handle.snapshot is not None
        handle.snapshot.holds[tag] = session.storage.now()
        session.storage.changed(handle.dataset)


def _release(session: Session, dataset: Dataset, name: str, tag: str, *, recursive: bool) -> None:
    prefix = f"cannot release hold from snapshot '{dataset.name}@{name}'"
    handles = _named(session, dataset, name, recursive=recursive)
    if not handles:
        raise ZfsError(f"{prefix}: {messages.NOT_FOUND}")
    held = [handle for handle in handles if handle.snapshot and tag in handle.snapshot.holds]
    if not held:
        raise ZfsError(f"{prefix}: {messages.NO_SUCH_TAG}")
    for handle in held:
        assert handle.snapshot is not None
        if not session.may(handle.dataset, "release"):
            raise ZfsError(f"{prefix}: {messages.DENIED}")
        del handle.snapshot.holds[tag]
        session.storage.changed(handle.dataset)
        session.storage.reap(handle.snapshot.ident)
    session.moved()


def holds(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "rHp")
    options = flags(found)
    if not operands:
        raise UsageError
    rows: list[tuple[str, str, int]] = []
    names: list[str] = []
    errors = 0
    for operand in operands:
        base, at, snapname = operand.partition("@")
        try:
            if not at:
                raise ZfsError(f"'{operand}' is not a snapshot")
            if "r" in options:
                handles = _named(session, session.open(base, DATASETS).dataset, snapname, recursive=True)
            else:
                handles = [session.open(operand, _SNAPSHOT_ONLY)]
        except ZfsError as error:
            session.complain(error.message)
            errors = 1
            continue
        for handle in handles:
            assert handle.snapshot is not None
            names.append(handle.name)
            rows += [(handle.name, tag, when) for tag, when in sorted(handle.snapshot.holds.items())]
    _print_holds(session, rows, names, options)
    if not names:
        session.complain(messages.NO_DATASETS)
    return errors


def _print_holds(session: Session, rows: list[tuple[str, str, int]], names: list[str], options: set[str]) -> None:
    width = max(map(len, names), default=0)
    tag_width = max((len(tag) for _, tag, _ in rows), default=0)
    if "H" not in options:
        session.say(f"{'NAME':<{width}s}  {'TAG':<{tag_width}s}  TIMESTAMP")
    for name, tag, when in rows:
        stamp = str(when) if "p" in options else time.strftime("%a %b %e %k:%M %Y", time.localtime(when))
        if "H" in options:
            session.say(f"{name}\t{tag}\t{stamp}")
        else:
            session.say(f"{name:<{width}s}  {tag:<{tag_width}s}  {stamp}")
