"""zfs send."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.simulator import registry
from tests.simulator.blocks import BLOCK, BlockMap, extents
from tests.simulator.pipes import ClientDied, Output
from tests.simulator.registry import Unmodelled
from tests.simulator.state import SNAPSHOT, VOLUME, Dataset, Snapshot
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.numbers import nice_bytes
from tests.simulator.zfs.session import Handle, Session
from tests.simulator.zfs.stream import RECORD_BYTES, BadToken, Header, Record, encode, parse_token

_ACCEPTED = "i:I:RsDpVvnPLeht:cwbd:SX:"
_MODELLED = "ipvnPLectw"
_LONG = {
    "--replicate": "-R",
    "--skip-missing": "-s",
    "--props": "-p",
    "--parsable": "-P",
    "--verbose": "-v",
    "--dryrun": "-n",
    "--large-block": "-L",
    "--embed": "-e",
    "--resume": "-t",
    "--compressed": "-c",
    "--raw": "-w",
    "--backup": "-b",
    "--holds": "-h",
}


class _Plan:
    """What to send: a snapshot, from another one or from an offset."""

    def __init__(
        self, handle: Handle, older: Snapshot | None = None, offset: int = 0, *, resuming: bool = False
    ) -> None:
        assert handle.snapshot is not None
        self.dataset: Dataset = handle.dataset
        self.snapshot: Snapshot = handle.snapshot
        self.name = handle.name
        self.older = older
        self.offset = offset
        self.resuming = resuming


def send(session: Session, args: list[str]) -> int:
    """Runs without the machine's lock except while it looks things up: the content of a snapshot does not change."""
    given, operands = _parse(args)
    with session.machine.lock:
        plan = _resumed(session, given["t"]) if "t" in given else _plan(session, given, operands)
        if not session.may(plan.dataset, "send"):
            raise ZfsError(f"warning: cannot send '{plan.name}': permission denied")
        if session.storage.is_locked(plan.dataset):
            raise ZfsError(f"warning: cannot send '{plan.name}': dataset key must be loaded")
        if plan.dataset.encryption and "p" in given:
            raise Unmodelled("a stream with the properties of an encrypted dataset")
        header = _header(plan, with_properties="p" in given)
        before = session.storage.block_map(plan.older.ident) if plan.older else None
        now = session.storage.block_map(plan.snapshot.ident) if plan.dataset.kind == VOLUME else {}
        path = session.storage.file(plan.snapshot.ident)
        if given.keys() & {"v", "P", "n"}:
            _report(session, plan, given, BLOCK * len(_changed(now, before)))
    if "n" in given:
        return 0
    records = _incremental(path, now, before) if before is not None else _full(path, plan) if now else iter(())
    return _write(session, plan, encode(header, (record for record in records if record.offset >= plan.offset)))


def _parse(args: list[str]) -> tuple[dict[str, str], list[str]]:
    short = [_LONG.get(arg, arg) for arg in args]
    try:
        found, operands = registry.options(short, _ACCEPTED, modelled=_MODELLED)
    except registry.BadOption as error:
        text = "missing argument for '{}' option" if error.missing_argument else "invalid option '{}'"
        raise UsageError(text.format(error.option)) from error
    given = dict(found)
    if "t" in given:
        if given.keys() & {"i", "p"}:
            raise UsageError("invalid flags combined with -t")
        if operands:
            raise UsageError("too many arguments")
    elif not operands:
        raise UsageError("missing snapshot argument")
    elif len(operands) > 1:
        raise UsageError("too many arguments")
    return given, operands


def _plan(session: Session, given: dict[str, str], operands: list[str]) -> _Plan:
    handle = session.open(operands[0])
    if handle.snapshot is None:
        raise Unmodelled("sending a dataset that is not a snapshot")
    if "i" not in given:
        return _Plan(handle)
    source = given["i"]
    if "#" in source:
        raise Unmodelled("an incremental stream from a bookmark")
    full = source if "@" in source and not source.startswith("@") else f"{handle.dataset.name}@{source.lstrip('@')}"
    older = session.open(full, frozenset({SNAPSHOT}))
    assert older.snapshot is not None
    if older.dataset is not handle.dataset or older.snapshot.createtxg >= handle.snapshot.createtxg:
        if older.snapshot.ident == handle.dataset.origin:
            raise Unmodelled("an incremental stream from a clone's origin")
        raise ZfsError(f"warning: cannot send '{handle.name}': not an earlier snapshot from the same fs")
    return _Plan(handle, older.snapshot)


def _resumed(session: Session, text: str) -> _Plan:
    try:
        token = parse_token(text)
    except BadToken as error:
        raise ZfsError(f"cannot resume send: {error}") from error
    found = session.tree.snapshots_by_guid(token.toguid)
    if not found:
        reason = "used in the initial send no longer exists"
        if session.find(token.toname) is not None:
            reason = "is no longer the same snapshot used in the initial send"
        raise ZfsError(f"cannot resume send: '{token.toname}' {reason}")
    chosen = next((copy for copy in found if f"{copy[0].name}@{copy[1].name}" == token.toname), found[0])
    if token.fromguid:
        raise Unmodelled("resuming an incremental stream")
    return _Plan(Handle(*chosen), None, token.offset, resuming=True)


def _header(plan: _Plan, *, with_properties: bool) -> Header:
    dataset, snapshot = plan.dataset, plan.snapshot
    own = {**dataset.received, **dataset.local} if with_properties else {}
    own.pop("volsize", None)
    return Header(
        toname=plan.name,
        toguid=snapshot.guid,
        kind=dataset.kind,
        volsize=snapshot.volsize,
        volblocksize=dataset.volblocksize,
        creation=snapshot.creation,
        fromguid=plan.older.guid if plan.older else 0,
        resuming=plan.resuming,
        offset=plan.offset,
        properties=own,
        snapshot_properties={**snapshot.received, **snapshot.local} if with_properties else {},
    )


def _changed(now: BlockMap, before: BlockMap | None) -> list[int]:
    """Blocks that differ, in order; those that have become holes included."""
    if before is None:
        return sorted(now)
    return sorted(number for number in now.keys() | before.keys() if now.get(number) != before.get(number))


def _full(path: Path, plan: _Plan) -> Iterator[Record]:
    with path.open("rb") as file:
        for start, end in extents(file.fileno()):
            for offset in range(start - start % BLOCK, end, RECORD_BYTES):
                if offset + RECORD_BYTES <= plan.offset:
                    continue
                data = os.pread(file.fileno(), min(RECORD_BYTES, end - offset), offset)
                yield Record(offset, len(data), data)


def _incremental(path: Path, now: BlockMap, before: BlockMap) -> Iterator[Record]:
    with path.open("rb") as file:
        for number in _changed(now, before):
            data = os.pread(file.fileno(), BLOCK, number * BLOCK) if number in now else None
            yield Record(number * BLOCK, BLOCK, data)


def _report(session: Session, plan: _Plan, given: dict[str, str], size: int) -> None:
    kind = f"incremental\t{plan.older.name}\t{plan.name}" if plan.older else f"full\t{plan.name}"
    if "P" in given:
        lines = [f"{kind}\t{size}", f"size\t{size}"]
    elif plan.older:
        lines = [f"send from @{plan.older.name} to {plan.name} estimated size is {nice_bytes(size)}"]
    else:
        lines = [f"full send of {plan.name} estimated size is {nice_bytes(size)}"]
    if "P" not in given:
        lines.append(f"total estimated size is {nice_bytes(size)}")
    for line in lines:
        if "n" in given:
            session.say(line)
        else:
            session.complain(line)


def _write(session: Session, plan: _Plan, chunks: Iterator[bytes]) -> int:
    """To the client. A fault at ``stream.send`` is ``slow`` (``rate`` bytes a second) or ``stop`` after ``bytes``."""
    fault = session.machine.faults.take("stream.send", argv=" ".join(session.call.argv))
    rate = int(str(fault.extra["rate"])) if fault and fault.action == "slow" else 0
    limit = int(str(fault.extra["bytes"])) if fault and fault.action == "stop" else None
    output = Output(session.call.stdout, session.call.lifeline, rate)
    try:
        for chunk in chunks:
            if limit is not None and output.written + len(chunk) >= limit:
                output.write(chunk[: limit - output.written])
                raise ZfsError(f"warning: cannot send '{plan.name}': Input/output error")
            output.write(chunk)
    except BrokenPipeError as error:
        raise ZfsError(f"warning: cannot send '{plan.name}': Broken pipe") from error
    except ClientDied:
        return 1
    return 0
