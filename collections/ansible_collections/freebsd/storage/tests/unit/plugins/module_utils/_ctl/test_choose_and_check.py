# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import check
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.bisect import culprits
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.choose import Draw, Trial, choose
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.conf import Draft, owner_place
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.grammar import draw, grammar_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Export, Kernel, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils._ctl.test_conf import ADMIN, export


@pytest.mark.parametrize("bad", [[], [0], [99], [3, 4], [0, 50, 99], list(range(100))])
def test_exactly_the_culprits_are_found(bad: list[int]) -> None:
    found = culprits(range(100), lambda part: not set(part) & set(bad))
    assert found == bad


def test_one_culprit_among_a_hundred_costs_few_trials() -> None:
    trials = 0

    def accepted(part: Sequence[int]) -> bool:
        nonlocal trials
        trials += 1
        return 57 not in part

    assert culprits(range(100), accepted) == [57]
    assert trials <= 16


def test_of_two_that_exclude_each_other_the_later_is_blamed() -> None:
    assert culprits("abcd", lambda part: not {"a", "d"} <= set(part)) == ["d"]


NOW = Draft(ADMIN)


def drawing(now: Draft = NOW) -> Draw:
    return partial(draw, grammar_of(ucl=False), now, owner_place("/s", "demo"))


def targets(draft: Draft) -> set[str]:
    return {line.split('"')[1] for line in draft.main.splitlines() if line.startswith("target ")}


def refusing(*bad: Export) -> Trial:
    def trial(draft: Draft) -> list[str]:
        return [f"refused {each.target}" for each in bad if each.target in targets(draft)]

    return trial


def test_new_culprits_are_refused_and_old_ones_left_out() -> None:
    exports = [export(number) for number in range(20)]
    additions = frozenset(each.target for each in exports[10:])
    trial = refusing(exports[3], exports[15])
    choice = choose(NOW, drawing(), exports, additions, trial)
    assert choice.refused == {exports[15].target: f"refused {exports[15].target}"}
    assert choice.left_out == {exports[3].target: f"refused {exports[3].target}"}
    assert len(targets(choice.draft)) == 18


def test_nothing_is_tried_when_the_text_does_not_change() -> None:
    now = drawing()([export()]).draft

    def trial(_draft: Draft) -> list[str]:
        raise AssertionError("tried")

    assert choose(now, drawing(now), [export()], frozenset(), trial).draft == now


def test_what_others_have_written_is_not_blamed_on_exports() -> None:
    with pytest.raises(HostError) as caught:
        choose(NOW, drawing(), [export()], frozenset(), lambda _draft: ["syntax error"])
    assert caught.value.code == "degraded"
    assert "syntax error" in caught.value.msg


def test_any_mixture_is_sorted_out() -> None:
    dice = random.Random(7)
    for _try in range(50):
        exports = [export(number) for number in range(dice.randrange(30))]
        bad = [each for each in exports if dice.random() < 0.2]
        additions = frozenset(each.target for each in exports if dice.random() < 0.5)
        choice = choose(NOW, drawing(), exports, additions, refusing(*bad))
        assert choice.refused.keys() | choice.left_out.keys() == {each.target for each in bad}
        assert choice.refused.keys() <= additions
        assert targets(choice.draft) == {each.target for each in exports if each not in bad}


def kernel(*ports: Port, luns: tuple[Lun, ...] = (), sessions: frozenset[str] = frozenset()) -> Kernel:
    return Kernel(Daemon(900), ports, luns, sessions)


def shown(each: Export) -> tuple[Port, Lun]:
    port = Port(3, "iscsi", True, each.target, {0: 7}, (), "csi")
    return port, Lun(7, each.lun, each.path, 2048, each.blocksize, each.serial, each.device_id)


def test_an_export_is_met_when_port_map_and_lun_are_right() -> None:
    port, lun = shown(export())
    assert check.unmet([export()], kernel(port, luns=(lun,))) == {}


@pytest.mark.parametrize(
    ("port_change", "lun_change", "why"),
    [
        ({"target": "iqn.other"}, {}, "no port"),
        ({"portal_group": "default"}, {}, "portal-groups: csi, default"),
        ({"online": False}, {}, "offline"),
        ({"luns": {}}, {}, "no LUN 0"),
        ({"luns": {0: 8}}, {}, "no LUN 0"),
        ({"luns": {1: 7}}, {}, "no LUN 0"),
        ({}, {"name": "demo:other"}, "leads to the LUN"),
        ({}, {"path": "/dev/zvol/tank/other"}, "leads to '/dev/zvol/tank/other'"),
        ({}, {"size_blocks": 0}, "no medium"),
        ({}, {"serial": "x"}, "serial"),
        ({}, {"blocksize": 4096}, "blocksize"),
    ],
)
def test_an_export_is_not_met(port_change: dict[str, object], lun_change: dict[str, object], why: str) -> None:
    port, lun = shown(export())
    looked = kernel(port._replace(**port_change), luns=(lun._replace(**lun_change),))  # type: ignore[arg-type]
    assert why in check.unmet([export()], looked)[export().target]


def test_what_should_be_gone_lingers_as_port_session_or_lun() -> None:
    port, lun = shown(export())
    gone, luns = {export().target}, {export().lun}
    assert check.lingering(gone, luns, kernel()) == {}
    assert check.lingering(gone, luns, kernel(port)).keys() == gone
    assert check.lingering(gone, luns, kernel(luns=(lun,))).keys() == luns
    assert check.lingering(gone, luns, kernel(sessions=frozenset(gone))).keys() == gone


def test_only_the_targets_of_others_can_vanish() -> None:
    port, _lun = shown(export())
    before = kernel(port, port._replace(target="iqn.theirs"), port._replace(target=""))
    assert check.vanished(before, kernel(), "iqn.1994-09.org.freebsd.csi:demo.") == ("iqn.theirs",)
