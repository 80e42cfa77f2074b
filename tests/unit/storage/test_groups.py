"""The rules for group snapshots and modifications that are decided before a storage host is asked."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import GroupId
from csi_driver.storage.model import NewVolume
from tests.unit.storage.answers import UUIDS, Answers, group_service, service

VOLUMES = [f"a:{UUIDS[8]}", f"a:{UUIDS[7]}"]
GROUP = f"a:{UUIDS[0]}"


def test_a_group_is_taken_where_its_volumes_lie_in_whatever_order() -> None:
    """Two orders are one request."""
    answers = Answers()
    for volumes in (VOLUMES, VOLUMES[::-1]):
        assert group_service(answers).create(volumes, "n", deadline=0).id == GroupId("a", UUIDS[0])
    assert answers.calls == [("group", sorted(VOLUMES), "n")] * 2


def test_volumes_of_several_hosts_are_refused_with_the_name_of_each() -> None:
    """There is no moment that two machines share."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        group_service(answers).create([*VOLUMES, f"b:{UUIDS[7]}"], "n", deadline=0)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert all(each in caught.value.message for each in (*VOLUMES, "on a", f"b:{UUIDS[7]} on b"))
    assert answers.calls == []


def test_a_volume_that_cannot_be_one_is_not_found() -> None:
    """No host is asked."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        group_service(answers).create([VOLUMES[0], "nonsense"], "n", deadline=0)
    assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(DriverError, match="nas9") as caught:
        group_service(answers).create([f"nas9:{UUIDS[0]}"], "n", deadline=0)
    assert caught.value.code is ErrorCode.HOST_RETIRED
    assert answers.calls == []


@pytest.mark.parametrize("text", ["reallyfakegroupsnapshotid", "a:", f"A:{UUIDS[0]}", "a:../etc"])
def test_an_id_that_names_nothing_is_gone_already(text: str) -> None:
    """Delete succeeds, get does not find it; no host is asked."""
    answers = Answers()
    group_service(answers).delete(text, ["s"], deadline=0)
    with pytest.raises(DriverError, match="there is no group snapshot") as caught:
        group_service(answers).get(text, [], deadline=0)
    assert (caught.value.code, caught.value.option) == (ErrorCode.NOT_FOUND, "group_snapshot_id")
    assert answers.calls == []


def test_the_snapshots_to_delete_are_named_as_their_host_knows_them() -> None:
    """What lies elsewhere, or has no such form, can match none there."""
    answers = Answers()
    group_service(answers).delete(GROUP, [f"a:{UUIDS[2]}", f"a:{UUIDS[1]}", f"b:{UUIDS[1]}", "x"], deadline=0)
    assert answers.calls == [("delete", GROUP, [UUIDS[1], UUIDS[2], f"b:{UUIDS[1]}", "x"])]


@pytest.mark.parametrize("given", [[], [f"a:{UUIDS[2]}", f"a:{UUIDS[1]}"]])
def test_a_group_is_returned_under_its_own_snapshots(given: list[str]) -> None:
    """In any order, or under none."""
    assert len(group_service(Answers()).get(GROUP, given, deadline=0).snapshots) == 2


@pytest.mark.parametrize("given", [[1], [1, 2, 3], [3], [1, 3]])
def test_a_group_is_not_returned_under_other_snapshots(given: list[int]) -> None:
    """INVALID, as the specification has it."""
    with pytest.raises(DriverError, match=UUIDS[2]) as caught:
        group_service(Answers()).get(GROUP, [f"a:{UUIDS[number]}" for number in given], deadline=0)
    assert (caught.value.code, caught.value.option) == (ErrorCode.INVALID, "snapshot_ids")


def test_a_modification_names_what_is_to_change_and_nothing_else() -> None:
    """Configured defaults are for new volumes only."""
    answers = Answers()
    service(answers).modify(VOLUMES[0], {"sync": "always"}, deadline=0)
    service(answers).modify(VOLUMES[0], {"thin": "false", "csi.storage.k8s.io/pv/name": "x"}, deadline=0)
    service(answers).modify(VOLUMES[0], {}, deadline=0)
    assert answers.calls == [
        ("modify", VOLUMES[0], {"sync": "always"}, None),
        ("modify", VOLUMES[0], {}, False),
        ("modify", VOLUMES[0], {}, None),
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sync": "always", "XXX_FakeKey": "v"}, r"unknown mutable parameter 'XXX_FakeKey'; there are .*sync, thin"),
        ({"sync": "always", "volblocksize": "8192"}, r"'volblocksize' cannot be changed later"),
        ({"sync": "always", "fsType": "xfs"}, r"'fsType' cannot be changed later"),
        ({"sync": "always", "host": "a"}, r"'host' cannot be changed later"),
        ({"sync": "always", "thin": "maybe"}, r"'thin' is 'maybe'; allowed are 'true' or 'false'"),
        ({"sync": "now"}, r"'sync' is 'now'; allowed are 'standard', 'always' or 'disabled'"),
    ],
)
def test_one_bad_key_or_value_changes_nothing(given: dict[str, str], says: str) -> None:
    """Neither of a volume that exists nor of one that is to be made."""
    answers = Answers()
    for call in (
        lambda: service(answers).modify(VOLUMES[0], given, deadline=0),
        lambda: service(answers).create(NewVolume(name="n", mutable_parameters=given), deadline=0),
    ):
        with pytest.raises(DriverError, match=says) as caught:
            call()
        assert caught.value.code is ErrorCode.INVALID
        assert (caught.value.option or "").startswith("mutable_parameters.")
    assert answers.calls == []


def test_mutable_parameters_count_before_the_others() -> None:
    """And what is asked for in one way or the other is the same volume."""
    answers = Answers()
    one = NewVolume(name="n", parameters={"sync": "standard", "copies": "2"}, mutable_parameters={"sync": "always"})
    other = NewVolume(name="n", parameters={"sync": "always", "copies": "2"})
    for wanted in (one, other):
        service(answers).create(wanted, deadline=0)
    assert answers.specs[0] == answers.specs[1]
    assert answers.specs[0].properties == {"copies": "2", "sync": "always"}
    assert answers.specs[0].thin
