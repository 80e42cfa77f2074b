"""zfs receive."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tests.simulator import registry
from tests.simulator.pipes import ClientDied, Input
from tests.simulator.registry import Unmodelled
from tests.simulator.state import FILESYSTEM, VOLUME, Dataset, Snapshot
from tests.simulator.zfs import messages, mounts
from tests.simulator.zfs.create import make_dataset
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.names import BadName, check_name
from tests.simulator.zfs.options import property_arguments
from tests.simulator.zfs.session import DATASETS, Session
from tests.simulator.zfs.stream import Corrupt, Header, Record, ResumeToken, Truncated, read_header, read_records
from tests.simulator.zfs.validation import valid_properties

HOLDER = "receive"
_BAD_STREAM = "cannot receive: invalid stream (bad magic number)"
_NO_STREAM = "cannot receive: failed to read from stream"
_SAVED = """checksum mismatch or incomplete stream.
Partially received snapshot is saved.
A resuming stream can be generated on the sending system by running:
    zfs send -t {token}"""


@dataclass(frozen=True)
class _Options:
    resumable: bool
    mount: bool
    properties: dict[str, str]
    excluded: frozenset[str]


def receive(session: Session, args: list[str]) -> int:
    """Takes the machine's lock only to begin and to end; data flows without it."""
    options, target, discard = _parse(args)
    if discard:
        with session.machine.lock:
            return _discard(session, target)
    source = Input(session.call.stdin, session.call.lifeline)
    try:
        header = read_header(source)
    except (Truncated, ClientDied) as error:
        raise ZfsError(_NO_STREAM) from error
    if header is None:
        raise ZfsError(_BAD_STREAM)
    with session.machine.lock:
        reception = _Reception(session, target, header, options)
        reception.begin()
        session.storage.commit()
    return reception.run(source)


def _parse(args: list[str]) -> tuple[_Options, str, bool]:
    try:
        found, operands = registry.options(args, "o:x:dehMnuvFsAc", modelled="oxusA")
    except registry.BadOption as error:
        text = "missing argument for '{}' option" if error.missing_argument else "invalid option '{}'"
        raise UsageError(text.format(error.option)) from error
    try:
        given = property_arguments([value for name, value in found if name == "o"])
    except ZfsError as error:
        raise UsageError(error.message) from error
    if given.keys() & {"encryption", "keyformat", "keylocation", "pbkdf2iters"}:
        raise registry.Unmodelled("receiving into an encrypted dataset of its own")
    names = {name for name, _ in found}
    if not operands:
        raise UsageError("missing snapshot argument")
    if len(operands) > 1:
        raise UsageError("too many arguments")
    if "A" in names and names & {"u", "s"}:
        raise UsageError("invalid option")
    excluded = frozenset(value for name, value in found if name == "x")
    return _Options("s" in names, "u" not in names, given, excluded), operands[0], "A" in names


def _discard(session: Session, name: str) -> int:
    try:
        dataset = session.open(name, DATASETS).dataset
    except ZfsError as error:
        raise UsageError(error.message) from error
    if not dataset.resume.get("token"):
        raise ZfsError(f"'{name}' does not have any resumable receive state to abort")
    if session.storage.is_open(dataset):
        raise ZfsError(messages.cannot_destroy(name, messages.BUSY))
    session.storage.remove(dataset)
    session.storage.commit()
    return 0


class _Reception:
    """One stream into one dataset. ``prefix`` is how its errors begin."""

    def __init__(self, session: Session, target: str, header: Header, options: _Options) -> None:
        self.session = session
        self.storage = session.storage
        self.header = header
        self.options = options
        self.name, at, given = target.partition("@")
        self.snapname = given if at else header.toname.partition("@")[2]
        what = "resume" if header.resuming else "incremental" if header.fromguid else "new filesystem"
        self.prefix = f"cannot receive {what} stream"
        self.epoch = session.machine.epoch
        self.dataset: Dataset | None = session.tree.get(self.name)
        self.fresh = not header.fromguid
        self.content = 0
        self.room = 0

    def fail(self, reason: str) -> ZfsError:
        return ZfsError(f"{self.prefix}: {reason}")

    # -- beginning ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Check, then mark (or make) the dataset as being received into; raises ZfsError."""
        try:
            check_name(f"{self.name}@{self.snapname}", frozenset({"snapshot"}), modifying=True)
        except BadName as error:
            raise self.fail(str(error)) from error
        if self.header.resuming:
            self._begin_resumed()
        elif self.fresh:
            self._begin_new()
        else:
            self._begin_incremental()
        assert self.dataset is not None
        self.content = self.dataset.guid if self.fresh else self.storage.begin_copy(self.dataset)
        state = self.dataset.resume
        resumable = self.options.resumable or bool(state.get("token"))
        state.update(active=True, resumable=resumable, fresh=self.fresh)
        if self.dataset.kind == VOLUME:
            self.storage.refresh_node(self.dataset)
        self.room = self.session.space.available(self.dataset)
        self.storage.hold_open(self.dataset, HOLDER)
        self._remember(self.header.offset)

    def _begin_resumed(self) -> None:
        if self.dataset is None:
            raise self.fail(f"destination '{self.name}' does not exist")
        state = self.dataset.resume
        if self.storage.is_open(self.dataset) or state.get("toguid") != str(self.header.toguid):
            raise self.fail(messages.BUSY)
        if state.get("offset", 0) != self.header.offset:
            raise self.fail("kernel modules must be upgraded to receive this stream.")

    def _begin_new(self) -> None:
        if self.dataset is not None:
            raise self.fail(f"destination '{self.name}' exists\nmust specify -F to overwrite it")
        parent = self.session.tree.get(self.name.rpartition("/")[0])
        if "/" not in self.name:
            raise self.fail(f"destination '{self.name}' does not exist")
        if parent is None:
            missing = self.name.rpartition("/")[0]
            opened = messages.cannot_open(missing, messages.NOT_FOUND)
            raise ZfsError(f"{opened}\n{self.prefix}: unable to restore to destination")
        if parent.kind != FILESYSTEM:
            raise self.fail(f"parent '{parent.name}' is not a filesystem")
        if not self.session.may(parent, "receive", "create", "mount"):
            raise self.fail(messages.DENIED)
        kind = self.header.kind
        stored = valid_properties(self.session.table, kind, self.options.properties, self.prefix)
        if kind == VOLUME:
            stored["volsize"] = str(self.header.volsize)
            stored["volblocksize"] = str(self.header.volblocksize)
        try:
            self.dataset = make_dataset(self.session, self.name, kind, stored, mount=False)
        except ZfsError as error:
            raise self.fail(error.message.rpartition(": ")[2]) from error
        received = {**self.header.properties}
        self.dataset.received = {k: v for k, v in received.items() if k not in self.options.excluded}

    def _begin_incremental(self) -> None:
        if self.dataset is None:
            raise self.fail(f"destination '{self.name}' does not exist")
        if self.dataset.resume.get("token"):
            state = 'contains partially-complete state from "zfs receive -s".'
            raise self.fail(f"destination {self.name} {state}")
        newest = self.dataset.snapshots[-1] if self.dataset.snapshots else None
        if newest is None or newest.guid != self.header.fromguid:
            raise self.fail(f"most recent snapshot of {self.name} does not\nmatch incremental source")
        if self.storage.block_map(self.dataset.guid) != self.storage.block_map(newest.ident):
            raise self.fail(f"destination {self.name} has been modified\nsince most recent snapshot")
        if self.options.resumable:
            raise Unmodelled("a resumable incremental receive")

    # -- data --------------------------------------------------------------------------------------------------------

    def run(self, source: Input) -> int:
        assert self.dataset is not None
        reached = self.header.offset
        written = 0
        try:
            with self.storage.file(self.content).open("r+b" if self.header.kind == VOLUME else "ab") as file:
                for record in read_records(source):
                    written += record.length if record.data else 0
                    if written > self.room:
                        return self._stopped(reached, messages.OUT_OF_SPACE)
                    _apply(file.fileno(), record)
                    reached = record.offset + record.length
                    self._remember(reached)
        except ClientDied:
            self._stopped(reached, "")
            return 1
        except (Truncated, Corrupt) as error:
            text = "checksum mismatch" if isinstance(error, Corrupt) else "incomplete stream"
            return self._stopped(reached, text)
        return self._finish()

    def _remember(self, offset: int) -> None:
        assert self.dataset is not None
        state = self.dataset.resume
        state.update(toguid=str(self.header.toguid), offset=offset)
        if state.get("resumable"):
            header = self.header
            state["token"] = ResumeToken(header.toname, header.toguid, header.fromguid, offset).text()

    def _stopped(self, offset: int, reason: str) -> int:
        """The stream did not end well: keep what came when it can be resumed, else undo."""
        assert self.dataset is not None
        with self.session.machine.lock:
            if self.session.machine.epoch != self.epoch:
                return 1  # the power went out meanwhile and the boot has cleared up
            self._remember(offset)
            self.storage.release_open(self.dataset, HOLDER)
            state = self.dataset.resume
            state["active"] = False
            token = state.get("token")
            self._undo_unless_resumable()
            self.storage.commit()
        if token and reason in ("checksum mismatch", "incomplete stream"):
            reason = _SAVED.format(token=token)
        if reason:
            self.session.complain(f"{self.prefix}: {reason}")
        return 1

    def _undo_unless_resumable(self) -> None:
        assert self.dataset is not None
        if self.dataset.resume.get("resumable"):
            self.storage.changed(self.dataset)
        elif self.fresh:
            self.storage.remove(self.dataset)
        else:
            self.dataset.resume = {}
            self.storage.discard_data(self.content)

    # -- end ---------------------------------------------------------------------------------------------------------

    def _finish(self) -> int:
        assert self.dataset is not None
        dataset, header = self.dataset, self.header
        with self.session.machine.lock:
            if self.session.machine.epoch != self.epoch:
                return 1
            self.storage.release_open(dataset, HOLDER)
            dataset.resume = {}
            if not self.fresh:
                self.storage.end_copy(dataset, self.content)
            if dataset.kind == VOLUME:
                dataset.local["volsize"] = str(header.volsize)
                self.storage.resize_file(dataset)
            made = self._snapshot()
            made.guid = header.toguid
            made.received = dict(header.snapshot_properties)
            self.storage.refresh_node(dataset) if dataset.kind == VOLUME else self._mount()
            self.storage.changed(dataset)
            self.storage.commit()
        return 0

    def _snapshot(self) -> Snapshot:
        assert self.dataset is not None
        txg = self.storage.next_txg(self.dataset.pool)
        return self.storage.take_snapshot(self.dataset, self.snapname, txg, self.header.creation, {})

    def _mount(self) -> None:
        assert self.dataset is not None
        if self.options.mount and not self.dataset.mounted:
            mounts.mount_new(self.session, self.dataset)


def _apply(descriptor: int, record: Record) -> None:
    data = record.data if record.data is not None else bytes(record.length)
    os.pwrite(descriptor, data, record.offset)
