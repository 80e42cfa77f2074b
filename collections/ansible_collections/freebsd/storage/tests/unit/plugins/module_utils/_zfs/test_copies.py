# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is read of copies under way, and what is planned because of it."""

from __future__ import annotations

import re
from typing import Union

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.plugins.module_utils._facts import facts_of
from ansible_collections.freebsd.storage.plugins.module_utils._state import CancelCopy, Facts, NextRound, StartCopy
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import api, parse, plan, plan_snapshots
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import (
    COPY,
    Copy,
    Encryption,
    Inventory,
    Parameters,
)
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan import VolumeWanted
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan_snapshots import SnapshotWanted
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    GUID,
    OWNER,
    PARENT,
    UUIDS,
    Choices,
    dataset_text,
    parameters,
    parent_text,
    snapshot_text,
    volume_text,
)

GIB = 1 << 30
UUID = UUIDS[5]
PLACE = f"{PARENT}/copying_/{UUID}"
WANTED = parameters(source={"volume": UUIDS[0]}, clone_mode=COPY)
TAP = f"{PARENT}/pvc-1@clone-{UUID}"

Values = dict[str, Union[str, tuple[str, str]]]


def record_text(
    kind: str = "volume",
    name: str = "b",
    *,
    wanted: Parameters = WANTED,
    of: str = "",
    source: str = "local",
    **changes: str,
) -> str:
    record = {
        "schema": "1",
        "owner": f"{OWNER}:{GUID}",
        "copy": kind,
        "copy-of": of,
        "copy-name": _names.encoded(name),
        "copy-parameters": wanted.to_json(),
        "copy-size": str(2 * GIB),
        **changes,
    }
    values: Values = {"type": "filesystem", **{f"{_names.PREFIX}{key}": (v, source) for key, v in record.items()}}
    return dataset_text(PLACE, values)


def data_text(token: str = "", **own: str) -> str:
    values: Values = {"type": "volume", "used": str(GIB // 4), **({"receive_resume_token": token} if token else {})}
    return dataset_text(f"{PLACE}/data", {**values, **{f"{_names.PREFIX}{k}": (v, "local") for k, v in own.items()}})


def tap_text() -> str:
    marks = {f"{_names.PREFIX}clone-for": (UUID, "local"), f"{_names.PREFIX}owner": (f"{OWNER}:{GUID}", "local")}
    return snapshot_text(TAP, None, referenced=str(GIB)) + dataset_text(TAP, {**marks})


def inventory(*texts: str) -> Inventory:
    place = dataset_text(f"{PARENT}/copying_", {"type": "filesystem", f"{_names.PREFIX}copying": ("1", "local")})
    return parse.inventory(parent_text() + volume_text() + place + "".join(texts), PARENT, OWNER)


def facts(*texts: str) -> Facts:
    return facts_of(inventory(*texts), OWNER, None)


def copy_of(*texts: str) -> Copy:
    (copy,) = inventory(*texts).copies
    return copy


def wanted(name: str = "b", **changes: object) -> VolumeWanted:
    return VolumeWanted(name, 2 * GIB, 0, WANTED._replace(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "state"),
    [
        ((), "absent"),
        ((data_text("1-x"),), "partial"),
        ((data_text(),), "partial"),
        ((data_text(), snapshot_text(f"{PLACE}/data@copied", None)), "whole"),
        ((data_text("1-x"), snapshot_text(f"{PLACE}/data@copied", None)), "partial"),
        ((data_text(uuid=UUID),), "whole"),
        ((volume_text("b", UUID),), "placed"),
    ],
)
def test_how_far_a_copy_is_is_read_from_what_there_is(texts: tuple[str, ...], state: str) -> None:
    copy = copy_of(record_text(), *texts)
    assert copy.state == state
    assert (copy.volume.name, copy.volume.uuid, copy.volume.size_bytes) == ("b", UUID, 2 * GIB)
    assert copy.volume.dataset == f"{PARENT}/b"


def test_nothing_below_the_place_is_a_volume_or_a_snapshot_of_anybody() -> None:
    whole = data_text(uuid=UUID, owner=f"{OWNER}:{GUID}", schema="1") + snapshot_text(f"{PLACE}/data@copied", UUIDS[7])
    found = inventory(record_text(), whole)
    assert [volume.name for volume in found.volumes] == ["pvc-1"]
    assert found.snapshots == ()
    assert (found.drift, found.unreadable) == ((), {})


@pytest.mark.parametrize(
    "text",
    [record_text(source="received"), record_text(owner="other:1"), record_text(owner=f"{OWNER}:1")],
)
def test_records_of_others_are_none_of_our_business(text: str) -> None:
    found = inventory(text)
    assert (found.copies, found.drift, found.idle) == ((), (), False)


@pytest.mark.parametrize(
    "changes",
    [{"schema": "2"}, {"copy": "tape"}, {"copy-size": "big"}, {"copy-parameters": "{}"}],
)
def test_a_record_that_cannot_be_read_is_told_of_and_left_alone(changes: dict[str, str]) -> None:
    found = inventory(record_text(**changes))
    assert found.copies == ()
    assert [drift.kind for drift in found.drift] == ["unreadable_copy"]
    assert found.unreadable == {UUID: PLACE}


def test_what_is_copied_is_found_wherever_it_was_moved() -> None:
    copy = copy_of(record_text(), tap_text())
    assert copy.origin is not None
    assert (copy.origin.dataset, copy.total_bytes) == (TAP, GIB)
    source = WANTED._replace(source={"snapshot": UUIDS[9]})
    deleted = copy_of(record_text(wanted=source), snapshot_text(f"{PARENT}/pvc-1@deleted-{UUIDS[9]}"))
    assert deleted.origin is not None
    assert copy_of(record_text()).origin is None


def test_a_detached_snapshot_is_listed_before_it_is_ready_and_of_the_time_of_what_is_copied() -> None:
    text = record_text("snapshot", "s", of=UUIDS[0], wanted=parameters()) + tap_text()
    (early,) = facts(text).snapshots.values()
    assert (early.uuid, early.name, early.source, early.ready) == (UUID, "s", UUIDS[0], False)
    assert early.created == 1767225600
    (late,) = facts(text, data_text(), snapshot_text(f"{PLACE}/data@s", None)).snapshots.values()
    assert late == early._replace(ready=True)


def test_a_copy_is_begun_once_and_then_tells_how_far_it_is() -> None:
    begun = plan.plan_present(facts(), wanted(), Choices(), 0)
    (step,) = begun.steps
    assert isinstance(step, StartCopy)
    assert step.tapped
    for known in (begun.facts, facts(record_text(), tap_text(), data_text("1-x"))):
        with pytest.raises(HostError) as caught:
            plan.plan_present(known, wanted(), Choices(), 1)
        assert caught.value.code == "copying"
    assert "256 of 1024 MiB (25 %)" in caught.value.msg
    for other in (wanted(clone_mode="clone"), wanted(thin=False), wanted(source={"volume": UUIDS[3]})):
        with pytest.raises(HostError, match="exists with another") as caught:
            plan.plan_present(begun.facts, other, Choices(), 1)
        assert caught.value.code == "exists_differently"


def test_a_copy_can_be_ended_by_its_uuid_in_the_round_after_the_one_that_began_it() -> None:
    ended = plan.plan_absent(facts(record_text(), tap_text()), UUID)
    assert [type(step) for step in ended.steps] == [CancelCopy]
    assert ended.facts.copy_named("b") is None
    begun = plan.plan_present(facts(), wanted(), Choices(), 0)
    assert begun.volume is not None
    with pytest.raises(NextRound):
        plan.plan_absent(begun.facts, begun.volume.uuid)


def test_a_volume_whose_record_was_left_takes_it_along() -> None:
    ended = plan.plan_absent(facts(record_text(), volume_text("b", UUID)), UUID)
    assert [type(step).__name__ for step in ended.steps] == ["DestroyVolume", "CancelCopy"]


def test_a_snapshot_is_detached_or_not_and_the_name_means_one_of_both() -> None:
    begun = plan_snapshots.plan_present(facts(), SnapshotWanted("s", UUIDS[0], detached=True), Choices(), 0)
    again = plan_snapshots.plan_present(begun.facts, SnapshotWanted("s", UUIDS[0], detached=True), Choices(), 1)
    assert (again.steps, again.depends, again.snapshot) == ((), 0, begun.snapshot)
    with pytest.raises(HostError, match="is detached, but not") as caught:
        plan_snapshots.plan_present(begun.facts, SnapshotWanted("s", UUIDS[0]), Choices(), 1)
    assert (caught.value.code, caught.value.option) == ("exists_differently", "detached")


def test_nothing_is_made_of_a_detached_snapshot_that_is_not_ready() -> None:
    known = facts(record_text("snapshot", "s", of=UUIDS[0], wanted=parameters()), tap_text())
    for mode in ("clone", "copy"):
        with pytest.raises(HostError, match="snapshot 's' is being copied") as caught:
            plan.plan_present(known, wanted(source={"snapshot": UUID}, clone_mode=mode), Choices(), 0)
        assert caught.value.code == "copying"


def test_what_has_a_key_is_not_copied() -> None:
    key = Encryption("on", "passphrase")
    locked = parse.inventory(parent_text() + volume_text(wanted=parameters(encryption=key)), PARENT, OWNER)
    known = facts_of(locked, OWNER, None)
    with pytest.raises(HostError, match="encrypted") as caught:
        plan.plan_present(known, wanted(), Choices(), 0)
    assert caught.value.code == "unsupported"
    with pytest.raises(HostError, match="encrypted"):
        plan_snapshots.plan_present(known, SnapshotWanted("s", UUIDS[0], detached=True), Choices(), 0)


def test_what_is_recorded_is_what_is_read() -> None:
    (step,) = plan.plan_present(facts(), wanted("ü b"), Choices(), 0).steps
    assert isinstance(step, StartCopy)
    argv = api.record_copy(step.copy, f"{OWNER}:{GUID}")
    said = [word.partition("=") for word in argv if word.startswith(_names.PREFIX)]
    text = dataset_text(argv[-1], {"type": "filesystem", **{key: (value, "local") for key, _equals, value in said}})
    read = copy_of(text)
    assert read.volume == step.copy.volume._replace(maker=None)
    assert re.fullmatch(rf"{PARENT}/copying_/[0-9a-f]{{32}}", read.place)
