# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import conf
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.classic import Classic
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Export
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.sections import sections_of
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

ADMIN = 'portal-group "pg0" {\n\tlisten 0.0.0.0\n}\n'


def export(number: int = 1, **changes: Any) -> Export:
    made = Export(
        target=f"iqn.1994-09.org.freebsd.csi:demo.{number:032x}",
        auth_group=f"demo:{number:032x}",
        initiator="iqn.1994-09.org.freebsd.csi:demo:node1",
        portal_group="csi",
        lun=f"demo:{number:032x}",
        path="/dev/zvol/tank/my csi/pvc-1",
        blocksize=512,
        serial="0123456789abcdef",
        device_id=f"{number:032x}",
        naa="0x6589cfc",
        readonly=False,
    )
    return made._replace(**changes)


def body(*exports: Export) -> str:
    return Classic().text(sections_of(exports))


def block(*exports: Export, owner: str = "demo") -> str:
    return f"# BEGIN freebsd.storage {owner}\n{body(*exports)}# END freebsd.storage {owner}\n"


@pytest.mark.parametrize("text", ["", ADMIN, ADMIN.rstrip("\n"), "# END freebsd.storage other\n"])
def test_a_block_goes_to_the_end_and_leaves_nothing_behind(text: str) -> None:
    with_one = conf.with_block(text, "demo", body(export()))
    assert with_one.startswith(text)
    assert with_one.endswith(block(export()))
    assert conf.with_block(with_one, "demo", "") in (text, f"{text}\n")
    assert conf.with_block(text, "demo", "") == text


def test_a_block_that_others_need_goes_to_the_beginning() -> None:
    with_one = conf.with_block(ADMIN, "demo", body(export()), first=True)
    assert with_one == block(export()) + ADMIN
    assert conf.with_block(with_one, "demo", "", first=True) == ADMIN


def test_a_block_is_replaced_where_it_stands() -> None:
    text = conf.with_block(ADMIN, "demo", body(export(1))) + "# after\n"
    other = conf.with_block(text, "demo", body(export(2)))
    assert other == ADMIN + block(export(2)) + "# after\n"


def test_each_owner_has_a_block_of_its_own() -> None:
    text = conf.with_block(ADMIN, "demo", body(export(1)))
    both = conf.with_block(text, "demo-2", body(export(2)))
    assert both == ADMIN + block(export(1)) + block(export(2), owner="demo-2")
    assert conf.with_block(both, "demo", "") == ADMIN + block(export(2), owner="demo-2")


INCLUDE = '.include(try=true,duplicate=merge) "/x/{}.conf"\n'


@pytest.mark.parametrize("after", ["", "\n", "# a comment\n\n", "OTHERS", "OTHERS# and so on\n"])
def test_the_last_block_stays_where_only_others_like_it_follow(after: str) -> None:
    text = conf.with_block(ADMIN, "demo", INCLUDE.format("demo"))
    others = conf.with_block("", "demo-2", INCLUDE.format("demo-2"))
    text += after.replace("OTHERS", others)
    assert conf.with_last_block(text, "demo", INCLUDE.format("demo")) == text


@pytest.mark.parametrize("after", ['lun "x" { }\n', '\n# mine\ntarget "x" { }\n', '.include "/mine"\n'])
def test_the_last_block_moves_behind_what_others_have_added(after: str) -> None:
    last = conf.with_block("", "demo", INCLUDE.format("demo"))
    assert conf.with_last_block(ADMIN + last + after, "demo", INCLUDE.format("demo")) == ADMIN + after + last
    assert conf.with_last_block(ADMIN + last + after, "demo", "") == ADMIN + after


REMEMBERED = '#: {"kind": "auth_group"}\n'


def test_what_a_host_reads_no_more_is_taken_out_and_what_people_named_stays() -> None:
    classic = conf.with_block(ADMIN, "demo", REMEMBERED + body(export()))
    ucl = conf.with_block(ADMIN, "demo", REMEMBERED + INCLUDE.format("demo"))
    emptied = conf.with_block(ADMIN, "demo", REMEMBERED)
    assert conf.without_other_grammar(classic, ucl=True) == emptied
    assert conf.without_other_grammar(ucl, ucl=False) == emptied
    assert conf.without_other_grammar(classic, ucl=False) == classic
    assert conf.without_other_grammar(ucl, ucl=True) == ucl


@pytest.mark.parametrize("text", [ADMIN, INCLUDE.format("mine"), "# BEGIN freebsd.storage demo\n" + ADMIN])
@pytest.mark.parametrize("ucl", [True, False])
def test_what_others_have_written_stays_in_whatever_grammar(text: str, *, ucl: bool) -> None:
    assert conf.without_other_grammar(text, ucl=ucl) == text


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("# END freebsd.storage demo\n", ""),
        lambda text: text.replace("# BEGIN freebsd.storage demo\n", ""),
        lambda text: text + text,
        lambda text: "# END freebsd.storage demo\n" + text.replace("# END freebsd.storage demo\n", ""),
    ],
)
def test_a_block_without_clear_bounds_is_not_touched(damage: Any) -> None:
    with pytest.raises(HostError) as caught:
        conf.with_block(damage(block(export())), "demo", "")
    assert caught.value.code == "degraded"
    assert "# END freebsd.storage demo" in caught.value.msg
