# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._facts import facts_of
from ansible_collections.freebsd.storage.plugins.module_utils._state import (
    Facts,
    GrowVolume,
    ModifyVolume,
    NextRound,
)
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.grow import VolumeGrown, plan_grow
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.modify import VolumeModified, plan_modify
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    OWNER,
    PARENT,
    UUIDS,
    dataset_text,
    parameters,
    parent_text,
    volume_text,
)

UUID = UUIDS[0]
THIN = "org.freebsd.storage:thin"


def facts(made_thin: bool = True, **local: str) -> Facts:  # noqa: FBT002 - reads well
    text = volume_text(wanted=parameters(thin=made_thin))
    text += dataset_text(f"{PARENT}/pvc-1", {name: (value, "local") for name, value in local.items()})
    return facts_of(parse.inventory(parent_text() + text, PARENT, OWNER), OWNER, None)


def change(host: Facts, properties: Optional[dict[str, str]] = None, thin: Optional[bool] = None) -> Any:
    """Return what is to be changed, or None."""
    plan = plan_modify(host, VolumeModified(UUID, properties or {}, thin))
    return (plan.steps[0].properties, plan.steps[0].thin) if plan.steps else None  # type: ignore[union-attr]


def test_only_what_is_set_on_the_volume_itself_counts() -> None:
    assert change(facts(sync="always"), {"sync": "always"}) is None
    assert change(facts(sync="always"), {"sync": "always", "copies": "2"}) == ({"copies": "2"}, None)
    assert change(facts(), {"sync": "standard"}) == ({"sync": "standard"}, None)
    assert change(facts()) is None


def test_a_value_with_two_names_is_compared_as_it_is_shown() -> None:
    assert change(facts(compression="gzip"), {"compression": "gzip-6"}) is None
    assert change(facts(), {"compression": "gzip-6"}) == ({"compression": "gzip"}, None)


@pytest.mark.parametrize(
    ("made_thin", "thin_now", "reserved", "wanted", "due"),
    [
        (True, None, "none", True, False),
        (True, None, "none", False, True),
        (False, None, "1000", False, False),
        (False, None, "1000", True, True),
        (False, "true", "none", True, False),
        (False, "true", "none", False, True),
        (True, "false", "1000", False, False),
        # Half done: only the reservation, or only the record.
        (True, None, "1000", True, True),
        (True, None, "1000", False, True),
        (False, None, "none", False, True),
        (True, "false", "none", False, True),
    ],
)
def test_record_and_reservation_both_have_to_be_as_wanted(
    made_thin: bool, thin_now: Optional[str], reserved: str, wanted: bool, due: bool
) -> None:
    local = {"refreservation": reserved, **({} if thin_now is None else {THIN: thin_now})}
    host = facts(made_thin, **local)
    assert change(host, thin=wanted) == (({}, wanted) if due else None)
    assert change(host) is None
    after = plan_modify(host, VolumeModified(UUID, {}, wanted)).volume
    assert after is not None
    assert (after.thin, after.reserved) == (wanted, not wanted)


def test_the_hash_of_what_was_asked_for_stays() -> None:
    host = facts()
    after = plan_modify(host, VolumeModified(UUID, {"sync": "always"}, False)).volume
    assert after is not None
    assert (after.digest, after.parameters) == (host.volumes[UUID].digest, host.volumes[UUID].parameters)
    assert after.settings == {"sync": "always"}


def test_the_step_knows_what_to_go_back_to() -> None:
    host = facts(sync="always")
    (step,) = plan_modify(host, VolumeModified(UUID, {"sync": "standard"}, None)).steps
    assert step == ModifyVolume(host.volumes[UUID], {"sync": "standard"}, None)


@pytest.mark.parametrize("what", ["fresh", "unsettled", "grown", "modified", "tapped"])
def test_a_volume_that_is_changing_has_to_be_waited_for(what: str) -> None:
    with pytest.raises(NextRound):
        change(facts()._replace(**{what: frozenset({UUID})}), {"sync": "always"})


def test_growth_waits_for_a_change() -> None:
    plan = plan_modify(facts(), VolumeModified(UUID, {"sync": "always"}, None))
    with pytest.raises(NextRound):
        plan_grow(plan.facts, VolumeGrown(UUID, 2 << 30, 0))
    (step,) = plan_grow(plan.facts.settled(), VolumeGrown(UUID, 2 << 30, 0)).steps
    assert isinstance(step, GrowVolume)


def test_a_volume_that_is_not_there_is_not_found() -> None:
    with pytest.raises(HostError) as caught:
        plan_modify(facts(), VolumeModified(UUIDS[5], {}, None))
    assert (caught.value.code, caught.value.option) == ("not_found", "uuid")


def test_a_record_of_thin_that_cannot_be_read_makes_the_volume_unreadable() -> None:
    assert facts(**{THIN: "perhaps"}).unreadable == {UUID: f"{PARENT}/pvc-1"}


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"properties": {}}, VolumeModified(UUID, {}, None)),
        ({"thin": True}, VolumeModified(UUID, {}, True)),
        ({"thin": None}, VolumeModified(UUID, {}, None)),
        ({"properties": {"sync": "always"}}, VolumeModified(UUID, {"sync": "always"}, None)),
        ({"required_bytes": 5}, VolumeGrown(UUID, 5, 0)),
        ({}, VolumeGrown(UUID, 0, 0)),
    ],
)
def test_a_volume_named_by_its_uuid_changes_or_grows(options: dict[str, Any], wish: object) -> None:
    assert items_of([{"key": "k", "kind": "volume", "uuid": UUID, **options}])[0].wish == wish
