# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The command lines of zfs(8), one function each. They look like the manual page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import _names
from .model import Copy, Group, Snapshot, Volume

_GET = ("zfs", "get", "-Hp")
_VOLMODE = "dev"
# User properties have no common word to ask for, so "all" it is, without what is inherited or default.
_WHAT = ("-s", "local,received,none", "-o", "name,property,value,source", "all")


def read(parent: str) -> list[str]:
    """Read a dataset and everything below it, snapshots too."""
    return [*_GET, "-r", "-t", "filesystem,volume,snapshot", *_WHAT, parent]


def show(datasets: Sequence[str]) -> list[str]:
    """Read these datasets."""
    return [*_GET, *_WHAT, *datasets]


def show_parent(parent: str) -> list[str]:
    """Read the parent alone."""
    return show([parent])


def create(volume: Volume, owner_value: str) -> list[str]:
    """
    Make a volume with everything there is to know about it, in one command.

    volmode=dev: no partition of a guest is tasted by the host's GEOM. An encrypted one reads its key
    on standard input.
    """
    wanted = volume.parameters
    options = {"volblocksize": str(wanted.volblocksize), **_encryption(volume), **_options(volume, owner_value)}
    thin = ["-s"] if wanted.thin else []
    return ["zfs", "create", *thin, "-V", str(volume.size_bytes), *_settings(options), volume.dataset]


def adopt(volume: Volume, owner_value: str) -> list[str]:
    """Write down of a zvol that was there all there is to know about it. Its data and its other properties stay."""
    return set_properties(volume.dataset, {"volmode": _VOLMODE, **_own_properties(volume, owner_value)})


def clone(volume: Volume, snapshot: str, owner_value: str) -> list[str]:
    """Make a volume of a snapshot. It has the size of the snapshot and no reservation: see `finish`."""
    options = _options(volume, owner_value)
    options[f"{_names.PREFIX}size"] = str(volume.goal_bytes)
    return ["zfs", "clone", *_settings(options), snapshot, volume.dataset]


def finish(volume: Volume) -> list[str]:
    """Give a clone its size, and set its blocks aside if it is not thin."""
    reservation = [] if volume.thin else ["refreservation=auto"]
    size = max(volume.size_bytes, volume.goal_bytes)
    return ["zfs", "set", f"volsize={size}", *reservation, volume.dataset]


def set_properties(dataset: str, values: Mapping[str, str]) -> list[str]:
    """Set several properties of a dataset at once."""
    return ["zfs", "set", *(f"{key}={value}" for key, value in values.items()), dataset]


def grow(volume: Volume) -> list[str]:
    """Give a volume its size. A reservation that matched the old one grows with it."""
    return ["zfs", "set", f"volsize={volume.size_bytes}", volume.dataset]


def inherit(dataset: str, name: str) -> list[str]:
    """Drop a user property of a dataset."""
    return ["zfs", "inherit", name, dataset]


def destroy(dataset: str) -> list[str]:
    """Destroy a dataset that has neither snapshots nor children; never more."""
    return ["zfs", "destroy", dataset]


def snapshot(made: Snapshot, owner_value: str) -> list[str]:
    """Take a snapshot with everything there is to know about it, in one command."""
    return ["zfs", "snapshot", *_settings(_snapshot_properties(made, owner_value)), made.dataset]


def group_snapshot(group: Group, owner_value: str) -> list[str]:
    """Take snapshots of several volumes at one moment, all of them or none; each is given every property."""
    values = {
        "schema": _names.SCHEMA,
        "owner": owner_value,
        "group-uuid": group.uuid,
        "group-name": _names.encoded(group.name),
        "group-size": str(group.size),
    }
    settings = _settings({_names.PREFIX + name: value for name, value in values.items()})
    return ["zfs", "snapshot", *settings, *(member.dataset for member in group.members)]


def hidden_snapshot(dataset: str, clone_uuid: str, owner_value: str) -> list[str]:
    """Take a snapshot of which nothing but this clone is to be made."""
    values = {f"{_names.PREFIX}owner": owner_value, f"{_names.PREFIX}clone-for": clone_uuid}
    return ["zfs", "snapshot", *_settings(values), dataset]


def rename(dataset: str, target: str) -> list[str]:
    """Rename a dataset or a snapshot."""
    return ["zfs", "rename", dataset, target]


def destroy_later(dataset: str) -> list[str]:
    """Destroy a snapshot, or have it vanish with the last of its clones and holds."""
    return ["zfs", "destroy", "-d", dataset]


def create_trash(dataset: str) -> list[str]:
    """Make the place for deleted volumes."""
    return _create_place(dataset, {"trash": _names.SCHEMA})


def create_copying(dataset: str) -> list[str]:
    """Make the place for copies that are not whole yet."""
    return _create_place(dataset, {"copying": _names.SCHEMA})


def record_copy(copy: Copy, owner_value: str) -> list[str]:
    """Write down everything there is to know about a copy, before anything is copied."""
    made, wanted = copy.snapshot, copy.volume.parameters
    kind, of = ("volume", "") if made is None else ("snapshot", made.source)
    record = {
        "schema": _names.SCHEMA,
        "owner": owner_value,
        "copy": kind,
        "copy-of": of,
        "copy-name": _names.encoded(copy.volume.name),
        "copy-parameters": wanted.to_json(),
        "copy-size": str(copy.volume.size_bytes),
    }
    return _create_place(copy.place, record)


def hold(snapshot: str, tag: str) -> list[str]:
    """Keep a snapshot from being destroyed."""
    return ["zfs", "hold", tag, snapshot]


def release(snapshot: str, tag: str) -> list[str]:
    """Let a snapshot go; if it was to be destroyed, it is now."""
    return ["zfs", "release", tag, snapshot]


def send(snapshot: str) -> list[str]:
    """
    Send all of a snapshot, its blocks as large as they are.

    Not as they are compressed (-c): the copy's own properties are to count. An encrypted volume would
    need -w, which keeps its key; without, the copy would not be encrypted, so the plan refuses it.
    """
    return ["zfs", "send", "-L", "-e", snapshot]


def resume(token: str) -> list[str]:
    """Send the rest; what it is, and with which options, is in the token."""
    return ["zfs", "send", "-t", token]


def receive(copy: Copy) -> list[str]:
    """Receive a copy from its beginning, so that it can be gone on with."""
    options = {"volmode": "dev", **copy.volume.parameters.properties}
    return ["zfs", "receive", "-s", "-u", *_settings(options), copy.received]


def receive_rest(copy: Copy) -> list[str]:
    """Receive the rest of a copy."""
    return ["zfs", "receive", "-s", "-u", copy.received]


def own_copy(copy: Copy, owner_value: str) -> list[str]:
    """Make a whole copy a volume of ours, under the name it has as long as nobody sees it."""
    values = {**_own_properties(copy.volume, owner_value), f"{_names.PREFIX}size": str(copy.volume.size_bytes)}
    return set_properties(copy.data, values)


def size_copy(copy: Copy) -> list[str]:
    """Give a whole copy its size, and set its blocks aside if it is not thin."""
    return finish(copy.volume._replace(dataset=copy.data))


def own_snapshot(copy: Copy, made: Snapshot, owner_value: str) -> list[str]:
    """Make the snapshot that was received a detached snapshot of ours."""
    values = {**_snapshot_properties(made, owner_value), f"{_names.PREFIX}snapshot-of": made.source}
    return set_properties(copy.received, values)


def rollback(snapshot: str) -> list[str]:
    """Give up what was written since the newest snapshot; zfs refuses any other."""
    return ["zfs", "rollback", snapshot]


def mark_deleted(dataset: str) -> list[str]:
    """Say of a volume that cannot be moved that it is deleted."""
    return set_properties(dataset, {f"{_names.PREFIX}deleted": _names.SCHEMA})


def load_key(root: str) -> list[str]:
    """Load the key of an encryption root; it is read on standard input."""
    return ["zfs", "load-key", root]


def try_key(root: str) -> list[str]:
    """See whether a key, read on standard input, is that of an encryption root; whether it is loaded or not."""
    return ["zfs", "load-key", "-n", root]


def unload_key(root: str) -> list[str]:
    """Forget the key of an encryption root; zfs refuses while one of its volumes is open."""
    return ["zfs", "unload-key", root]


def show_device(dataset: str) -> list[str]:
    """
    Have the device of a volume, whose key is loaded, made where it is missing.

    With a key comes the device of its root, and those of the root's clones, but not those of their
    clones. Setting volmode makes it, even to what it is; one that is there stays.
    """
    return set_properties(dataset, {"volmode": _VOLMODE})


def make(name: str, options: Mapping[str, str], *, size_bytes: int = 0, thin: bool = True) -> list[str]:
    """Make what a person named; a volume, if it has a size."""
    volume = [*(["-s"] if thin else []), "-V", str(size_bytes)] if size_bytes else []
    return ["zfs", "create", *volume, *_settings(options), name]


def make_snapshot(name: str, options: Mapping[str, str]) -> list[str]:
    """Take a snapshot that a person named."""
    return ["zfs", "snapshot", *_settings(options), name]


def make_clone(name: str, snapshot: str, options: Mapping[str, str]) -> list[str]:
    """Make a clone that a person named."""
    return ["zfs", "clone", *_settings(options), snapshot, name]


def _create_place(dataset: str, record: dict[str, str]) -> list[str]:
    """
    Make a dataset that is never mounted, with a record.

    That takes no mountpoint: who may set that of a dataset can have it mounted over anything at the next boot.
    """
    options = {"canmount": "off", **{_names.PREFIX + k: v for k, v in record.items()}}
    return ["zfs", "create", *_settings(options), dataset]


def _settings(options: Mapping[str, str]) -> list[str]:
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _options(volume: Volume, owner_value: str) -> dict[str, str]:
    return {"volmode": _VOLMODE, **volume.parameters.properties, **_own_properties(volume, owner_value)}


def _encryption(volume: Volume) -> dict[str, str]:
    wanted = volume.parameters.encryption
    if wanted is None:
        return {}
    return {"encryption": wanted.cipher, "keyformat": wanted.keyformat, "keylocation": "prompt"}


def _own_properties(volume: Volume, owner_value: str) -> dict[str, str]:
    values = {
        "schema": _names.SCHEMA,
        "uuid": volume.uuid,
        "owner": owner_value,
        "name": _names.encoded(volume.name),
        "parameters": volume.parameters.to_json(),
        "hash": volume.digest,
    }
    return {_names.PREFIX + name: value for name, value in values.items()}


def _snapshot_properties(made: Snapshot, owner_value: str) -> dict[str, str]:
    values = {
        "schema": _names.SCHEMA,
        "snapshot-uuid": made.uuid,
        "owner": owner_value,
        "snapshot-name": _names.encoded(made.name),
    }
    return {_names.PREFIX + name: value for name, value in values.items()}
