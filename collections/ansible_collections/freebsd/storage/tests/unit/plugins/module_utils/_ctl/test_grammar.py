# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the two grammars of ctl.conf make of the same exports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import remember
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.conf import Draft, owner_place, portal_group_place
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.grammar import Grammar, draw, grammar_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.sections import (
    AuthGroup,
    Chap,
    Entry,
    PortalGroup,
    Target,
    sections_of,
)
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.sections import Lun as Disk
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils._ctl.test_conf import ADMIN, export

CLASSIC, UCL = grammar_of(ucl=False), grammar_of(ucl=True)
PLACE = owner_place("/s", "demo")
INCLUDE = """# BEGIN freebsd.storage demo
.include(try=true,duplicate=merge) "/s/ctl/demo.conf"
# END freebsd.storage demo
"""


def said(*entries: Entry) -> dict[str, Any]:
    return read(UCL.text(sections_of(entries)))


def read(text: str) -> dict[str, Any]:
    """Read what is written for UCL: a JSON value for each key."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return dict(json.loads(f"{{{part}}}").popitem() for part in "\n".join(lines).split(";") if part.strip())


@pytest.mark.parametrize("grammar", [CLASSIC, UCL])
def test_without_exports_nothing_is_left(grammar: Grammar) -> None:
    with_one = draw(grammar, Draft(ADMIN), PLACE, [export()]).draft
    assert with_one != Draft(ADMIN)
    assert draw(grammar, with_one, PLACE, []) == (Draft(ADMIN), {})
    assert draw(grammar, Draft(ADMIN), PLACE, []) == (Draft(ADMIN), {})


def test_classic_says_that_a_lun_is_read_only() -> None:
    assert '\toption "readonly" "on"\n' in CLASSIC.text(sections_of([export(readonly=True)]))
    assert "readonly" not in CLASSIC.text(sections_of([export()]))


def test_ucl_has_each_section_once_and_every_list_as_an_array() -> None:
    first, second = export(1), export(2, lun=export(1).lun)
    assert said(first, second) == {
        "auth-group": {
            each.auth_group: {"auth-type": "none", "initiator-name": [each.initiator]} for each in (first, second)
        },
        "lun": {
            first.lun: {
                "path": first.path,
                "blocksize": 512,
                "serial": first.serial,
                "device-id": second.device_id,
                "options": {"naa": first.naa},
            }
        },
        "target": {
            each.target: {
                "auth-group": each.auth_group,
                "portal-group": {"name": "csi"},
                "lun": [{"number": 0, "name": first.lun}],
            }
            for each in (first, second)
        },
    }


def test_ucl_quotes_the_values_of_options() -> None:
    lun = said(export(readonly=True))["lun"][export().lun]
    assert lun["options"] == {"naa": "0x6589cfc", "readonly": "on"}


def test_ucl_puts_the_exports_into_a_file_that_the_end_of_ctl_conf_includes() -> None:
    draft = draw(UCL, Draft(ADMIN), PLACE, [export()]).draft
    assert draft.main == ADMIN + INCLUDE
    assert draft.own is not None
    assert list(read(draft.own)) == ["auth-group", "lun", "target"]
    changed = draw(UCL, draft, PLACE, [export(2)]).draft
    assert changed.main == draft.main
    assert changed.own != draft.own


def test_a_portal_group_comes_first_in_classic_and_last_with_ucl() -> None:
    group, place = PortalGroup("csi", ("192.0.2.10:3260", "[2001:db8::1]")), portal_group_place("/s")
    ucl = draw(UCL, Draft(ADMIN), place, [group]).draft
    assert ucl.main.startswith(ADMIN)
    assert read(ucl.own or "") == {
        "portal-group": {
            "csi": {
                "discovery-auth-group": "no-access",
                "discovery-filter": "none",
                "listen": ["192.0.2.10:3260", "[2001:db8::1]"],
            }
        }
    }
    assert draw(CLASSIC, Draft(ADMIN), place, [group]).draft.main.endswith(
        f'\tlisten "[2001:db8::1]"\n}}\n# END freebsd.storage portal-group\n{ADMIN}'
    )


CLIENTS = AuthGroup(
    "ansible:clients",
    ("iqn.2026-01.org.example:a",),
    ("192.0.2.0/24",),
    (Chap("u", "s" * 12), Chap("v", "t" * 12, "target", "m" * 12)),
)
DISK = Disk("ansible:tank/vm/d", "/dev/zvol/tank/vm/d", 512, "00ff", "00ff", "0x6589cfc")
STORE = Target("iqn.2026-01.org.example:store", "ansible:clients", ("lan", "san"), {7: DISK, 0: DISK}, "a store")


def test_ucl_writes_what_people_name() -> None:
    assert said(CLIENTS)["auth-group"]["ansible:clients"] == {
        "chap": [{"user": "u", "secret": "s" * 12}],
        "chap-mutual": [{"user": "v", "secret": "t" * 12, "mutual-user": "target", "mutual-secret": "m" * 12}],
        "initiator-name": ["iqn.2026-01.org.example:a"],
        "initiator-portal": ["192.0.2.0/24"],
    }
    assert said(STORE)["target"][STORE.name] == {
        "alias": "a store",
        "auth-group": "ansible:clients",
        "portal-group": [{"name": "lan"}, {"name": "san"}],
        "lun": [{"number": 0, "name": DISK.name}, {"number": 7, "name": DISK.name}],
    }


@pytest.mark.parametrize("grammar", [CLASSIC, UCL])
def test_what_people_named_is_remembered_in_either_grammar(grammar: Grammar) -> None:
    draft = draw(grammar, Draft(ADMIN), PLACE, [export(), CLIENTS, STORE]).draft
    assert remember.recalled(draft.part(PLACE)) == {CLIENTS.key: CLIENTS, STORE.key: STORE}
    assert draft.rest(PLACE) == ADMIN


def test_no_owner_shares_the_file_of_the_portal_group() -> None:
    assert portal_group_place("/s").file not in {owner_place("/s", owner).file for owner in ("portal-group", "csi")}


@pytest.mark.parametrize(("before", "after"), [(CLASSIC, UCL), (UCL, CLASSIC)])
def test_a_host_that_changes_its_grammar_keeps_nothing_of_the_old_one(before: Grammar, after: Grammar) -> None:
    old = draw(before, Draft(ADMIN), PLACE, [export()]).draft
    assert draw(after, old, PLACE, [export()]) == draw(after, Draft(ADMIN), PLACE, [export()])
    assert draw(after, old, PLACE, []).draft == Draft(ADMIN)


@pytest.mark.parametrize("grammar", [CLASSIC, UCL])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initiator", 'iqn.x" } target "y'),
        ("initiator", "iqn.x\n"),
        ("portal_group", ""),
        ("path", "/dev/zvol/tank/ü"),
        ("naa", "<"),
        ("portal_group", "a&b"),
    ],
)
def test_an_export_that_cannot_be_written_is_left_out_and_the_others_are_not(
    grammar: Grammar, field: str, value: str
) -> None:
    bad = export(2, **{field: value})
    drawn = draw(grammar, Draft(ADMIN), PLACE, [export(1), bad, export(3)])
    assert drawn.draft == draw(grammar, Draft(ADMIN), PLACE, [export(1), export(3)]).draft
    assert list(drawn.left_out) == [bad.target]
    assert field in drawn.left_out[bad.target]
