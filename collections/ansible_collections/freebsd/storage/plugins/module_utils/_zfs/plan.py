# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decides what is to be done to volumes. Pure: facts and a wish in, steps and new facts out."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .. import _names
from .._secrets import Secret
from .._state import (
    Chooser,
    CreateVolume,
    DestroyVolume,
    Facts,
    FinishVolume,
    LookFirst,
    NextRound,
    Plan,
    TrashVolume,
    Unpublish,
)
from ..errors import HostError
from . import keys, sizes
from .model import Encryption, Parameters, Volume
from .placement import Placement
from .plan_clones import plan_clone
from .plan_copies import check_going_on, plan_cancel, record_of, under_way
from .plan_placement import plan_meeting, plan_refusal, refusal_of
from .seen import check_finished, check_readable


class VolumeWanted(NamedTuple):
    """A volume someone wants; `limit_bytes` 0: any size from `required_bytes` up will do."""

    name: str
    required_bytes: int
    limit_bytes: int
    parameters: Parameters
    secret: Optional[Secret] = None
    placement: Placement = Placement()


def plan_present(facts: Facts, want: VolumeWanted, choose: Chooser, item: int) -> Plan:
    """Make the volume unless a compatible one of that name exists."""
    existing = facts.volume_named(want.name)
    if existing is not None and existing.unfinished and existing.locked:
        return _finish(facts, existing, want)
    if existing is not None:
        check_finished(facts, existing)
        check_same(existing, want)
        return Plan(facts, (), existing, depends=existing.maker)
    _check_copied(facts, want)
    uuid = choose.uuid()
    dataset = f"{facts.parent}/{_leaf(want, uuid)}"
    if dataset in facts.freed:
        raise NextRound
    refused = plan_refusal(facts, want.name, want.placement)
    if refused is not None:
        return refused
    if dataset in facts.datasets:
        raise foreign_name(dataset, facts.owner)
    blank = _blank(want, dataset, uuid)._replace(maker=item)
    if want.parameters.source is not None:
        return plan_clone(facts, blank, want.required_bytes, want.limit_bytes, want.secret)
    size = sizes.size_of(want.required_bytes, want.limit_bytes, blank.volblocksize)
    volume = blank._replace(size_bytes=size)
    secret: Optional[Secret] = None
    if want.parameters.encryption is not None:
        volume, secret = volume._replace(root=dataset), keys.needed(volume, want.secret)
    after, met = plan_meeting(facts.with_volume(volume)._replace(fresh=facts.fresh | {volume.uuid}), want.placement)
    refusal = refusal_of(facts, want.name) if want.placement.passes_on else None
    return Plan(after, (CreateVolume(volume, secret, refusal), *met), volume)


def _check_copied(facts: Facts, want: VolumeWanted) -> None:
    """Raise what there is to say of a copy that is to become the volume, if there is one."""
    copy = facts.copy_named(want.name)
    if copy is not None:
        check_going_on(facts, copy.uuid)
        check_same(copy.volume, want)
        raise under_way(copy)


def _leaf(want: VolumeWanted, uuid: str) -> str:
    """An encrypted clone cannot be moved out of the way when it is deleted, so its name is never used again."""
    cloned = want.parameters.source is not None and want.parameters.encryption is not None
    return _names.unique_leaf_of(want.name, uuid) if cloned else _names.leaf_of(want.name)


def _finish(facts: Facts, existing: Volume, want: VolumeWanted) -> Plan:
    """Complete a clone that an earlier run could not, for want of its key."""
    finished = existing.finished()
    check_same(finished, want)
    steps = (*keys.to_resize(existing, want.secret), FinishVolume(finished))
    return Plan(facts.with_volume(finished), steps, finished)


def _blank(want: VolumeWanted, dataset: str, uuid: str) -> Volume:
    return Volume(
        dataset=dataset,
        uuid=uuid,
        name=want.name,
        size_bytes=0,
        used_bytes=0,
        volblocksize=want.parameters.volblocksize,
        created=0,
        parameters=want.parameters,
        digest=want.parameters.digest(),
        settings=want.parameters.properties,
    )


def plan_absent(facts: Facts, uuid: str) -> Plan:
    """
    Destroy the volume; there being none is success, for the parent was read and is the right one.

    With snapshots, whosever they are, it goes when they do; for those who ask it is gone at once.
    Where the kernel was looked at and holds the device without a record, that is ended first.
    """
    check_readable(facts, uuid)
    volume = facts.volumes.get(uuid)
    copy = facts.copies.get(uuid)
    if volume is None and copy is not None and copy.snapshot is None:
        if uuid in facts.fresh:
            raise NextRound
        return plan_cancel(facts, copy)
    if volume is None:
        return Plan(facts, (), None)
    if uuid in facts.unsettled | facts.tapped:
        raise NextRound
    if volume.records:
        nodes = ", ".join(sorted(record.node for record in volume.records))
        raise HostError(
            "in_use",
            f"volume {uuid} ({volume.dataset}) is published to {nodes}; unpublish it first",
            actual=[record.node for record in volume.records],
        )
    if facts.taken.get(uuid):
        _check_unused(facts, volume)
    destroy = TrashVolume(volume) if facts.taken.get(uuid) else DestroyVolume(volume)
    held = facts.shown.get(uuid)
    if held is None:
        return Plan(facts.without_volume(volume), (destroy, *record_of(facts, uuid)), volume, depends=volume.maker)
    # Nothing is recorded, yet the kernel holds the device: end that first.
    end = Unpublish(uuid, volume.dataset, (), tuple(sorted(held)), last=True)
    return Plan(facts.without_volume(volume), (end, destroy, *record_of(facts, uuid)), volume)


def _check_unused(facts: Facts, volume: Volume) -> None:
    """
    Raise `HostError` if somebody else exports the volume, which is to be moved away; `LookFirst` if nobody has looked.

    A volume that is open cannot be destroyed, but moved it can: its users lose their device (zvol_os.c of OpenZFS).
    """
    if facts.kernel is None and facts.kernel_problem is None:
        raise LookFirst
    # Who may not look at the kernel exports nothing.
    if facts.kernel_problem is not None and facts.kernel_problem.code not in ("denied", "unsupported"):
        raise facts.kernel_problem
    path, name = _names.device_of(volume.dataset), _names.lun_of(facts.owner, volume.uuid)
    luns = () if facts.kernel is None else facts.kernel.luns
    # The program of the host tells of others' LUNs neither name nor number.
    found = [lun for lun in luns if lun.path == path and lun.name != name]
    others = [lun.name or (f"number {lun.id}" if lun.id >= 0 else "unknown") for lun in found]
    if others:
        msg = f"volume {volume.uuid} ({volume.dataset}) is exported by somebody else, as LUN {', '.join(others)}"
        raise HostError("in_use", f"{msg}: remove that first", actual=others)


def foreign_name(dataset: str, owner: str) -> HostError:
    """Return the error for a name taken by a dataset that is not ours."""
    return HostError(
        "foreign_name",
        f"{dataset} exists and is not a volume of {owner}; it was left alone: rename it, or choose another volume name",
        option="name",
    )


def check_same(volume: Volume, want: VolumeWanted) -> None:
    """Raise `HostError` unless the volume is what someone wants who asks for its name."""
    wanted = want.parameters.as_of(volume.parameters)
    if volume.digest != wanted.digest():
        raise _different(volume, wanted)
    if not sizes.fits(volume.size_bytes, want.required_bytes, want.limit_bytes):
        raise HostError(
            "exists_differently",
            f"volume {want.name!a} exists with {volume.size_bytes} bytes, which is not between "
            f"required_bytes {want.required_bytes} and limit_bytes {want.limit_bytes}",
            option="required_bytes" if volume.size_bytes < want.required_bytes else "limit_bytes",
            expected={"required_bytes": want.required_bytes, "limit_bytes": want.limit_bytes},
            actual=volume.size_bytes,
        )


def _different(volume: Volume, wanted: Parameters) -> HostError:
    option: Optional[str] = None
    expected: object = None
    actual: object = None
    for option, expected in wanted._asdict().items():
        actual = getattr(volume.parameters, option)
        if actual != expected:
            break
    expected, actual = _plain(expected), _plain(actual)
    return HostError(
        "exists_differently",
        f"volume {volume.name!a} exists with another {option}: {actual}, not {expected}",
        option=option,
        expected=expected,
        actual=actual,
    )


def _plain(value: object) -> object:
    return value._asdict() if isinstance(value, Encryption) else value
