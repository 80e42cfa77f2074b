"""Every text the ZFS commands print on stderr, with what varies filled in; by OpenZFS version where releases differ."""

from __future__ import annotations

NOT_FOUND = "dataset does not exist"
SUSPENDED = "pool I/O is currently suspended"
EXISTS = "dataset already exists"
BUSY = "dataset is busy"
OUT_OF_SPACE = "out of space"
DENIED = "permission denied"
BAD_TYPE = "operation not applicable to datasets of this type"
PARENT_MISSING = "parent does not exist"
PARENT_NOT_FILESYSTEM = "parent is not a filesystem"
ZERO_SIZE = "volume size cannot be zero"
MISSING_DATASET_NAME = "missing dataset name"
BELOW_USE = "size is less than current used or reserved space"
ABOVE_AVAILABLE = "size is greater than available space"
VALUE_TOO_LONG = "property value too long"
POOLS_DIFFER = "source and target pools differ"
SAME_POOL = "datasets must be within same pool"
NO_SNAPSHOTS_CREATED = "no snapshots were created"
NO_SNAPSHOTS_TO_DESTROY = "could not find any snapshots to destroy; check snapshot names."
NO_DATASETS = "no datasets available"
NOT_A_CLONE = "not a cloned filesystem"
TAG_EXISTS = "tag already exists on this dataset"
NO_SUCH_TAG = "no such tag on this dataset"
TAG_TOO_LONG = "tag too long"
KEY_NOT_LOADED = "encryption root's key is not loaded or provided"
OUTSIDE_OF_ROOT = "cannot move encrypted child outside of its encryption root"
MISSING_EQUALS = "missing '=' for property=value argument"


def cannot_open(name: str, reason: str) -> str:
    return f"cannot open '{name}': {reason}"


def cannot_create(name: str, reason: str) -> str:
    return f"cannot create '{name}': {reason}"


def cannot_destroy(name: str, reason: str) -> str:
    return f"cannot destroy '{name}': {reason}"


def invalid_property(name: str) -> str:
    return f"invalid property '{name}'"


def read_only(name: str) -> str:
    return f"'{name}' is readonly"


def not_for_type(name: str) -> str:
    return f"'{name}' does not apply to datasets of this type"


def duplicate_property(name: str) -> str:
    return f"property '{name}' specified multiple times"


def small_volblocksize(size: int, default: int) -> str:
    return (
        f"Warning: volblocksize ({size}) is less than the default minimum block size ({default}).\n"
        f"To reduce wasted space a volblocksize of {default} is recommended."
    )


def has_children(name: str, kind: str, children: list[str]) -> str:
    return _with_list(f"cannot destroy '{name}': {kind} has children", "-r", children)


def has_clones(name: str, kind: str, clones: list[str]) -> str:
    return _with_list(f"cannot destroy '{name}': {kind} has dependent clones", "-R", clones)


def _with_list(first: str, flag: str, names: list[str]) -> str:
    return "\n".join([first, f"use '{flag}' to destroy the following datasets:", *names])


def snapshot_held(name: str, version: tuple[int, int, int]) -> str:
    reason = f"it's being held. Run 'zfs holds -r {name}' to see holders." if version >= (2, 3, 0) else BUSY
    return f"cannot destroy snapshot {name}: {reason}"
