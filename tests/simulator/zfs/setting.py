"""zfs set and zfs inherit."""

from __future__ import annotations

import contextlib

from tests.simulator.accounting import volume_reservation
from tests.simulator.state import VOLUME, Dataset
from tests.simulator.zfs import messages, mounts, selection
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.options import flags, parse, property_arguments
from tests.simulator.zfs.properties import AUTO, is_user_property
from tests.simulator.zfs.selection import Scope
from tests.simulator.zfs.session import ANY, Handle, Session
from tests.simulator.zfs.validation import too_long, valid_properties

_REMOUNT = ("mountpoint", "canmount")


def set_properties(session: Session, args: list[str]) -> int:
    _, operands = parse(args, "u", "")
    if not operands:
        raise UsageError("missing arguments")
    if len(operands) < 2:
        raise UsageError("missing dataset name(s)" if "=" in operands[0] else "missing property=value argument(s)")
    first = next((i for i, word in enumerate(operands) if "=" not in word), None)
    if first is not None and first > 0 and any("=" in word for word in operands[first:]):
        raise UsageError("invalid argument order")
    if first is None:
        raise UsageError("missing dataset name(s)")
    given = property_arguments(operands[:first], rc=255)
    handles, rc = selection.select(session, operands[first:], Scope(ANY))
    for handle in handles:
        try:
            rc |= _set(session, handle, given)
        except ZfsError as error:
            session.complain(error.message)
            rc = 255
    return rc


def _set(session: Session, handle: Handle, given: dict[str, str]) -> int:
    prefix = f"cannot set property for '{handle.name}'"
    dataset = handle.dataset
    stored = valid_properties(session.table, handle.kind, given, prefix, existing=dataset)
    if not session.may(dataset, *("userprop" if ":" in name else name for name in stored)):
        raise ZfsError(f"{prefix}: {messages.DENIED}")
    holder = handle.snapshot or dataset
    if handle.snapshot is None and dataset.kind == VOLUME:
        _follow_reservation(dataset, stored)
    old_size = dataset.volsize
    failures = [reason for name, value in stored.items() if (reason := _apply(session, handle, name, value))]
    for reason in failures:
        session.complain(f"{prefix}: {reason}")
    if failures and "volsize" in stored and "refreservation" in stored and holder is dataset:
        _resize(session, dataset, old_size)
    session.storage.changed(dataset)
    session.moved()
    return 255 if failures else 0


def _follow_reservation(dataset: Dataset, stored: dict[str, str]) -> None:
    """A thick volume's reservation follows its size; ``auto`` means what the size needs."""
    block = dataset.volblocksize
    if "volsize" in stored and "refreservation" not in stored:
        if dataset.number("refreservation") == volume_reservation(dataset.volsize, block):
            stored["refreservation"] = str(volume_reservation(int(stored["volsize"]), block))
    elif stored.get("refreservation") == str(AUTO):
        size = int(stored.get("volsize", dataset.volsize))
        stored["refreservation"] = str(volume_reservation(size, block))


def _apply(session: Session, handle: Handle, name: str, value: str) -> str:
    """Set one property; the reason when the kernel refuses."""
    dataset = handle.dataset
    if too_long(name, value):
        return messages.VALUE_TOO_LONG
    if handle.snapshot is not None:
        handle.snapshot.local[name] = value
        return ""
    number = int(value) if value.isdecimal() else 0
    if refusal := _key_refusal(session, dataset, name) or _refusal(session, dataset, name, number):
        return refusal
    if name == "volsize":
        _resize(session, dataset, int(value))
        return ""
    with mounts.remounting(session, dataset) if name in _REMOUNT else contextlib.nullcontext():
        dataset.local[name] = value
    if name == "volmode":
        for below in session.tree.subtree(dataset):
            session.storage.refresh_node(below)
    session.moved()
    return ""


def _resize(session: Session, dataset: Dataset, size: int) -> None:
    dataset.local["volsize"] = str(size)
    session.storage.resize_file(dataset)
    session.moved()


def _key_refusal(session: Session, dataset: Dataset, name: str) -> str:
    """What the kernel cannot do without a key, or only where the key belongs."""
    if name == "volsize" and session.storage.is_locked(dataset):
        return messages.DENIED
    if name == "keylocation" and dataset.encryption and dataset.encryption_root != dataset.name:
        return "keylocation may only be set on encryption roots"
    return ""


def _refusal(session: Session, dataset: Dataset, name: str, value: int) -> str:
    """The space checks of dsl_dir_set_quota_check and its relatives."""
    usage = session.space.usage(dataset)
    if name == "quota" and value and (value < usage.total or value < dataset.number("reservation")):
        return messages.BELOW_USE
    if name == "refquota" and value and (value < usage.referenced or value < dataset.number("refreservation")):
        return messages.BELOW_USE
    if name == "refreservation":
        more = max(0, value - usage.unique) - usage.refreservation
        if more > 0 and more > session.space.directory_available(dataset):
            return messages.ABOVE_AVAILABLE
        return messages.ABOVE_AVAILABLE if _over_quota(dataset, value) else ""
    if name == "reservation":
        more = max(usage.total, value) - max(usage.total, dataset.number("reservation"))
        parent = session.tree.get(dataset.parent) if dataset.parent else dataset
        assert parent is not None
        if more > session.space.directory_available(parent) or _over_quota(dataset, value):
            return messages.ABOVE_AVAILABLE
    return ""


def _over_quota(dataset: Dataset, value: int) -> bool:
    return bool(dataset.number("quota")) and value > dataset.number("quota")


def inherit(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "rS")
    if not operands:
        raise UsageError("missing property argument")
    if len(operands) < 2:
        raise UsageError("missing dataset argument")
    name, received = operands[0], "S" in flags(found)
    _check_inherit(session, name, received=received)
    scope = Scope(ANY, recurse="r" in flags(found))
    handles, rc = selection.select(session, operands[1:], scope)
    for handle in handles:
        try:
            _inherit(session, handle, name, received=received, recursive=scope.recurse)
        except ZfsError as error:
            session.complain(error.message)
            rc = 1
    return rc


def _check_inherit(session: Session, name: str, *, received: bool) -> None:
    prop = session.table.find(name)
    if prop is None:
        if not is_user_property(name):
            raise UsageError(f"invalid property '{name}'")
        return
    if prop.readonly:
        raise ZfsError(f"{name} property is read-only")
    if not prop.inheritable and not received:
        text = f"'{name}' property cannot be inherited"
        if prop.name in ("quota", "reservation", "refquota", "refreservation"):
            text += f"\nuse 'zfs set {name}=none' to clear\nuse 'zfs inherit -S {name}' to revert to received value"
        raise ZfsError(text)
    if received and prop.name in ("volsize", "version"):
        raise ZfsError(f"'{name}' property cannot be reverted to a received value")


def _inherit(session: Session, handle: Handle, name: str, *, received: bool, recursive: bool) -> None:
    prefix = f"cannot inherit {name} for '{handle.name}'"
    prop = session.table.find(name)
    if prop is not None and handle.kind not in prop.types:
        if recursive:
            return
        raise ZfsError(f"{prefix}: property doesn't apply to datasets of this type")
    if not session.may(handle.dataset, "userprop" if prop is None else prop.name):
        raise ZfsError(f"{prefix}: {messages.DENIED}")
    holder = handle.snapshot or handle.dataset
    key = prop.name if prop is not None else name
    with mounts.remounting(session, handle.dataset) if key in _REMOUNT else contextlib.nullcontext():
        holder.local.pop(key, None)
        if not received:
            holder.received.pop(key, None)
    session.storage.changed(handle.dataset)
    if key == "volmode":
        for below in session.tree.subtree(handle.dataset):
            session.storage.refresh_node(below)
