# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Decides whether a zvol that somebody else made may become a volume of ours. Pure.

Nothing of its data is touched, and it stays where it is. So it must be nobody's: neither exported nor
marked as another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import _names
from .._state import AdoptVolume, Chooser, Facts, Plan, known_kernel
from ..errors import HostError
from .dataset import VOLUME, Dataset
from .model import PROPERTIES, Parameters, Volume
from .properties import STRANGERS, Properties


class VolumeAdopted(NamedTuple):
    """
    The zvol `dataset`, below the parent, as the volume called `name`.

    `blocksize` is the sector size with which it was used. `abandoned_by`: the driver which does not care for it
    any more, though its marks are still there.
    """

    dataset: str
    name: str
    blocksize: int
    attributes: Mapping[str, str]
    abandoned_by: str


def plan_adopt(facts: Facts, want: VolumeAdopted, choose: Chooser, item: int) -> Plan:
    """Make it ours, unless it is already."""
    dataset = f"{facts.parent}/{want.dataset}"
    ours = next((volume for volume in facts.volumes.values() if volume.dataset == dataset), None)
    if ours is not None:
        _check_same(ours, want)
        return Plan(facts, (), ours, depends=ours.maker)
    found = facts.dataset(dataset)
    if found is None:
        raise HostError("not_found", f"there is no zvol {dataset}", option="adopt")
    props = facts.properties[dataset]
    _check_free(facts, found, props, want)
    _check_unexported(facts, dataset)
    volume = _volume(found, props, want, _uuid(facts, props) or choose.uuid())._replace(maker=item)
    return Plan(facts.with_volume(volume), (AdoptVolume(volume),), volume)


def _check_same(ours: Volume, want: VolumeAdopted) -> None:
    for option, actual in (
        ("name", ours.name),
        ("blocksize", ours.parameters.blocksize),
        ("attributes", ours.parameters.attributes),
    ):
        expected = getattr(want, option)
        if expected != actual:
            msg = f"{ours.dataset} is a volume of ours already, with {option} {actual!a}, not {expected!a}"
            raise HostError("exists_differently", msg, option=option, expected=expected, actual=actual)


def _check_free(facts: Facts, found: Dataset, props: Properties, want: VolumeAdopted) -> None:
    """Raise `HostError` if it is no zvol, somebody's, or its name is taken."""
    if found.type != VOLUME:
        raise _not_adopted(found, f"it is a {found.type}, and only zvols are volumes")
    if facts.volume_named(want.name) is not None or facts.copy_named(want.name) is not None:
        raise HostError("exists_differently", f"there is another volume called {want.name!a}", option="name")
    marks = sorted(name for name, each in props.items() if name.startswith(_names.PREFIX) and each.source == "local")
    if marks:
        owner = found.owner.rpartition(":")[0] or "somebody"
        raise _not_adopted(found, f"it belongs to {owner}: if not, remove {', '.join(marks)} with zfs inherit")
    others = {
        driver
        for prefix, driver in STRANGERS.items()
        for name, each in props.items()
        if name.startswith(prefix) and each.source == "local"
    }
    still = sorted(others - {want.abandoned_by})
    if still:
        raise _not_adopted(
            found,
            f"{still[0]} made it: keep that driver from deleting it (reclaimPolicy Retain, then delete its "
            f"PersistentVolume), and set abandoned_by to {still[0]}",
        )
    if "encryptionroot" in props and props["encryptionroot"].value == found.name:
        raise HostError(
            "unsupported", f"{found.name} has an encryption key of its own, which nobody gave us", option="adopt"
        )


def _check_unexported(facts: Facts, dataset: str) -> None:
    """Raise `HostError` if somebody is shown it, or that cannot be seen."""
    luns = known_kernel(facts).luns
    if any(lun.id < 0 for lun in luns):
        msg = "whether others export the zvol shows only to root: adopt it with a login as root, and privilege none"
        raise HostError("unsupported", msg, option="privilege")
    users = [lun.name or f"number {lun.id}" for lun in luns if lun.path == _names.device_of(dataset)]
    if users:
        msg = f"{dataset} is exported as LUN {', '.join(users)}: stop what uses it, and take it out of ctl.conf"
        raise HostError("in_use", msg, option="adopt", actual=users)


def _uuid(facts: Facts, props: Properties) -> str:
    """Return the identity that a copy from another host brings with it, if nobody has it here: its nodes know it."""
    brought = props.get(f"{_names.PREFIX}uuid")
    taken = {*facts.volumes, *facts.unreadable, *facts.copies, *(volume.uuid for volume in facts.trash.volumes)}
    valid = brought is not None and _names.UUID.fullmatch(brought.value) and brought.value not in taken
    return brought.value if brought is not None and valid else ""


def _volume(found: Dataset, props: Properties, want: VolumeAdopted, uuid: str) -> Volume:
    settings = {name: props[name].value for name in PROPERTIES if name in props and props[name].source == "local"}
    parameters = Parameters(
        volblocksize=found.volblocksize,
        thin=found.thin,
        blocksize=want.blocksize,
        properties=settings,
        attributes=want.attributes,
    )
    return Volume(
        dataset=found.name,
        uuid=uuid,
        name=want.name,
        size_bytes=found.size_bytes,
        used_bytes=found.used_bytes,
        volblocksize=found.volblocksize,
        created=found.created,
        parameters=parameters,
        digest=parameters.digest(),
        reserved=not found.thin,
        settings=settings,
    )


def _not_adopted(found: Dataset, why: str) -> HostError:
    return HostError("foreign_name", f"{found.name} was not adopted: {why}", option="adopt")
