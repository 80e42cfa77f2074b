# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The form in which volumes, snapshots and publications are reported, the same in every module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from . import _names
from ._zfs.model import Drift, Group, Record, Snapshot, Volume

CHOSEN_BY_HOST = "(chosen by the host)"  # in check mode, for what is random


def volume_noun(owner: str, volume: Volume, *, predicted: bool = False) -> dict[str, object]:
    """Return a volume as it is reported."""
    wanted = volume.parameters
    return {
        "uuid": CHOSEN_BY_HOST if predicted else volume.uuid,
        "name": volume.name,
        "dataset": volume.dataset,
        "size_bytes": volume.size_bytes,
        "used_bytes": volume.used_bytes,
        "volblocksize": volume.volblocksize,
        "thin": volume.thin,
        "blocksize": wanted.blocksize,
        "properties": dict(volume.settings),
        "attributes": dict(wanted.attributes),
        "source": None if wanted.source is None else dict(wanted.source),
        "encryption": None if wanted.encryption is None else wanted.encryption._asdict(),
        "chap": wanted.proof or "none",
        "created": volume.created,
        "publications": [
            publication_noun(owner, volume, record) for record in sorted(volume.records, key=lambda record: record.node)
        ],
    }


def snapshot_noun(snapshot: Snapshot, *, predicted: bool = False) -> dict[str, object]:
    """Return a snapshot as it is reported. One that is not ready is a copy under way."""
    return {
        "uuid": CHOSEN_BY_HOST if predicted else snapshot.uuid,
        "name": snapshot.name,
        "volume": snapshot.source,
        "size_bytes": snapshot.size_bytes,
        "created": snapshot.created,
        "ready": snapshot.ready,
        "detached": bool(snapshot.holder),
        "group_snapshot": None if snapshot.group is None else CHOSEN_BY_HOST if predicted else snapshot.group.uuid,
    }


def group_noun(group: Group, *, predicted: bool = False) -> dict[str, object]:
    """Return snapshots that were taken together as they are reported; ready as long as none is missing."""
    return {
        "uuid": CHOSEN_BY_HOST if predicted else group.uuid,
        "name": group.name,
        "created": min(member.created for member in group.members),
        "ready": group.complete,
        "snapshots": [snapshot_noun(member, predicted=predicted) for member in group.members],
    }


def trash_noun(volume: Volume, kept_by: Sequence[str]) -> dict[str, object]:
    """Return a deleted volume as it is reported."""
    return {
        "uuid": volume.uuid,
        "name": volume.name,
        "dataset": volume.dataset,
        "used_bytes": volume.used_bytes,
        "kept_by": list(kept_by),
    }


def publication_noun(owner: str, volume: Volume, record: Record, *, predicted: bool = False) -> dict[str, object]:
    """Return a publication as it is reported. Its target is a secret."""
    return {
        "volume": volume.uuid,
        "node": record.node,
        "mode": record.mode,
        "readonly": record.readonly,
        "protocol": record.protocol,
        "target": CHOSEN_BY_HOST if predicted else _names.target_of(owner, record.token),
        "lun": 0,
        "chap": volume.parameters.proof or "none",
    }


def masked(noun: Optional[dict[str, object]]) -> dict[str, object]:
    """Return a noun fit to be shown: without what is secret."""
    if noun is None:
        return {}
    shown = dict(noun)
    if "target" in shown:
        shown["target"] = _names.masked_target(str(shown["target"]))
    publications = shown.get("publications")
    if isinstance(publications, list):
        shown["publications"] = [masked(publication) for publication in publications]
    return shown


def drift_nouns(drift: Iterable[Drift]) -> list[dict[str, object]]:
    """Return what is odd on the host as it is reported, each thing once."""
    return [_drift_noun(each) for each in dict.fromkeys(drift)]


def _drift_noun(drift: Drift) -> dict[str, object]:
    noun: dict[str, object] = {"kind": drift.kind, "object": drift.object, "msg": drift.msg}
    return {**noun, "bytes": drift.bytes} if drift.bytes else noun
