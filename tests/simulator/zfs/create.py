"""zfs create."""

from __future__ import annotations

from tests.simulator.accounting import FILESYSTEM_FLOOR, VOLUME_FLOOR, volume_reservation
from tests.simulator.state import FILESYSTEM, VOLUME, Dataset, new_guid
from tests.simulator.zfs import encryption, messages, mounts
from tests.simulator.zfs.errors import ABORTED, UsageError, ZfsError
from tests.simulator.zfs.names import BadName, check_depth, check_name
from tests.simulator.zfs.numbers import BadNumber, parse_number
from tests.simulator.zfs.options import flags, parse, property_arguments
from tests.simulator.zfs.properties import AUTO
from tests.simulator.zfs.session import Session
from tests.simulator.zfs.validation import too_long, valid_properties

DEFAULT_BLOCK = 16384
_METADATA = 128 << 10


def create(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "PV:b:nso:puv", "Vbsopu", missing="missing size argument")
    given = property_arguments([value for name, value in found if name == "o"])
    kind = VOLUME if "V" in flags(found) else FILESYSTEM
    for name, value in found:
        if name == "V":
            given["volsize"] = _size(value, "volume size")
        elif name == "b":
            given["volblocksize"] = _size(value, "volume block size")
    _check_flags(flags(found), kind, operands)
    return _Creation(session, operands[0], kind, given, flags(found)).run()


def _size(text: str, what: str) -> str:
    try:
        return str(parse_number(text))
    except BadNumber as error:
        raise ZfsError(f"bad {what} '{text}': {error}") from error


def _check_flags(given: set[str], kind: str, operands: list[str]) -> None:
    if given & {"b", "s"} and kind != VOLUME:
        raise UsageError("'-s' and '-b' can only be used when creating a volume")
    if "u" in given and kind != FILESYSTEM:
        raise UsageError("'-u' can only be used when creating a filesystem")
    if not operands:
        raise UsageError(f"missing {kind} argument")
    if len(operands) > 1:
        raise UsageError("too many arguments")


class _Creation:
    """One zfs create, in the order in which cmd/zfs, libzfs and the kernel check."""

    def __init__(self, session: Session, name: str, kind: str, given: dict[str, str], options: set[str]) -> None:
        self.session = session
        self.name = name
        self.kind = kind
        self.given = given
        self.options = options
        self.prefix = f"cannot create '{name}'"

    def run(self) -> int:
        if self.kind == VOLUME:
            self._prepare_volume()
        if "p" in self.options and self._create_ancestors():
            return 0
        check_new_name(self.session, self.name, self.kind)
        stored = valid_properties(self.session.table, self.kind, self.given, self.prefix)
        if self.kind == VOLUME and not int(stored["volsize"]):
            raise ZfsError(f"{self.prefix}: {messages.ZERO_SIZE}")
        make_dataset(self.session, self.name, self.kind, stored, mount="u" not in self.options)
        return 0

    def _prepare_volume(self) -> None:
        """What zfs_do_create does to the properties of a volume: block size, rounding, reservation."""
        pool = self.name.partition("/")[0]
        if self.session.tree.get(pool) is None:
            raise ZfsError(messages.cannot_open(pool, "no such pool"))
        stored = valid_properties(self.session.table, VOLUME, self.given, self.prefix)
        block = int(stored.get("volblocksize", DEFAULT_BLOCK))
        if block < DEFAULT_BLOCK:
            self.session.complain(messages.small_volblocksize(block, DEFAULT_BLOCK))
        size = int(stored["volsize"])
        size = (size + block - 1) // block * block
        self.given["volsize"] = str(size)
        reserved = volume_reservation(size, block, int(stored.get("copies", "1")))
        if ("s" not in self.options and "refreservation" not in self.given) or stored.get("refreservation") == str(
            AUTO
        ):
            self.given["refreservation"] = str(reserved)

    def _create_ancestors(self) -> bool:
        """-p: make missing parents; True when the dataset itself is already there."""
        existing = self.session.tree.get(self.name)
        if existing is not None and existing.kind == self.kind:
            return True
        create_ancestors(self.session, self.name)
        return False


def create_ancestors(session: Session, name: str) -> None:
    """zfs_create_ancestors: every missing parent becomes a filesystem with inherited properties."""
    parts = name.split("/")
    if session.tree.get(parts[0]) is None:
        raise ZfsError(messages.cannot_create(name, f"no such pool '{parts[0]}'"))
    for depth in range(1, len(parts)):
        ancestor = "/".join(parts[:depth])
        existing = session.tree.get(ancestor)
        if existing is None:
            make_dataset(session, ancestor, FILESYSTEM, {}, mount=True)
        elif existing.kind != FILESYSTEM:
            raise ZfsError(messages.cannot_create(name, messages.PARENT_NOT_FILESYSTEM))


def check_new_name(session: Session, name: str, kind: str) -> None:
    """The name is valid, free, and has a parent that can have children; raises ZfsError."""
    try:
        check_name(name, frozenset({kind}), modifying=True)
        check_depth(name)
    except BadName as error:
        raise ZfsError(messages.cannot_create(name, str(error))) from error
    check_parent(session, name)
    if session.tree.get(name) is not None:
        raise ZfsError(messages.cannot_create(name, messages.EXISTS))


def check_parent(session: Session, name: str) -> None:
    """check_parents in libzfs."""
    pool, slash, _ = name.partition("/")
    if not slash:
        raise ZfsError(messages.cannot_create(name, messages.MISSING_DATASET_NAME))
    if session.tree.get(pool) is None:
        raise ZfsError(messages.cannot_create(name, f"no such pool '{pool}'"))
    parent = session.tree.get(name.rpartition("/")[0])
    if parent is None:
        raise ZfsError(messages.cannot_create(name, messages.PARENT_MISSING))
    if parent.kind != FILESYSTEM:
        raise ZfsError(messages.cannot_create(name, messages.PARENT_NOT_FILESYSTEM))


def make_dataset(session: Session, name: str, kind: str, stored: dict[str, str], *, mount: bool) -> Dataset:
    """The kernel's part: space, permission, keys, then the dataset with all its properties at once; raises ZfsError."""
    parent = session.tree.get(name.rpartition("/")[0])
    assert parent is not None
    properties = dict(stored)
    keys = encryption.for_new(session, name, parent, properties)
    check_kernel(session, name, parent, properties, VOLUME_FLOOR if kind == VOLUME else FILESYSTEM_FLOOR)
    dataset = Dataset(
        name=name,
        kind=kind,
        guid=new_guid(),
        createtxg=session.storage.next_txg(parent.pool),
        creation=session.storage.now(),
        objsetid=session.tree.pools[parent.pool].take_objset(),
        volblocksize=int(properties.pop("volblocksize", DEFAULT_BLOCK)) if kind == VOLUME else 0,
        local=properties,
        encryption=keys.suite,
        encryption_root=(keys.root or name) if keys.suite else "",
        keyformat=keys.keyformat,
        pbkdf2iters=keys.iterations,
        wrapped=keys.wrapped,
        key_loaded=bool(keys.wrapped),
    )
    session.storage.add(dataset)
    session.moved()
    if kind == FILESYSTEM and mount:
        mounts.mount_new(session, dataset)
    return dataset


def check_kernel(session: Session, name: str, parent: Dataset, stored: dict[str, str], floor: int) -> None:
    """Permission and space, as the ioctl would refuse them."""
    properties = ["userprop" if ":" in key else key for key in stored]
    # The properties are set on what has just been made, so they have to be delegated to what is below the parent.
    if not session.may(parent, "create", "mount") or not session.may_below(parent, *properties):
        raise ZfsError(messages.cannot_create(name, messages.DENIED))
    if any(too_long(key, value) for key, value in stored.items()):
        raise ZfsError(f"internal error: {messages.cannot_create(name, 'Argument list too long')}", ABORTED)
    root = session.tree.get(parent.pool)
    assert root is not None
    room = session.space.directory_available(parent)
    reserved = max(int(stored.get("refreservation", "0")), int(stored.get("reservation", "0")))
    if reserved and max(0, reserved - floor) > room - floor:
        raise ZfsError(messages.cannot_create(name, messages.OUT_OF_SPACE))
    if session.space.directory_available(root) < floor + _METADATA:
        raise ZfsError(messages.cannot_create(name, messages.OUT_OF_SPACE))
