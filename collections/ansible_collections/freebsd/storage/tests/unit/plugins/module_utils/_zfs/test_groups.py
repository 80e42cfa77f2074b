# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.plugins.module_utils._facts import facts_of
from ansible_collections.freebsd.storage.plugins.module_utils._state import (
    DestroySnapshot,
    Facts,
    NextRound,
    TakeGroup,
)
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import api, parse
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan_groups import (
    GroupUnwanted,
    GroupWanted,
    plan_absent,
    plan_present,
)
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan_snapshots import plan_absent as plan_single
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    UUIDS,
    Choices,
    member_text,
    parent_text,
    snapshot_text,
    volume_text,
)

GROUP = UUIDS[8]
VOLUMES = UUIDS[:2]
MEMBERS = [_names.member_uuid(GROUP, volume) for volume in VOLUMES]
BOTH = member_text(f"{PARENT}/a@group-{GROUP}") + member_text(f"{PARENT}/b@group-{GROUP}")


def facts(*texts: str) -> Facts:
    volumes = volume_text("a", VOLUMES[0]) + volume_text("b", VOLUMES[1])
    return facts_of(parse.inventory(parent_text() + volumes + "".join(texts), PARENT, OWNER), OWNER, None)


def refused(host: Facts, wish: object) -> HostError:
    with pytest.raises(HostError) as caught:
        plan_absent(host, wish) if isinstance(wish, GroupUnwanted) else plan_present(host, wish, Choices(), 0)  # type: ignore[arg-type]
    return caught.value


def test_one_command_has_every_snapshot_and_every_property() -> None:
    plan = plan_present(facts(), GroupWanted("a b", (VOLUMES[1], VOLUMES[0])), Choices(), 3)
    (step,) = plan.steps
    assert isinstance(step, TakeGroup)
    prefix = "org.freebsd.storage:"
    assert api.group_snapshot(step.group, "demo:1") == [
        *("zfs", "snapshot", "-o", f"{prefix}schema=1", "-o", f"{prefix}owner=demo:1"),
        *("-o", f"{prefix}group-uuid={UUIDS[0]}", "-o", f"{prefix}group-name=a%20b", "-o", f"{prefix}group-size=2"),
        *(f"{PARENT}/{leaf}@group-{UUIDS[0]}" for leaf in ("a", "b")),
    ]
    again = plan_present(plan.facts, GroupWanted("a b", tuple(VOLUMES)), Choices(), 4)
    assert (again.steps, again.depends, again.group) == ((), 3, plan.group)


def test_the_members_are_read_as_snapshots_of_one_group() -> None:
    host = facts(BOTH)
    group = host.group(GROUP)
    assert group is not None
    assert (group.name, group.size, group.complete) == ("g", 2, True)
    assert [member.uuid for member in group.members] == MEMBERS
    assert [member.source for member in group.members] == VOLUMES
    assert host.group_named("g") == group
    assert host.snapshot_named("g") is None
    assert sorted(host.snapshots) == sorted(MEMBERS)


def test_a_copy_of_a_member_is_someone_elses() -> None:
    received = member_text(f"{PARENT}/a@group-{GROUP}").replace("\tlocal\n", "\treceived\n")
    assert facts(received).snapshots == {}


def test_one_that_waits_for_its_clones_is_of_no_group_any_more() -> None:
    gone = member_text(f"{PARENT}/a@deleted-{MEMBERS[0]}", defer_destroy="on", clones="tank/csi/x")
    group = facts(gone, member_text(f"{PARENT}/b@group-{GROUP}")).group(GROUP)
    assert group is not None
    assert [member.uuid for member in group.members] == MEMBERS[1:]


@pytest.mark.parametrize("volumes", [VOLUMES[:1], UUIDS[:3], [VOLUMES[0], UUIDS[2]]])
def test_the_name_with_other_volumes_is_an_error(volumes: list[str]) -> None:
    error = refused(facts(BOTH), GroupWanted("g", tuple(volumes)))
    assert (error.code, error.option, error.actual) == ("exists_differently", "volumes", VOLUMES)


def test_the_name_of_a_group_that_lost_a_member_is_an_error() -> None:
    error = refused(facts(member_text(f"{PARENT}/b@group-{GROUP}")), GroupWanted("g", (VOLUMES[1],)))
    assert error.code == "exists_differently"
    assert "1 of its 2 snapshots are gone; delete it first" in error.msg


def test_a_volume_that_is_not_there_is_named() -> None:
    error = refused(facts(), GroupWanted("g", (VOLUMES[0], UUIDS[5])))
    assert (error.code, error.option) == ("source_not_found", "volumes")
    assert UUIDS[5] in error.msg


@pytest.mark.parametrize("what", ["grown", "fresh"])
def test_a_volume_that_this_round_makes_or_grows_has_to_be_waited_for(what: str) -> None:
    with pytest.raises(NextRound):
        plan_present(facts()._replace(**{what: frozenset(VOLUMES[:1])}), GroupWanted("g", tuple(VOLUMES)), Choices(), 0)


@pytest.mark.parametrize("given", [[], MEMBERS, MEMBERS[::-1]])
def test_all_members_go_under_their_uuids_or_under_none(given: list[str]) -> None:
    plan = plan_absent(facts(BOTH), GroupUnwanted(GROUP, tuple(given)))
    assert [step.snapshot.uuid for step in plan.steps if isinstance(step, DestroySnapshot)] == MEMBERS
    assert plan.facts.group(GROUP) is None


@pytest.mark.parametrize("given", [MEMBERS[:1], [*MEMBERS, UUIDS[5]], [MEMBERS[0], UUIDS[5]], [MEMBERS[0]] * 2])
def test_under_other_uuids_none_goes(given: list[str]) -> None:
    error = refused(facts(BOTH), GroupUnwanted(GROUP, tuple(given)))
    assert (error.code, error.option) == ("invalid", "snapshots")


def test_what_is_left_of_a_group_goes_under_the_uuids_it_had() -> None:
    left = facts(member_text(f"{PARENT}/b@group-{GROUP}"))
    assert len(plan_absent(left, GroupUnwanted(GROUP, tuple(MEMBERS))).steps) == 1
    assert refused(left, GroupUnwanted(GROUP, (MEMBERS[1],))).code == "invalid"
    assert plan_absent(facts(), GroupUnwanted(GROUP, tuple(MEMBERS))).steps == ()


def test_a_member_does_not_go_alone() -> None:
    with pytest.raises(HostError, match=GROUP) as caught:
        plan_single(facts(BOTH), MEMBERS[0])
    assert caught.value.code == "invalid"


@pytest.mark.parametrize("size", ["many", "-"])
def test_a_group_that_cannot_be_read_is_not_taken_for_gone(size: str) -> None:
    host = facts(member_text(f"{PARENT}/a@group-{GROUP}", size=size))
    assert set(host.unreadable) == {GROUP, MEMBERS[0]}
    assert refused(host, GroupUnwanted(GROUP, ())).code == "degraded"


def test_a_single_snapshot_may_have_the_name_of_a_group() -> None:
    host = facts(BOTH, snapshot_text(f"{PARENT}/a@g"))
    assert host.snapshot_names == {"g": UUIDS[9]}
    assert host.drift == ()


def test_no_name_of_a_single_snapshot_gives_it_the_place_of_a_member() -> None:
    assert not _names.MEMBER.fullmatch(_names.snapshot_leaf_of(f"group-{GROUP}"))
