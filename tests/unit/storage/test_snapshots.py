"""The rules for snapshots that are decided before a storage host is asked."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import SnapshotId, VolumeId
from tests.unit.storage.answers import UUIDS, Answers, snapshot_service

# Snapshots by host, each with its source.
SNAPSHOTS = {
    "a": {UUIDS[1]: UUIDS[7], UUIDS[2]: UUIDS[8], UUIDS[3]: UUIDS[7]},
    "b": {UUIDS[1]: UUIDS[7], UUIDS[4]: UUIDS[6]},
}
ALL = [f"a:{UUIDS[1]}", f"a:{UUIDS[2]}", f"a:{UUIDS[3]}", f"b:{UUIDS[1]}", f"b:{UUIDS[4]}"]


def listed(answers: Answers, *, snapshot_id: str = "", source_volume_id: str = "", limit: int = 0) -> list[str]:
    """All pages put together."""
    found: list[str] = []
    token = ""
    while True:
        page = snapshot_service(answers).list(
            token, limit, snapshot_id=snapshot_id, source_volume_id=source_volume_id, deadline=0
        )
        assert not limit or len(page.items) <= limit
        found += [str(one.id) for one in page.items]
        token = page.next_token
        if not token:
            return found


def test_a_snapshot_is_taken_where_its_volume_lies() -> None:
    """There is nothing to choose."""
    answers = Answers()
    snapshot = snapshot_service(answers).create(f"b:{UUIDS[7]}", "n", {}, deadline=0)
    assert answers.calls == [("snapshot", f"b:{UUIDS[7]}", "n")]
    assert (snapshot.id, snapshot.source) == (SnapshotId("b", UUIDS[0]), VolumeId("b", UUIDS[7]))


@pytest.mark.parametrize(("value", "kind"), [("true", "detached snapshot"), ("false", "snapshot")])
def test_a_class_can_ask_for_detached_snapshots(value: str, kind: str) -> None:
    """What the sidecars add to the parameters means nothing."""
    answers = Answers()
    parameters = {"detached": value, "csi.storage.k8s.io/volumesnapshot/name": "x"}
    snapshot_service(answers).create(f"b:{UUIDS[7]}", "n", parameters, deadline=0)
    assert answers.calls == [(kind, f"b:{UUIDS[7]}", "n")]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("quick", "yes", "unknown VolumeSnapshotClass parameter 'quick'; there are detached"),
        ("detached", "yes", "VolumeSnapshotClass parameter 'detached' is 'yes'; allowed are 'true' or 'false'"),
    ],
)
def test_what_a_snapshot_class_asks_for_in_vain_is_refused_by_name(key: str, value: str, said: str) -> None:
    """Before any host is asked, with what is allowed."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        snapshot_service(answers).create(f"b:{UUIDS[7]}", "n", {key: value}, deadline=0)
    assert (caught.value.code, caught.value.option) == (ErrorCode.INVALID, f"parameters.{key}")
    assert caught.value.message == said
    assert answers.calls == []


def test_a_snapshots_id_is_no_volumes_although_it_looks_alike() -> None:
    """So that one is never taken for the other."""
    assert SnapshotId("a", UUIDS[1]) != VolumeId("a", UUIDS[1])
    assert str(SnapshotId.parse(f"a:{UUIDS[1]}")) == str(VolumeId("a", UUIDS[1]))


@pytest.mark.parametrize("text", ["", "reallyfakesnapshotid", "a:", f"A:{UUIDS[0]}", f"a:{UUIDS[0]}0", "a:../etc"])
def test_an_id_that_names_nothing_is_gone_already(text: str) -> None:
    """Delete succeeds, lists are empty, get and create do not find it; no host is asked."""
    answers = Answers(snapshots=SNAPSHOTS)
    it = snapshot_service(answers)
    it.delete(text, deadline=0)
    with pytest.raises(DriverError, match="there is no snapshot") as caught:
        it.get(text, deadline=0)
    assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(DriverError, match="there is no volume") as caught:
        it.create(text, "n", {}, deadline=0)
    assert caught.value.code is ErrorCode.NOT_FOUND
    if text:
        assert listed(answers, snapshot_id=text) == []
        assert listed(answers, source_volume_id=text) == []
    assert answers.calls == []


def test_a_host_that_is_not_configured_is_not_taken_for_empty() -> None:
    """Every call says which host is missing."""
    it, text = snapshot_service(Answers()), f"z:{UUIDS[0]}"
    calls = [
        lambda: it.create(text, "n", {}, deadline=0),
        lambda: it.delete(text, deadline=0),
        lambda: it.get(text, deadline=0),
        lambda: it.list("", 0, snapshot_id=text, source_volume_id="", deadline=0),
        lambda: it.list("", 0, snapshot_id="", source_volume_id=text, deadline=0),
    ]
    for call in calls:
        with pytest.raises(DriverError, match="storage host z") as caught:
            call()
        assert caught.value.code is ErrorCode.HOST_RETIRED


def test_get_finds_that_snapshot_or_none() -> None:
    """Of the host its id names."""
    it = snapshot_service(Answers(snapshots=SNAPSHOTS))
    assert it.get(f"b:{UUIDS[4]}", deadline=0).source == VolumeId("b", UUIDS[6])
    with pytest.raises(DriverError, match="there is no snapshot") as caught:
        it.get(f"a:{UUIDS[4]}", deadline=0)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5])
def test_pages_put_together_are_the_whole_list_in_order(limit: int) -> None:
    """Whatever the size of a page, each snapshot comes exactly once."""
    assert listed(Answers(snapshots=SNAPSHOTS), limit=limit) == ALL


@pytest.mark.parametrize("limit", [0, 1])
def test_filters_narrow_the_list_down(limit: int) -> None:
    """To one snapshot, to those of one volume, or to both; only the host they name is asked."""
    answers = Answers(snapshots=SNAPSHOTS, down=("b",))
    volume = f"a:{UUIDS[7]}"
    assert listed(answers, limit=limit, snapshot_id=ALL[1]) == [ALL[1]]
    assert listed(answers, limit=limit, source_volume_id=volume) == [ALL[0], ALL[2]]
    assert listed(answers, limit=limit, source_volume_id=volume, snapshot_id=ALL[2]) == [ALL[2]]
    assert listed(answers, limit=limit, source_volume_id=volume, snapshot_id=ALL[1]) == []
    assert listed(answers, limit=limit, source_volume_id=f"a:{UUIDS[5]}") == []
    assert listed(answers, limit=limit, source_volume_id=volume, snapshot_id=ALL[3]) == []
    assert {call for call in answers.calls if call[0] == "list"} == {("list", "a")}


def test_a_list_is_never_a_part_of_the_truth() -> None:
    """A host that cannot be asked fails the whole."""
    with pytest.raises(DriverError, match="b is down"):
        listed(Answers(snapshots=SNAPSHOTS, down=("b",)))


@pytest.mark.parametrize("token", ["invalid-token", f"z:{UUIDS[0]}"])
def test_a_token_of_somebody_else_is_stale(token: str) -> None:
    """Even where the filter leaves nothing to list."""
    for snapshot_id in ("", "nonsense"):
        with pytest.raises(DriverError) as caught:
            snapshot_service(Answers()).list(token, 0, snapshot_id=snapshot_id, source_volume_id="", deadline=0)
        assert caught.value.code is ErrorCode.STALE_TOKEN
