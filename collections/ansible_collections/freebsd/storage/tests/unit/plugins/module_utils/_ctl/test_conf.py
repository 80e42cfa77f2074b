# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import conf
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Export
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


def block(*exports: Export) -> str:
    return conf.render("demo", exports).text


def test_without_exports_there_is_no_block() -> None:
    assert conf.render("demo", []) == conf.Rendering("", {})


def test_a_read_only_lun_says_so() -> None:
    assert '\toption "readonly" "on"\n' in block(export(readonly=True))
    assert "readonly" not in block(export())


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
def test_an_export_that_cannot_be_written_is_left_out_and_the_others_are_not(field: str, value: str) -> None:
    bad = export(2, **{field: value})
    rendering = conf.render("demo", [export(1), bad, export(3)])
    assert rendering.text == block(export(1), export(3))
    assert list(rendering.left_out) == [bad.target]
    assert field in rendering.left_out[bad.target]


@pytest.mark.parametrize("text", ["", ADMIN, ADMIN.rstrip("\n"), "# END freebsd.storage other\n"])
def test_a_block_goes_to_the_end_and_leaves_nothing_behind(text: str) -> None:
    with_one = conf.with_block(text, "demo", block(export()))
    assert with_one.startswith(text)
    assert conf.block_of(with_one, "demo") == block(export())
    assert conf.with_block(with_one, "demo", "") in (text, f"{text}\n")
    assert conf.with_block(text, "demo", "") == text


def test_a_block_is_replaced_where_it_stands() -> None:
    text = conf.with_block(ADMIN, "demo", block(export(1))) + "# after\n"
    other = conf.with_block(text, "demo", block(export(2)))
    assert other == ADMIN + block(export(2)) + "# after\n"


def test_each_owner_has_a_block_of_its_own() -> None:
    text = conf.with_block(ADMIN, "demo", block(export(1)))
    both = conf.with_block(text, "demo-2", conf.render("demo-2", [export(2)]).text)
    assert conf.block_of(both, "demo") == block(export(1))
    assert conf.with_block(both, "demo", "") == ADMIN + conf.block_of(both, "demo-2")


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
