"""A volume on one of several hosts: the one that has it, else the best that can make it, and never two."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import FromVolume, NewVolume, Placement, Topology
from csi_driver.storage.placement import ranked
from csi_driver.storage.volumes import VolumeService
from tests.unit.storage.answers import UUIDS, Answers
from tests.unit.storage.test_placement import configured

RANKING = ranked(configured({"a": {}, "b": {}, "c": {}}), ("a", "b", "c"), name="n")
BEST, SECOND, LAST = RANKING
WANTED = NewVolume(name="n", required_bytes=1)


def service(answers: Answers, **settings: dict[str, Any]) -> VolumeService:
    """Three hosts, some with settings of their own."""
    return VolumeService(configured({"a": {}, "b": {}, "c": {}} | settings), answers)


def created(answers: Answers) -> list[str]:
    """The hosts that were asked to make the volume, in order."""
    return [call[1] for call in answers.calls if call[0] == "create"]


def refused(it: VolumeService, wanted: NewVolume = WANTED) -> ErrorCode:
    """The code with which a volume is refused."""
    with pytest.raises(DriverError) as caught:
        it.create(wanted, deadline=time.monotonic() + 5)
    return caught.value.code


def test_the_best_host_is_told_which_others_have_no_such_volume() -> None:
    """It has to know whether the volume may be elsewhere."""
    answers = Answers(down=(LAST,))
    assert service(answers).create(WANTED, deadline=time.monotonic() + 5).id.host == BEST
    assert created(answers) == [BEST]
    assert answers.placements[BEST] == Placement(seen=frozenset({SECOND}), unseen=frozenset({LAST}), passes_on=True)


@pytest.mark.parametrize("owner", [SECOND, LAST])
def test_a_volume_that_exists_wins_wherever_it_is(owner: str) -> None:
    """Even if the best host has room; that it is compatible is for its own host to say."""
    answers = Answers(named={owner: UUIDS[0]})
    assert service(answers).create(WANTED, deadline=time.monotonic() + 5).id.host == owner
    assert created(answers) == [owner]


def test_a_full_host_passes_the_volume_on_and_the_last_one_to_nobody() -> None:
    """The next is told that the full one has none."""
    answers = Answers(full=(BEST, SECOND))
    assert service(answers).create(WANTED, deadline=time.monotonic() + 5).id.host == LAST
    assert created(answers) == [BEST, SECOND, LAST]
    assert answers.placements[LAST] == Placement(seen=frozenset({BEST, SECOND}))


@pytest.mark.parametrize(("down", "asked"), [(BEST, [BEST]), (SECOND, [BEST, SECOND])])
def test_nobody_is_asked_after_a_host_that_gave_no_answer(down: str, asked: list[str]) -> None:
    """It may have the volume, or make it yet."""
    answers = Answers(full=(BEST,), down=(down,))
    assert refused(service(answers)) is ErrorCode.DEGRADED
    assert created(answers) == asked


def test_without_room_anywhere_there_is_no_volume() -> None:
    """Kubernetes may then choose another place."""
    assert refused(service(Answers(full=RANKING))) is ErrorCode.OUT_OF_SPACE


def test_one_eligible_host_is_asked_for_the_volume_and_for_nothing_else() -> None:
    """No read before the write; nothing is said of others."""
    answers = Answers()
    service(answers).create(replace(WANTED, parameters={"host": "b"}), deadline=0)
    assert answers.calls == [("create", "b", "n")]
    assert answers.placements["b"] == Placement()


def test_a_drained_host_is_asked_but_closed() -> None:
    """It has to keep that it refused, should it come back into use."""
    answers = Answers(full=(BEST,))
    service(answers, **{BEST: {"drained": True}}).create(WANTED, deadline=time.monotonic() + 5)
    assert created(answers) == [BEST, SECOND]
    assert (answers.placements[BEST].closed, answers.placements[SECOND].closed) == (True, False)


def test_a_retired_host_is_asked_for_nothing() -> None:
    """It may be gone without anyone waiting for it."""
    answers = Answers(down=(BEST,))
    it = service(answers, **{BEST: {"retired": True}})
    assert it.create(WANTED, deadline=time.monotonic() + 5).id.host == SECOND
    assert it.list("", 0, deadline=0).items == ()
    assert BEST not in {call[1] for call in answers.calls}
    with pytest.raises(DriverError, match=f"storage host {BEST}, which is retired") as caught:
        it.delete(f"{BEST}:{UUIDS[0]}", deadline=0)
    assert caught.value.code is ErrorCode.HOST_RETIRED
    assert refused(it, replace(WANTED, parameters={"host": BEST})) is ErrorCode.HOST_RETIRED


ZONES = {"a": {"topology": {"x/zone": "1"}}, "b": {"topology": {"x/zone": "2"}}, "c": {"topology": {"x/zone": "2"}}}


def test_a_volume_lies_where_it_is_needed_and_says_so() -> None:
    """Only the hosts there are asked for anything."""
    answers = Answers()
    made = service(answers, **ZONES).create(replace(WANTED, topology=zone("1")), deadline=0)
    assert (made.id.host, made.topology) == ("a", {"x/zone": "1"})
    assert answers.calls == [("create", "a", "n")]


def test_where_no_host_is_there_is_no_volume() -> None:
    """That is no mistake of the request: another node may do."""
    assert refused(service(Answers(), **ZONES), replace(WANTED, topology=zone("3"))) is ErrorCode.OUT_OF_SPACE
    beside = replace(WANTED, source=FromVolume(f"a:{UUIDS[0]}"))
    assert refused(service(Answers(), **ZONES), replace(beside, topology=zone("2"))) is ErrorCode.OUT_OF_SPACE


def zone(*names: str) -> Topology:
    """Needed by the nodes of one of these zones."""
    terms = tuple({"x/zone": name} for name in names)
    return Topology(requisite=terms, preferred=terms)


def test_room_is_that_of_the_place_and_of_hosts_open_to_new_volumes() -> None:
    """A drained host has none; without any host there is none, and that is no error."""
    it = service(Answers(), **ZONES)
    assert it.capacity({}, {"x/zone": "2"}, deadline=time.monotonic() + 5).available_bytes == 200
    assert it.capacity({}, {"x/zone": "1"}, deadline=time.monotonic() + 5).available_bytes == 100
    assert it.capacity({}, {"x/zone": "3"}, deadline=time.monotonic() + 5).available_bytes == 0
    assert it.capacity({}, deadline=time.monotonic() + 5).available_bytes == 300
    drained = service(Answers(), **(ZONES | {"a": {"drained": True}}))
    assert drained.capacity({}, deadline=time.monotonic() + 5).available_bytes == 200


def test_two_parents_in_one_pool_share_its_room() -> None:
    """It is not counted twice."""
    machine = configured({"a": {}}).hosts["a"]
    twin = {"ansible_host": machine.ansible_host, "host_key": machine.host_key, "owner": "demo-2", "parent": "tank/x"}
    it = VolumeService(configured({"a": {}, "b": twin}), Answers())
    assert it.capacity({}, deadline=time.monotonic() + 5).available_bytes == 100
