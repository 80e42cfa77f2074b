# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What people name in ctl.conf: how it is written, read again, judged, and chosen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import check, parse, remember
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.choose import Trial, choose
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.conf import Draft, owner_place
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.grammar import Drawn, draw, grammar_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Kernel, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.sections import (
    AuthGroup,
    Chap,
    Entry,
    PortalGroup,
    Target,
)
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.sections import Lun as Disk
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils._ctl.test_conf import ADMIN, export

LAN = PortalGroup("ansible:lan", ("192.0.2.10:3260", "[2001:db8::1]"))
CLIENTS = AuthGroup(
    "ansible:clients", ("iqn.2026-01.org.example:a",), ("192.0.2.0/24",), (Chap("u", "s" * 12), Chap("v", "t" * 12))
)
MUTUAL = AuthGroup("ansible:mutual", chap=(Chap("u", "s" * 12, "target", "m" * 12),))
DISK = Disk("ansible:tank/vm/d", "/dev/zvol/tank/vm/d", 512, "00ff", "00ff", "0x6589cfc")
STORE = Target("iqn.2026-01.org.example:store", "ansible:clients", ("ansible:lan",), {0: DISK, 7: DISK}, "a store")
ALL = (LAN, CLIENTS, MUTUAL, STORE)

BLOCK = """\
portal-group "ansible:lan" {
    discovery-auth-group "no-access"
    discovery-filter "none"
    listen "192.0.2.10:3260"
    listen "[2001:db8::1]"
}
auth-group "ansible:clients" {
    chap "u" "ssssssssssss"
    chap "v" "tttttttttttt"
    initiator-name "iqn.2026-01.org.example:a"
    initiator-portal "192.0.2.0/24"
}
auth-group "ansible:mutual" {
    chap-mutual "u" "ssssssssssss" "target" "mmmmmmmmmmmm"
}
lun "ansible:tank/vm/d" {
    path "/dev/zvol/tank/vm/d"
    blocksize 512
    serial "00ff"
    device-id "00ff"
    option "naa" "0x6589cfc"
}
target "iqn.2026-01.org.example:store" {
    alias "a store"
    auth-group "ansible:clients"
    portal-group "ansible:lan"
    lun 0 "ansible:tank/vm/d"
    lun 7 "ansible:tank/vm/d"
}
# END freebsd.storage ansible
""".replace("    ", "\t")


PLACE = owner_place("/s", "ansible")
NOW = Draft(ADMIN)


def drawn(entries: Sequence[Entry], now: Draft = NOW) -> Drawn:
    return draw(grammar_of(ucl=False), now, PLACE, entries)


def test_each_section_is_written_in_the_order_in_which_ctld_wants_it() -> None:
    assert drawn([STORE, MUTUAL, CLIENTS, LAN]).draft.main.endswith(BLOCK)


def test_what_was_named_is_read_again_whatever_else_the_block_holds() -> None:
    assert remember.recalled(drawn([export(), *ALL]).draft.part(PLACE)) == {each.key: each for each in ALL}


def test_the_text_does_not_depend_on_the_order_of_what_was_named() -> None:
    assert drawn(ALL) == drawn(ALL[::-1])


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"kind": "lun"}',
        '{"kind": "portal_group", "name": "x"}',
        '{"kind": "auth_group", "name": "x", "chap": [{"secret": "hidden"}], "initiators": [], "networks": []}',
        '{"kind": "portal_group", "name": "x", "listen": [1], "discovery_auth_group": "", "discovery_filter": ""}',
    ],
)
def test_a_line_that_cannot_be_read_stops_the_run_and_is_not_quoted(line: str) -> None:
    with pytest.raises(HostError) as caught:
        remember.recalled(f"{remember.MARK}{line}\n")
    assert caught.value.code == "degraded"
    assert "hidden" not in caught.value.msg


def test_a_secret_that_cannot_be_written_is_not_told() -> None:
    bad = MUTUAL._replace(chap=(Chap("u", 'hidden"secret'),))
    left_out = drawn([bad]).left_out
    assert left_out.keys() == {bad.key}
    assert "hidden" not in left_out[bad.key]


def test_the_targets_of_others_are_found_in_either_grammar() -> None:
    classic = 'target iqn.2026-01.org.example:a {\n}\ntarget "iqn.2026-01.org.example:b" {\n}\n'
    ucl = '"target": {"iqn.2026-01.org.example:c": {}}\ntarget { iqn.2026-01.org.example:d { } }\n'
    assert {name[-1] for name in parse.targets_named(classic + ucl)} == set("abcd")


def refuse(word: str) -> Trial:
    return lambda draft: [f"{word} is wrong"] if word in draft.main else []


def test_a_new_version_that_is_refused_stays_what_it_was_and_what_relies_on_it_stays_too() -> None:
    before = drawn(ALL).draft
    changed = CLIENTS._replace(networks=("192.0.2.99/99",))
    entries: Sequence[Entry] = [LAN, changed, MUTUAL, STORE]
    trial = refuse("192.0.2.99/99")
    choice = choose(before, partial(drawn, now=before), entries, frozenset({changed.key}), trial, [CLIENTS])
    assert choice.refused == {changed.key: "192.0.2.99/99 is wrong"}
    assert not choice.left_out
    assert choice.draft == before


def kernel(*ports: Port, luns: Sequence[Lun] = ()) -> Kernel:
    return Kernel(Daemon(900), ports, tuple(luns))


PORT = Port(3, "iscsi", True, STORE.name, {0: 4, 7: 4}, (), "ansible:lan")
LUN = Lun(4, DISK.name, DISK.path, 2048, 512, DISK.serial, DISK.device_id)


def test_a_target_is_met_at_every_one_of_its_portal_groups_with_every_lun() -> None:
    both = STORE._replace(portal_groups=("ansible:lan", "san"))
    assert check.unmet(ALL, kernel(PORT, luns=[LUN])) == {}
    assert "san" in check.unmet([both], kernel(PORT, luns=[LUN]))[STORE.key]
    assert check.unmet([both], kernel(PORT, PORT._replace(id=4, portal_group="san"), luns=[LUN])) == {}
    assert "san" in check.unmet([STORE], kernel(PORT, PORT._replace(portal_group="san"), luns=[LUN]))[STORE.key]
    assert "no LUN 7" in check.unmet([STORE], kernel(PORT._replace(luns={0: 4}), luns=[LUN]))[STORE.key]
    assert (
        "still has LUN 9"
        in check.unmet([STORE], kernel(PORT._replace(luns={**PORT.luns, 9: 4}), luns=[LUN]))[STORE.key]
    )
