# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the program believes, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import wire
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Export
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Settled, Wanted
from ansible_collections.freebsd.storage.plugins.module_utils._privileged.callers import Caller
from ansible_collections.freebsd.storage.plugins.module_utils._privileged.checking import (
    EXPORTS_LIMIT,
    owner_of,
    seconds_of,
    wanted_of,
)
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

TOKEN, UUID = "a" * 32, "b" * 32
CALLER = Caller(frozenset({"demo"}), frozenset({"tank/csi", "tank/csi2/deep"}), frozenset({"csi"}))
EXPORT: dict[str, Any] = {
    "token": TOKEN,
    "uuid": UUID,
    "initiator": "iqn.1994-09.org.freebsd.csi:demo:node1",
    "portal_group": "csi",
    "dataset": "tank/csi/pvc-1",
    "blocksize": 512,
    "readonly": False,
    "chap": "none",
}
CHAP = {"user": "node", "secret": "first/secret", "mutual_user": "", "mutual_secret": ""}
NOTHING: dict[str, Any] = {
    "exports": [],
    "additions": [],
    "confirm": [],
    "gone": [],
    "gone_luns": [],
    "sizes": {},
    "chap": {},
    "complete": True,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def wanted(*exports: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**NOTHING, "exports": list(exports), **changes}


def why(told: object) -> str:
    """Return why the whole is refused."""
    with pytest.raises(HostError) as caught:
        wanted_of("demo", told, CALLER)
    return caught.value.msg


def left_out(**changes: Any) -> str:
    """Return why an export like this is left out; nothing else may come of it."""
    checked, additions = wanted_of("demo", wanted({**EXPORT, **changes}, additions=[TOKEN], confirm=[TOKEN]), CALLER)
    assert checked.wanted.exports == ()
    assert checked.wanted.additions == checked.wanted.confirm == frozenset()
    (reason,) = checked.refused.values()
    settled = Settled({}, {}, {}, {}, {}, frozenset(), (), 0)
    assert list(checked.told(settled, additions).refused.values()) == [reason]
    return reason


def test_what_is_told_comes_back_whole() -> None:
    told = wanted(EXPORT, additions=[TOKEN], confirm=[TOKEN], gone=["c" * 32], gone_luns=["d" * 32], sizes={UUID: 1})
    checked, additions = wanted_of("demo", json.loads(json.dumps(told)), CALLER)
    assert checked.refused == {}
    assert checked.wanted.exports[0].target == f"iqn.1994-09.org.freebsd.csi:demo.{TOKEN}"
    assert checked.wanted.exports[0].path == "/dev/zvol/tank/csi/pvc-1"
    assert additions == checked.wanted.additions == checked.wanted.confirm
    assert wire.told_wanted(checked.wanted) == told


def test_a_secret_comes_back_with_its_export() -> None:
    told = wanted({**EXPORT, "chap": "one-way"}, chap={TOKEN: CHAP})
    checked, _additions = wanted_of("demo", json.loads(json.dumps(told)), CALLER)
    assert wire.told_wanted(checked.wanted) == told
    assert "first/secret" not in repr(checked)


@pytest.mark.parametrize(
    "chap",
    [
        {"c" * 32: CHAP},
        {TOKEN: "secret"},
        {TOKEN: {**CHAP, "more": ""}},
        {TOKEN: {**CHAP, "secret": 'first"secret'}},
        {TOKEN: {**CHAP, "secret": "short"}},
        {TOKEN: {**CHAP, "user": "a b"}},
        {TOKEN: {**CHAP, "mutual_user": "host", "mutual_secret": CHAP["secret"]}},
        {TOKEN: {**CHAP, "mutual_user": None}},
    ],
)
def test_an_odd_secret_is_refused_and_not_shown(chap: dict[str, Any]) -> None:
    said = why(wanted({**EXPORT, "chap": "one-way"}, chap=chap))
    assert "chap" in said
    assert "secret" not in said


def test_what_is_refused_keeps_its_secret() -> None:
    told = wanted({**EXPORT, "dataset": "tank/other", "chap": "one-way"}, chap={TOKEN: CHAP})
    checked, _additions = wanted_of("demo", told, CALLER)
    assert (dict(checked.wanted.chap), checked.wanted.complete) == ({}, False)
    assert "its chap" in left_out(chap="two-way")


def test_a_name_that_does_not_follow_from_the_others_cannot_be_told() -> None:
    export = wire.export_of("demo", EXPORT)._replace(lun="other:" + UUID)
    with pytest.raises(ValueError, match="do not follow"):
        wire.told_wanted(Wanted("demo", (export,), frozenset(), frozenset(), frozenset(), frozenset()))


@pytest.mark.parametrize(
    "dataset",
    [
        "tank/other/pvc",
        "tank/csi",
        "tank/csi/",
        "tank/csi2/pvc",
        "tank/csi/../other/pvc",
        "tank/csi/./pvc",
        "tank/csi//pvc",
        "tank/csi/trash_/../../x",
        "tank/csi/pvc@snap",
        "tank/csi/pvc\nlun",
        'tank/csi/pvc" {',
        "tank/csi/pvcé",
        "../ada0",
        "/dev/ada0",
        "",
    ],
)
def test_a_volume_elsewhere_is_left_out(dataset: str) -> None:
    assert "not below a parent" in left_out(dataset=dataset)


@pytest.mark.parametrize("initiator", ["", "ALL", "iqn.x\n", 'iqn.2026-01.x" }', "iqn." + "x" * 300, "10.0.0.1"])
def test_an_export_without_one_proper_initiator_is_left_out(initiator: str) -> None:
    assert "initiator" in left_out(initiator=initiator)


@pytest.mark.parametrize("group", ["default", "", "pg0", 'csi" {'])
def test_an_export_at_another_portal_group_is_left_out(group: str) -> None:
    assert "portal group" in left_out(portal_group=group)


@pytest.mark.parametrize("blocksize", [0, -512, 1, 1 << 40])
def test_an_odd_blocksize_is_left_out(blocksize: int) -> None:
    assert "blocksize" in left_out(blocksize=blocksize)


def test_one_bad_export_does_not_spoil_the_others() -> None:
    bad = {**EXPORT, "token": "c" * 32, "uuid": "c" * 32, "dataset": "tank/other"}
    checked, _additions = wanted_of("demo", wanted(EXPORT, bad), CALLER)
    assert [export.device_id for export in checked.wanted.exports] == [UUID]
    settled = checked.told(Settled({}, {}, {}, {}, {}, frozenset(), (), 0), frozenset())
    assert list(settled.left_out) == [f"iqn.1994-09.org.freebsd.csi:demo.{'c' * 32}"]


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {**NOTHING, "more": 1},
        {**NOTHING, "exports": {}},
        wanted({**EXPORT, "token": "A" * 32}),
        wanted({**EXPORT, "token": TOKEN + "0"}),
        wanted({**EXPORT, "uuid": "x"}),
        wanted({**EXPORT, "readonly": 0}),
        wanted({**EXPORT, "blocksize": True}),
        wanted({**EXPORT, "blocksize": 512.0}),
        wanted({**EXPORT, "auth_group": "no-authentication"}),
        wanted({key: value for key, value in EXPORT.items() if key != "initiator"}),
        wanted(EXPORT, EXPORT),
        wanted(EXPORT, {**EXPORT, "token": "c" * 32, "dataset": "tank/csi/pvc-2"}),
        wanted(EXPORT, {**EXPORT, "token": "c" * 32, "uuid": "c" * 32}),
        wanted(EXPORT, additions=["c" * 32]),
        wanted(EXPORT, confirm=[None]),
        wanted(gone=["with blank"]),
        wanted(gone=["x" * 224]),
        wanted(gone_luns=[7]),
        wanted(sizes={UUID: -1}),
        wanted(sizes={UUID: 1 << 63}),
        wanted(sizes={UUID: True}),
        wanted(sizes={"x": 1}),
    ],
)
def test_what_has_the_wrong_form_is_refused_as_a_whole(told: object) -> None:
    assert "is not what the program understands" in why(told)


def test_there_are_limits() -> None:
    assert "too many" in why(wanted(*[EXPORT] * (EXPORTS_LIMIT + 1)))
    for seconds in (None, True, 0, -1, 601, "1", float("inf")):
        with pytest.raises(HostError):
            seconds_of({"seconds": seconds})


@pytest.mark.parametrize("owner", ["prod", "", "demo\n", "Demo", None, ["demo"], "../demo"])
def test_another_owner_is_refused(owner: object) -> None:
    with pytest.raises(HostError):
        owner_of({"owner": owner}, CALLER)


def believed(told: object) -> tuple[Export, ...]:
    """Return the exports that come of it; none where it is refused, in words."""
    with contextlib.suppress(HostError):
        return wanted_of("demo", told, CALLER)[0].wanted.exports
    return ()


@given(json_values)
def test_any_json_is_refused_or_understood(told: object) -> None:
    assert believed(told) == ()


@given(st.sampled_from(sorted(EXPORT)), json_values | st.text(st.characters(codec="ascii"), max_size=80))
def test_whatever_a_field_holds_an_export_stays_where_it_may_be(field: str, value: object) -> None:
    for export in believed(wanted({**EXPORT, field: value})):
        assert re.fullmatch(r"/dev/zvol/tank/(csi|csi2/deep)(/[A-Za-z0-9][A-Za-z0-9_.:-]*)+", export.path)
        assert re.fullmatch(r"(iqn|eui|naa)\.[a-z0-9.:-]+", export.initiator)
        assert export.target.startswith("iqn.1994-09.org.freebsd.csi:demo.")
        assert export.auth_group.startswith("demo:")
        assert export.lun.startswith("demo:")
        assert export.portal_group == "csi"


@given(st.text(st.sampled_from("tank/csi.é\n\0@ 2deep"), max_size=40))
def test_no_spelling_leads_out_of_the_parents(rest: str) -> None:
    for export in believed(wanted({**EXPORT, "dataset": f"tank/csi/{rest}"})):
        assert ".." not in export.path.split("/")
        assert re.fullmatch(r"/dev/zvol/tank/csi/[\x21-\x7e]+", export.path)
