# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a module concludes from what the program says, and from its silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import wire
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.model import Daemon, Kernel, Lun, Port
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.privileged import PROGRAM, PrivilegedCtl
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.seam import Comparison, Settled, Wanted
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed, Dialogue
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

HELLO = {"protocol": wire.PROTOCOL}
PARENTS = frozenset({"tank/csi"})
NOTHING = Wanted("demo", (), frozenset(), frozenset(), frozenset(), frozenset())
MINE, OTHERS = "iqn.1994-09.org.freebsd.csi:demo." + "a" * 32, "iqn.1994-09.org.freebsd.csi:demo2." + "b" * 32
KERNEL = Kernel(
    Daemon(900, "/etc/ctl.conf"),
    (
        Port(0, "camsim", True, "", {}, ()),
        Port(3, "iscsi", True, MINE, {0: 7}, ("iqn.x,i,0x1",), "csi"),
        Port(4, "iscsi", True, OTHERS, {0: 8}, ("iqn.y,i,0x1",), "csi"),
    ),
    (
        Lun(7, "demo:" + "c" * 32, "/dev/zvol/tank/csi/a", 2048, 512, "c" * 16, "c" * 32),
        Lun(8, "demo2:" + "d" * 32, "/dev/zvol/tank/other/b", 2048, 512, "d" * 16, "d" * 32),
    ),
)


class Said:
    """A program that says these lines, and then nothing."""

    def __init__(self, *lines: object, end: Optional[Completed] = None) -> None:
        self.lines = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.heard: list[Any] = []
        self.ended = 0
        self._end = end or Completed((), 0, "", "")

    def say(self, line: str) -> None:
        self.heard.append(json.loads(line))

    def hear(self) -> Optional[str]:
        return self.lines.pop(0) if self.lines else None

    def end(self) -> Completed:
        self.ended += 1
        return self._end


class Starting:
    """Starts that program, and nothing else."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.argv: list[str] = []

    def converse(self, argv: Sequence[str]) -> Dialogue:
        self.argv = list(argv)
        return self.said

    def remaining(self) -> float:
        return 30.0


def ctl(said: Said) -> PrivilegedCtl:
    return PrivilegedCtl("sudo", "demo", Starting(said))  # type: ignore[arg-type]


def error_of(said: Said, *, change: bool = False) -> HostError:
    with pytest.raises(HostError) as caught:
        ctl(said).converge(NOTHING, KERNEL) if change else ctl(said).observe()
    return caught.value


def test_one_program_serves_a_whole_run() -> None:
    settled = Settled({}, {"t": "why"}, {}, {}, {}, frozenset({"m"}), ("v",), 1, {"l": "small"})
    compared = Comparison(frozenset({"u"}), True, {"t": "no port"}, {"g": "still there"})
    kernel = wire.told_kernel(KERNEL, "demo", PARENTS)
    said = Said(HELLO, kernel, wire.told_comparison(compared), wire.told_settled(settled))
    starting = Starting(said)
    layer = PrivilegedCtl("doas", "demo", starting)  # type: ignore[arg-type]
    seen = layer.observe()
    assert layer.compare(NOTHING, seen) == compared
    assert layer.converge(NOTHING, seen) == settled
    layer.close()
    layer.close()
    assert starting.argv == ["doas", "-n", PROGRAM]
    assert [each["do"] for each in said.heard] == ["observe", "compare", "converge"]
    assert said.ended == 1


def test_of_what_others_have_the_number_alone_is_told() -> None:
    told = json.dumps(wire.told_kernel(KERNEL, "demo", PARENTS))
    assert "demo2" not in told
    assert "other/b" not in told
    seen = wire.heard_kernel(json.loads(told))
    assert seen.daemon.pid == 900
    assert [port for port in seen.ports if port.target] == [KERNEL.ports[1]]
    assert [lun for lun in seen.luns if lun.name] == [KERNEL.luns[0]]
    assert (len(seen.ports), len(seen.luns)) == (3, 2)
    assert seen.luns[1].path == ""


def test_that_others_export_a_volume_of_ones_own_is_told() -> None:
    stranger = KERNEL.luns[1]._replace(path="/dev/zvol/tank/csi/c")
    told = json.dumps(wire.told_kernel(KERNEL._replace(luns=(*KERNEL.luns, stranger)), "demo", PARENTS))
    assert "demo2" not in told
    assert [lun.path for lun in wire.heard_kernel(json.loads(told)).luns] == [KERNEL.luns[0].path, stranger.path, ""]


@pytest.mark.parametrize("greeting", [{"protocol": 0}, {"protocol": wire.PROTOCOL + 1}, {}])
def test_another_protocol_is_refused_before_anything_is_said(greeting: object) -> None:
    said = Said(greeting)
    error = error_of(said, change=True)
    assert error.code == "unsupported"
    assert "storage_host" in error.msg
    assert said.heard == []


def test_where_sudo_refuses_the_role_is_named() -> None:
    error = error_of(Said(end=Completed((), 1, "", "sudo: a password is required\n")))
    assert (error.code, error.option) == ("unsupported", "privilege")
    assert "a password is required" in error.msg
    assert "storage_host" in error.msg


def test_a_program_that_is_not_ready_in_time_has_done_nothing() -> None:
    assert error_of(Said(end=Completed((), -1, "", "", late=True)), change=True).code == "busy"


def test_silence_about_a_look_and_about_a_change_differ() -> None:
    assert error_of(Said(HELLO)).code == "degraded"
    assert error_of(Said(HELLO), change=True).code == "uncertain"


def test_its_errors_come_through() -> None:
    denied = {"error": {"code": "denied", "msg": "no", "option": "owner"}}
    assert error_of(Said(HELLO, denied)).code == "denied"
    assert error_of(Said({**HELLO, **denied})).option == "owner"


@pytest.mark.parametrize("line", ["", "[]", "Password:"])
def test_what_is_no_object_is_not_taken_for_an_answer(line: str) -> None:
    assert error_of(Said(line)).code == "degraded"


def test_what_people_name_needs_root() -> None:
    with pytest.raises(HostError, match="as root"):
        ctl(Said()).section("demo", KERNEL)


def test_the_form_of_what_is_told_belongs_to_the_protocol() -> None:
    """Whoever changes this has to raise PROTOCOL: programs that are installed understand this one."""
    assert wire.PROTOCOL == 3
    assert sorted(wire.told_wanted(NOTHING)) == [
        *("additions", "chap", "complete", "confirm", "exports", "gone", "gone_luns", "sizes"),
    ]
    assert Settled._fields == (
        *("refused", "failed", "unconfirmed", "lingering", "left_out", "mended", "vanished", "reloads", "small"),
    )
    assert sorted(wire.told_kernel(KERNEL, "demo", PARENTS)) == [
        *("luns", "max_luns", "max_ports", "other_luns", "other_paths", "other_ports", "pid", "ports", "proven", "ucl"),
    ]
