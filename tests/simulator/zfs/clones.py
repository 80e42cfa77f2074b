"""zfs clone, promote, rename."""

from __future__ import annotations

from tests.simulator.accounting import FILESYSTEM_FLOOR, VOLUME_FLOOR, volume_reservation
from tests.simulator.registry import Unmodelled
from tests.simulator.state import FILESYSTEM, SNAPSHOT, VOLUME, Dataset, Snapshot, new_guid
from tests.simulator.zfs import messages, mounts
from tests.simulator.zfs.create import check_kernel, check_parent, create_ancestors
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.names import BadName, check_name
from tests.simulator.zfs.options import flags, parse, property_arguments
from tests.simulator.zfs.properties import AUTO
from tests.simulator.zfs.session import ANY, DATASETS, Handle, Session
from tests.simulator.zfs.validation import valid_properties

_SNAPSHOT_ONLY = frozenset({SNAPSHOT})


def clone(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "o:pu" if session.version >= (2, 4, 1) else "o:p")
    given = property_arguments([value for name, value in found if name == "o"])
    _two_operands(operands)
    source = session.open(operands[0], _SNAPSHOT_ONLY)
    target = operands[1]
    if "p" in flags(found):
        if session.tree.get(target) is not None:
            return 0
        create_ancestors(session, target)
    _clone(session, source, target, given)
    return 0


def _two_operands(operands: list[str]) -> None:
    if len(operands) < 1:
        raise UsageError("missing source dataset argument")
    if len(operands) < 2:
        raise UsageError("missing target dataset argument")
    if len(operands) > 2:
        raise UsageError("too many arguments")


def _clone(session: Session, source: Handle, target: str, given: dict[str, str]) -> None:
    prefix = f"cannot create '{target}'"
    origin, dataset = source.snapshot, source.dataset
    assert origin is not None
    try:
        check_name(target, frozenset({FILESYSTEM}), modifying=True)
    except BadName as error:
        raise ZfsError(f"{prefix}: {error}") from error
    parent_pool = target.partition("/")[0]
    if parent_pool != dataset.pool and session.tree.get(parent_pool) is not None:
        check_parent(session, target)
        raise ZfsError(f"{prefix}: {messages.POOLS_DIFFER}")
    check_parent(session, target)
    if given.keys() & {"keyformat", "keylocation", "pbkdf2iters"} and "encryption" not in given:
        raise ZfsError(f"{prefix}: Encryption properties must inherit from origin dataset.")
    stored = valid_properties(session.table, dataset.kind, given, prefix, existing=dataset)
    if stored.get("refreservation") == str(AUTO):
        stored["refreservation"] = str(volume_reservation(origin.volsize, dataset.volblocksize))
    if session.tree.get(target) is not None:
        raise ZfsError(f"{prefix}: {messages.EXISTS}")
    parent = session.tree.get(target.rpartition("/")[0])
    assert parent is not None
    if not session.may(dataset, "clone"):
        raise ZfsError(f"{prefix}: {messages.DENIED}")
    check_kernel(session, target, parent, stored, VOLUME_FLOOR if dataset.kind == VOLUME else FILESYSTEM_FLOOR)
    _make_clone(session, source, target, stored)


def _make_clone(session: Session, source: Handle, target: str, stored: dict[str, str]) -> None:
    origin, dataset = source.snapshot, source.dataset
    assert origin is not None
    properties = dict(stored)
    size = properties.setdefault("volsize", str(origin.volsize)) if dataset.kind == VOLUME else ""
    made = Dataset(
        name=target,
        kind=dataset.kind,
        guid=new_guid(),
        createtxg=session.storage.next_txg(dataset.pool),
        creation=session.storage.now(),
        objsetid=session.tree.pools[dataset.pool].take_objset(),
        volblocksize=dataset.volblocksize,
        local=properties,
        origin=origin.ident,
        # It shares its origin's key object, whatever it lies below.
        encryption=dataset.encryption,
        encryption_root=dataset.encryption_root,
        keyformat=dataset.keyformat,
        pbkdf2iters=dataset.pbkdf2iters,
    )
    session.storage.add(made)
    if made.kind == VOLUME:
        session.storage.restore(made, origin)
        made.local["volsize"] = size
        session.storage.resize_file(made)
    else:
        mounts.mount_new(session, made)
    session.moved()


def promote(session: Session, args: list[str]) -> int:
    if args and args[0].startswith("-"):
        raise UsageError(f"invalid option '{args[0][1:2]}'")
    if not args:
        raise UsageError("missing clone filesystem argument")
    if len(args) > 1:
        raise UsageError("too many arguments")
    dataset = session.open(args[0], DATASETS).dataset
    prefix = f"cannot promote '{dataset.name}'"
    if not dataset.origin:
        raise ZfsError(f"{prefix}: {messages.NOT_A_CLONE}")
    found = session.tree.find_snapshot(dataset.origin)
    assert found is not None
    former, origin = found
    if not session.may(dataset, "promote", "mount") or not session.may(former, "promote"):
        raise ZfsError(f"{prefix}: {messages.DENIED}")
    _promote(session, dataset, former, origin)
    return 0


def _promote(session: Session, dataset: Dataset, former: Dataset, origin: Snapshot) -> None:
    if dataset.encryption:
        raise Unmodelled("promoting an encrypted clone")
    moving = [snapshot for snapshot in former.snapshots if snapshot.createtxg <= origin.createtxg]
    for snapshot in moving:
        if dataset.snapshot(snapshot.name) is not None:
            name = f"{former.name}@{origin.name}"
            raise ZfsError(
                f"cannot promote '{dataset.name}': conflicting snapshot '{snapshot.name}' from parent '{name}'"
            )
    former.snapshots = [snapshot for snapshot in former.snapshots if snapshot not in moving]
    dataset.snapshots = [*moving, *dataset.snapshots]
    dataset.origin, former.origin = former.origin, origin.ident
    session.storage.changed(dataset)
    session.storage.changed(former)
    session.moved()


def rename(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "pruf", "pu")
    options = flags(found)
    _two_operands(operands)
    if options >= {"u", "p"}:
        raise UsageError("-u and -p options are mutually exclusive")
    kinds = frozenset({FILESYSTEM}) if "u" in options else DATASETS if "p" in options else ANY
    handle = session.open(operands[0], kinds)
    target = operands[1]
    if "p" in options:
        create_ancestors(session, target)
    if handle.name == target:
        return 0
    if handle.snapshot is not None:
        _rename_snapshot(session, handle, target)
    else:
        _rename_dataset(session, handle.dataset, target)
    return 0


def _rename_snapshot(session: Session, handle: Handle, target: str) -> None:
    dataset, snapshot = handle.dataset, handle.snapshot
    assert snapshot is not None
    prefix = f"cannot rename to '{target}'"
    if "@" in target and not target.startswith("@"):
        if target.partition("@")[0] != dataset.name:
            raise ZfsError(f"{prefix}: snapshots must be part of same dataset")
        full = target
    else:
        full = f"{dataset.name}@{target.removeprefix('@')}"
    try:
        check_name(full, _SNAPSHOT_ONLY, modifying=True)
    except BadName as error:
        raise ZfsError(f"{prefix}: {error}") from error
    name = full.partition("@")[2]
    # Of a snapshot the kernel takes its dataset for the parent (zfs_secpolicy_rename_perms).
    if not session.may(dataset, "rename", "mount", "create"):
        raise ZfsError(f"cannot rename '{handle.name}': {messages.DENIED}")
    if dataset.snapshot(name) is not None:
        raise ZfsError(f"cannot rename '{handle.name}': {messages.EXISTS}")
    snapshot.name = name
    session.storage.changed(dataset)


def _rename_dataset(session: Session, dataset: Dataset, target: str) -> None:
    try:
        check_name(target, frozenset({dataset.kind}), modifying=True)
    except BadName as error:
        raise ZfsError(f"cannot rename to '{target}': {error}") from error
    check_parent(session, target)
    if target.partition("/")[0] != dataset.pool:
        raise ZfsError(f"cannot rename to '{target}': {messages.SAME_POOL}")
    if target.startswith(f"{dataset.name}/"):
        text = "New dataset name cannot be a descendant of current dataset name"
        raise ZfsError(f"cannot rename to '{target}': {text}")
    if reason := _rename_refusal(session, dataset, target):
        raise ZfsError(f"cannot rename '{dataset.name}': {reason}")
    with mounts.remounting(session, dataset):
        move_tree(session, dataset, target)


def _rename_refusal(session: Session, dataset: Dataset, target: str) -> str:
    parent = session.tree.get(target.rpartition("/")[0])
    assert parent is not None
    if not session.may(dataset, "rename", "mount") or not session.may(parent, "create", "mount"):
        return messages.DENIED
    if session.tree.get(target) is not None:
        return messages.EXISTS
    if dataset.encryption and dataset.encryption_root not in (dataset.name, parent.encryption_root):
        return messages.OUTSIDE_OF_ROOT
    if any(session.storage.is_open(below) for below in session.tree.subtree(dataset)):
        # It is not refused: users of a volume lose their device (zvol_os.c, zvol_os_rename_minor).
        raise Unmodelled("renaming what is open")
    charged = session.space.charged(dataset)
    if parent.name != dataset.parent and parent not in session.tree.ancestors(dataset):
        new_room = session.space.directory_available(parent)
        quotas = any(holder.number("quota") for holder in (parent, *session.tree.ancestors(parent)))
        if quotas and charged > new_room:
            return messages.OUT_OF_SPACE
    return ""


def move_tree(session: Session, dataset: Dataset, target: str) -> None:
    """Rename a dataset and with it all below it."""
    old = dataset.name
    for below in session.tree.subtree(dataset):
        session.storage.move(below, target + below.name[len(old) :])
    for other in session.tree.all():
        if other.encryption_root == old or other.encryption_root.startswith(f"{old}/"):
            other.encryption_root = target + other.encryption_root[len(old) :]
            session.storage.changed(other)
    session.moved()
