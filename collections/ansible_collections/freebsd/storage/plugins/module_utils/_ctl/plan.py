# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Decides what is to be done to publications. Pure: facts and a wish in, steps and new facts out.

A publication exists while its record does, is reachable while the kernel shows its port, and is
gone only when neither is left.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .. import _names
from .._secrets import Secret
from .._state import Chooser, Facts, NextRound, Plan, Publish, Unpublish, known_kernel
from .._zfs import keys
from .._zfs.model import Record, Volume
from .._zfs.seen import check_finished, check_readable
from ..errors import HostError
from .model import MUTUAL, ONE_WAY, Chap, Export, Kernel

LOST = "its CHAP secret is lost, and without it is not exported; publish it again, to the same node"
_GIVEN = {
    None: "no user and secret are given",
    ONE_WAY: "one user and secret are given",
    MUTUAL: "users and secrets of both sides are given",
}
_START = "start it: service ctld start; the role storage_host sets ctld_enable"


class PublicationWanted(NamedTuple):
    """A volume someone wants exported to one node."""

    uuid: str
    node: str
    initiator: str
    mode: str
    readonly: bool
    protocol: str
    portal_group: str
    node_limit: int = 0
    secret: Optional[Secret] = None
    chap: Optional[Chap] = None


class PublicationUnwanted(NamedTuple):
    """A volume that is no longer to be exported to the node; None: to any node."""

    uuid: str
    node: Optional[str]


def plan_present(facts: Facts, want: PublicationWanted, choose: Chooser, item: int) -> Plan:
    """Export the volume to the node, unless it already is; the same wish gives the same target."""
    check_readable(facts, want.uuid)
    volume = facts.volumes.get(want.uuid)
    if volume is None:
        raise HostError("not_found", f"there is no volume {want.uuid} below {facts.parent}", option="volume")
    if volume.size_bytes < volume.goal_bytes:
        check_finished(facts, volume)
    check_running(facts)
    if volume.uuid in facts.unsettled:
        raise NextRound
    record = volume.record_of(want.node)
    if record is not None and not record.leaving:
        _check_same(volume, record, want)
        proof = _proof(volume, want)
        step = Publish(volume, record, strays_of(facts, volume.uuid, volume.records), new=False, chap=proof)
        unlock = keys.to_publish(volume, want.secret, new=False)
        return Plan(
            facts, (*unlock, step), volume, record, depends=facts.makers.get((volume.uuid, _names.node_name(want.node)))
        )
    _check_alone(volume, want)
    _check_room(facts, volume)
    _check_node(facts, want)
    proof = _proof(volume, want)
    unlock = keys.to_publish(volume, want.secret, new=True)
    record = _record(want, choose.token())
    published = volume.with_record(record)
    step = Publish(published, record, strays_of(facts, volume.uuid, published.records), new=True, chap=proof)
    facts = facts.with_volume(published).with_maker(volume.uuid, _names.node_name(want.node), item)
    return Plan(facts, (*unlock, step), published, record)


def plan_absent(facts: Facts, want: PublicationUnwanted) -> Plan:
    """
    End the exports to the node, or all of them.

    Ports of ours that lead to the volume and have no record go too: nobody can ask for them by name.
    """
    known_kernel(facts)
    volume = facts.volumes.get(want.uuid)
    records = volume.records if volume is not None else ()
    leaving = tuple(record for record in records if want.node is None or _is_node(record, want.node))
    if any((want.uuid, _names.node_name(record.node)) in facts.makers for record in leaving):
        raise NextRound
    left = volume.without_records(leaving) if volume is not None else None
    strays = strays_of(facts, want.uuid, records)
    last = left is None or not left.records
    if not leaving and not strays and not (last and want.uuid in facts.shown):
        return Plan(facts, (), volume)
    step = Unpublish(want.uuid, volume.dataset if volume else None, leaving, strays, last)
    after = facts._replace(unsettled=facts.unsettled | {want.uuid})
    return Plan(after.with_volume(left) if left else after, (step,), left)


def exports_of(facts: Facts) -> tuple[Export, ...]:
    """Return everything that is to be exported: a pure function of the owner's records."""
    return tuple(
        export_of(facts.owner, volume, record)
        for volume in sorted(facts.volumes.values(), key=lambda volume: volume.uuid)
        for record in sorted(volume.records, key=lambda record: record.token)
        if not record.leaving
    )


def export_of(owner: str, volume: Volume, record: Record) -> Export:
    """Return what ctl.conf has to say of one publication."""
    active = [other for other in volume.records if not other.leaving]
    return Export(
        target=_names.target_of(owner, record.token),
        auth_group=_names.auth_group_of(owner, record.token),
        initiator=record.initiator,
        portal_group=record.portal_group,
        lun=_names.lun_of(owner, volume.uuid),
        path=_names.device_of(volume.dataset),
        blocksize=volume.parameters.blocksize,
        serial=_names.serial_of(volume.uuid),
        device_id=volume.uuid,
        naa=_names.naa_of(volume.uuid),
        readonly=all(other.readonly for other in active),
        chap=volume.parameters.proof,
    )


def is_lost(kernel: Optional[Kernel], export: Export) -> bool:
    """Return whether the secret without which it is not exported is known to be kept no more."""
    return export.chap is not None and kernel is not None and export.target not in kernel.proven


def strays_of(facts: Facts, uuid: str, records: tuple[Record, ...]) -> tuple[str, ...]:
    """Return the targets of ours in the kernel that lead to the volume and that no record names."""
    recorded = {_names.target_of(facts.owner, record.token) for record in records}
    return tuple(sorted(facts.shown.get(uuid, frozenset()) - recorded))


def _proof(volume: Volume, want: PublicationWanted) -> Optional[Chap]:
    """Return the secret to export it with; raise `HostError` unless it is of the kind that the volume is to have."""
    expected = volume.parameters.proof
    actual = None if want.chap is None else want.chap.kind
    if expected == actual:
        return want.chap
    if volume.parameters.chap == "none":
        return None
    raise HostError(
        "invalid",
        f"chap: volume {volume.name!a} was made to be exported with {expected or 'no'} CHAP, but {_GIVEN[actual]}",
        option="chap",
        expected=expected or "none",
        actual=actual or "none",
    )


def untold_exports(facts: Facts) -> Optional[HostError]:
    """
    Return why nothing that is exported may change now: somebody has a volume by a record that cannot be read.

    A newer driver may have written it. The configuration, made of what can be read, would take the disk away.
    """
    for uuid in sorted(facts.shown):
        volume = facts.volumes.get(uuid)
        dataset = facts.unreadable.get(uuid) or (volume.dataset if volume is not None and volume.unreadable else None)
        if dataset is not None and strays_of(facts, uuid, volume.records if volume is not None else ()):
            return HostError(
                "degraded",
                f"{dataset} is exported to somebody whose record cannot be read, and any change would end that: use "
                "the version of the driver that wrote it, or mend its org.freebsd.storage properties",
            )
    return None


def check_running(facts: Facts) -> None:
    """Raise `HostError` unless there is a ctld that can export something."""
    if known_kernel(facts).daemon.pid is None:
        raise HostError("degraded", f"ctld does not run, so nothing can be exported; {_START}")


def _record(want: PublicationWanted, token: str) -> Record:
    return Record(
        node=want.node,
        mode=want.mode,
        readonly=want.readonly,
        protocol=want.protocol,
        token=token,
        initiator=want.initiator,
        portal_group=want.portal_group,
    )


def _check_same(volume: Volume, record: Record, want: PublicationWanted) -> None:
    # The portal-group is the host's affair: what is exported stays where it is until it ends.
    for option in ("mode", "readonly", "protocol", "initiator"):
        expected, actual = getattr(want, option), getattr(record, option)
        if expected != actual:
            raise HostError(
                "published_differently",
                f"volume {volume.uuid} is published to {want.node} with {option} {actual}, "
                f"not {expected}; unpublish it first",
                option=option,
                expected=expected,
                actual=actual,
            )


def _check_alone(volume: Volume, want: PublicationWanted) -> None:
    """Raise `HostError` where the publications to other nodes forbid this one."""
    for other in volume.records:
        if _is_node(other, want.node):
            continue
        if not (_is_multi_node(want.mode) and _is_multi_node(other.mode)):
            why = "at least one of the two modes is for a single node"
        elif not want.readonly and not other.readonly and _is_single_writer(want.mode, other.mode):
            why = "a node already writes, and at least one of the two modes is for a single writer"
        elif other.readonly and not want.readonly:
            why = "the volume is exported read-only, which cannot change while it is in use"
        else:
            continue
        raise HostError(
            "published_elsewhere",
            f"volume {volume.uuid} is published to {other.node} as {other.mode}: {why}; unpublish it there first",
            option="node",
            expected=want.node,
            actual=other.node,
        )


def _is_node(record: Record, node: str) -> bool:
    return _names.node_name(record.node) == _names.node_name(node)


def _is_multi_node(mode: str) -> bool:
    return mode.startswith("multi_node_")


def _is_single_writer(*modes: str) -> bool:
    return "multi_node_single_writer" in modes


def _check_room(facts: Facts, volume: Volume) -> None:
    """Raise `HostError` if the kernel's tables would not hold one more export (ctl(4))."""
    kernel = known_kernel(facts)
    if facts.strange_ports + facts.exports >= kernel.max_ports:
        raise _limit("ports", "kern.cam.ctl.max_ports", kernel.max_ports)
    lun_is_new = all(record.leaving for record in volume.records)
    if lun_is_new and facts.strange_luns + facts.exported >= kernel.max_luns:
        raise _limit("LUNs", "kern.cam.ctl.max_luns", kernel.max_luns)


def _check_node(facts: Facts, want: PublicationWanted) -> None:
    """Raise `HostError` if the node has all the volumes it can take."""
    records = (record for volume in facts.volumes.values() for record in volume.records)
    taken = sum(_is_node(record, want.node) and not record.leaving for record in records)
    if 0 < want.node_limit <= taken:
        raise HostError(
            "limit_reached",
            f"{taken} volumes of this host are published to {want.node}, and it takes {want.node_limit}: "
            "unpublish one of them, or use another node",
            option="node",
            expected=want.node_limit,
            actual=taken,
        )


def _limit(what: str, tunable: str, limit: int) -> HostError:
    return HostError(
        "limit_reached",
        f"all {limit} {what} of the kernel are in use: unpublish something, "
        f"or raise {tunable} in /boot/loader.conf and reboot",
        expected=limit,
    )
