# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What all kinds have in common that are datasets or snapshots of ZFS. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from .. import _names
from .._changes import Change, Resize, RunZfs
from .._ctl.sections import Target
from .._nouns import CHOSEN_BY_HOST
from .._state import Facts, NextRound, Plan, Step, owner_value
from .._zfs import api, values
from .._zfs.dataset import SNAPSHOT, VOLUME, Dataset, marks
from ..errors import HostError
from .kind import NounDict, invalid

NAME: Mapping[str, Any] = {"type": "str", "required": True}
ADOPT: Mapping[str, Any] = {"type": "bool", "default": False}
PROPERTIES: Mapping[str, Any] = {"type": "dict", "default": {}}

_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
_NAME_LIMIT = 255  # ZFS_MAX_DATASET_NAME_LEN less the closing zero
_VALUE = re.compile(r"[\x20-\x7e]{1,1023}")


class Made(NamedTuple):
    """The command that makes a dataset, what it will be, and what was assumed to be there (see `needed`)."""

    argv: Sequence[str]
    dataset: Dataset
    assumed: tuple[str, ...] = ()


class Settled(NamedTuple):
    """The properties to be set on a dataset, and what it will be."""

    settings: Mapping[str, str]
    dataset: Dataset


class Subject(NamedTuple):
    """
    The dataset or snapshot `name` below the parent, wanted as a `noun`.

    `adopt`: also if somebody else made it. `make` and `settle` are asked when it is not there, and
    when it is; the latter refuses what cannot be changed.
    """

    noun: str
    name: str
    adopt: bool
    make: Callable[[Facts, str], Made]
    settle: Callable[[Facts, Dataset], Settled]

    def plan(self, facts: Facts) -> Plan:
        """Have it made, changed, or left as it is."""
        name = full_name(facts, self.name)
        check_settled(facts, name)
        found = facts.dataset(name)
        if found is None:
            home = _home(name)
            assumed = needed(facts, home, f"{name} has to be in it", option="name")
            made = self.make(facts, name)
            dataset = made.dataset._replace(noun=self.noun, guid=CHOSEN_BY_HOST)
            return self._plan(facts, None, dataset, [RunZfs(tuple(made.argv), name)], (*assumed, *made.assumed))
        self._check_ours(facts, found)
        settled = self.settle(facts, found)
        claim = {} if found.noun else marks(self.noun, owner_value(facts))
        settings = {**claim, **settled.settings}
        steps = [RunZfs(tuple(api.set_properties(name, settings)), name)] if settings else []
        return self._plan(facts, found, settled.dataset._replace(noun=self.noun), steps)

    def _plan(
        self,
        facts: Facts,
        before: Optional[Dataset],
        after: Dataset,
        steps: Sequence[Step],
        assumed: tuple[str, ...] = (),
    ) -> Plan:
        tell = teller(facts.parent)
        told = None if before is None else tell(before)
        resizes = resizes_of(facts, after)
        change = Change(told, tell(after), due=bool(steps or resizes), dataset=after.name, tell=tell)
        change = change._replace(assumed=assumed)
        if not steps and not resizes:
            return Plan(facts, (), None, change=change)
        return Plan(facts.with_dataset(after.name, after), (*steps, *resizes), None, change=change)

    def _check_ours(self, facts: Facts, found: Dataset) -> None:
        if found.noun == self.noun:
            return
        if found.noun:
            raise foreign(found, f"it is there as {found.noun}, so use that module")
        if found.owner:
            raise foreign(found, f"it belongs to {found.owner.rpartition(':')[0] or found.owner}")
        if not self.adopt:
            raise foreign(found, f"it was not made by {facts.owner}: set adopt to true to take it over as it is")


class Unwanted(NamedTuple):
    """The dataset or snapshot `name` below the parent, which is to be gone if it is the owner's `noun`."""

    noun: str
    name: str

    def plan(self, facts: Facts) -> Plan:
        """Have it destroyed, alone and without force; there being none is success."""
        name = full_name(facts, self.name)
        check_settled(facts, name)
        found = facts.dataset(name)
        if found is None:
            return Plan(facts, (), None, change=Change(None, None, due=False))
        if found.noun != self.noun:
            hint = (
                f"it is there as {found.noun}, so use that module" if found.noun else "it was not made by this module"
            )
            raise foreign(found, f"{hint}; adopt it first with state present and adopt true, or destroy it by hand")
        if facts.touched & set(found.clones):
            raise NextRound
        _check_alone(facts, found)
        step = RunZfs(tuple(api.destroy(name)), name, ends=True)
        change = Change(teller(facts.parent)(found), None, due=True)
        return Plan(facts.with_dataset(name, None), (step,), None, change=change)


def full_name(facts: Facts, name: str) -> str:
    """Return the whole name of what people name below the parent."""
    full = f"{facts.parent}/{name}"
    if len(full) > _NAME_LIMIT:
        invalid("name", f"{full!a} has {len(full)} characters, ZFS allows {_NAME_LIMIT}")
    return full


def check_name(name: str, *, snapshot: bool = False, option: str = "name") -> str:
    """Return the name if it is one of a dataset below the parent, or of a snapshot of one."""
    dataset, at, tag = name.partition("@")
    parts = [*dataset.split("/"), *([tag] if at else [])]
    if bool(at) != snapshot or not all(map(_COMPONENT.fullmatch, parts)):
        form = "DATASET@SNAPSHOT" if snapshot else "a dataset's name"
        invalid(option, f"{name!a} is not {form} below the parent, of letters, digits and _ . : -")
    if f"/{parts[0]}" in (_names.trash_of(""), _names.copying_of("")):
        invalid(option, f"{parts[0]} is for deleted volumes, or for copies that are not whole")
    return name


def check_properties(properties: Mapping[Any, Any], allowed: Sequence[str]) -> dict[str, str]:
    """Return the properties as texts in canonical form."""
    found: dict[str, str] = {}
    for name, value in sorted(properties.items()):
        if name not in allowed:
            invalid("properties", f"{name!a} is not among {', '.join(allowed)}")
        text = ("off", "on")[value] if isinstance(value, bool) else str(value)
        if not _VALUE.fullmatch(text):
            invalid("properties", f"{text!a} is no value for {name}")
        found[name] = values.canonical(name, text)
    return found


def different(found: Dataset, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the properties which are not set on the dataset as they are wanted; raise if one can never be."""
    changes = {
        name: value
        for name, value in wanted.items()
        if name not in found.properties or values.canonical(name, found.properties[name]) != value
    }
    for name in sorted(changes.keys() & values.ONCE):
        raise differently(found, "properties", changes[name], found.properties.get(name, "its default"), name)
    return changes


def check_settled(facts: Facts, name: str) -> None:
    """Raise `NextRound` if this round changes the dataset, or one above or below it."""
    if any(_related(name, other) for other in facts.touched | facts.freed):
        raise NextRound


def needed(facts: Facts, name: str, why: str, *, option: str, code: str = "not_found") -> tuple[str, ...]:
    """
    Raise `HostError` unless the dataset or snapshot is there.

    Where it may be assumed to be made before, as in check mode, return its name instead.
    """
    if facts.dataset(name) is not None:
        return ()
    if facts.assuming:
        return (name,)
    raise HostError(code, f"there is no {name}, but {why}: make it first", option=option)


def exporters(facts: Facts, dataset: str) -> list[str]:
    """Return the targets of the owner that have the volume as a LUN, as far as they are known."""
    if facts.section is None:
        return []
    path = _names.device_of(dataset)
    targets = [each for each in facts.section.named.values() if isinstance(each, Target)]
    return sorted(each.name for each in targets if any(lun.path == path for lun in each.luns.values()))


def resizes_of(facts: Facts, dataset: Dataset) -> list[Step]:
    """Return what makes the kernel show the size of a volume that is exported, unless it does."""
    if facts.kernel is None or dataset.type != VOLUME:
        return []
    path = _names.device_of(dataset.name)
    shown = [lun for lun in facts.kernel.luns if lun.path == path and lun.size_blocks]
    small = any(lun.size_blocks * lun.blocksize < dataset.size_bytes for lun in shown)
    return [Resize(lun.name, dataset.size_bytes) for lun in shown] if small and exporters(facts, dataset.name) else []


def foreign(found: Dataset, why: str) -> HostError:
    """Return the error for a name that is taken by what is not ours."""
    return HostError("foreign_name", f"{found.name} exists and was left alone: {why}", option="name")


def differently(found: Dataset, option: str, expected: object, actual: object, what: str = "") -> HostError:
    """Return the error for what cannot be changed."""
    msg = f"{found.name} exists with {what or option} {actual}, not {expected}, which cannot be changed"
    return HostError("exists_differently", msg, option=option, expected=expected, actual=actual)


def teller(parent: str) -> Callable[[Dataset], NounDict]:
    """Return what makes nouns of the datasets and snapshots below the parent."""

    def tell(dataset: Dataset) -> NounDict:
        common: NounDict = {
            "name": dataset.name[len(parent) + 1 :],
            "dataset": dataset.name,
            "type": dataset.type,
            "managed": bool(dataset.noun),
            "guid": dataset.guid,
            "used_bytes": dataset.used_bytes,
            "created": dataset.created,
        }
        if dataset.type == SNAPSHOT:
            return {**common, "clones": sorted(dataset.clones)}
        common["properties"] = {n: values.canonical(n, v) for n, v in sorted(dataset.properties.items())}
        common["origin"] = dataset.origin[len(parent) + 1 :] or None
        return {**common, **_volume(dataset)} if dataset.type == VOLUME else common

    return tell


def nouns_of(facts: Facts, type_: str, *, clones: bool = False) -> list[NounDict]:
    """Return the nouns of everything of the type below the parent, or of the clones of any type."""
    tell = teller(facts.parent)
    found = (facts.dataset(name) for name in sorted(facts.dataset_names()) if name != facts.parent)
    every = (each for each in found if each is not None and not _is_ours_alone(facts, each))
    return [tell(each) for each in every if (each.origin if clones else each.type == type_)]


def _is_ours_alone(facts: Facts, dataset: Dataset) -> bool:
    places = (_names.trash_of(facts.parent), _names.copying_of(facts.parent))
    return dataset.name in places or dataset.name.startswith(tuple(f"{place}/" for place in places))


def _volume(dataset: Dataset) -> NounDict:
    return {
        "size_bytes": dataset.size_bytes,
        "volblocksize": dataset.volblocksize,
        "thin": dataset.thin,
        "device": _names.device_of(dataset.name),
    }


def _check_alone(facts: Facts, found: Dataset) -> None:
    """Raise `HostError` if something depends on the dataset: nothing is destroyed along with another."""
    below = sorted(name for name in facts.dataset_names() if name != found.name and _is_below(name, found.name))
    users = [*below, *_clones(facts, found), *exporters(facts, found.name)]
    if users:
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""  # noqa: PLR2004 - enough to see what is meant
        msg = f"{found.name} cannot be destroyed before {', '.join(users[:3])}{more}: remove what depends on it first"
        raise HostError("in_use", msg, option="name", actual=users)


def _clones(facts: Facts, snapshot: Dataset) -> list[str]:
    """Return the clones of the snapshot as they are to be."""
    planned = {name for name, each in facts.named.items() if each is not None and each.origin == snapshot.name}
    return sorted(planned | {clone for clone in snapshot.clones if clone not in facts.named})


def _home(name: str) -> str:
    """Return the dataset in which another is, or to which a snapshot belongs."""
    return name.partition("@")[0] if "@" in name else name.rpartition("/")[0]


def _related(name: str, other: str) -> bool:
    return name == other or any(_is_below(*pair) for pair in ((name, other), (other, name)))


def _is_below(name: str, other: str) -> bool:
    return name.startswith((f"{other}/", f"{other}@"))
