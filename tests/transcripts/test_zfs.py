"""
Every recorded transcript of zfs, replayed on the simulated host.

Recorded sizes and ids are examples. Where OpenZFS's source contradicts a transcript, the source wins, and the
correction stands below with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.commands import load_all
from tests.simulator.dispatch import execute
from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Result
from tests.unit.simulator_ctl import transcript
from tests.unit.simulator_ctl.transcript import Step

GIB = 1 << 30
FIRST, LAST = 1, 29
ENTRIES = [f"T{number:02d}" for number in range(FIRST, LAST + 1)]

# zfs_do_set returns what zfs_prop_set_list returned, and that is -1 after every error (zfs_main.c, set_callback, 2.2
# and 2.4), so the shell sees 255.
SET_FAILED = {f"T{number}" for number in (13, 14, 15, 16)}
# holds_callback adds the snapshot to the list even when it has no holds, so the list is not empty (zfs_main.c).
NOT_SAID = {("T25", "err")}

USAGE_FOLLOWS = re.compile(r"\(usage text.*\)$")


class Host:
    """A machine on which the pools and datasets exist that an entry takes for granted."""

    def __init__(self, root: Path, release: str) -> None:
        load_all()
        self.machine = Machine(root, release, {"tank": 100 * GIB, "other": GIB})
        self.run("zfs create tank/csi")

    def run(self, command: str, user: str = "root") -> Result:
        return execute(self.machine, Call(tuple(command.split()), user=user))

    def must(self, *commands: str) -> None:
        for command in commands:
            result = self.run(command)
            assert result.rc == 0, result.err

    def volume(self, name: str = "tank/csi/pvc-1", size: str = "10G", options: str = "") -> None:
        self.must(f"zfs create -s -V {size} {options} {name}")


def nothing(_: Host) -> None:
    pass


def one_volume(host: Host) -> None:
    host.volume()


def two_volumes(host: Host) -> None:
    host.volume()
    host.volume("tank/csi/pvc-2", "20G")


def owned_volume(host: Host) -> None:
    host.must("zfs set csi:owner=cluster-a tank/csi")
    host.volume(options="-o csi:id=pvc-1")


def quota_in_use(host: Host) -> None:
    host.must("zfs create tank/csi/nfs-1")
    host.must("zfs create -V 1G tank/csi/nfs-1/used")


def snapshot_of_first(host: Host) -> None:
    host.volume()
    host.must("zfs snapshot tank/csi/pvc-1@s1")


def three_volumes(host: Host) -> None:
    two_volumes(host)
    host.volume("tank/csi/pvc-3")


def two_snapshots(host: Host) -> None:
    snapshot_of_first(host)
    host.must("zfs snapshot tank/csi/pvc-1@g1")


def clone(host: Host) -> None:
    two_snapshots(host)
    host.must("zfs clone tank/csi/pvc-1@s1 tank/csi/pvc-9")


def exported(host: Host) -> None:
    two_volumes(host)
    host.machine.storage.open_volume("/dev/zvol/tank/csi/pvc-2", "ctl")


def second_volume_with(*snapshots: str) -> Callable[[Host], None]:
    def make(host: Host) -> None:
        two_volumes(host)
        for name in snapshots:
            host.must(f"zfs snapshot tank/csi/pvc-2@{name}")

    return make


def written_snapshot(host: Host) -> None:
    two_volumes(host)
    with host.machine.storage.node("tank/csi/pvc-2").open("r+b") as volume:
        volume.write(b"a" * (1 << 20))
    host.must("zfs snapshot tank/csi/pvc-2@s2")
    with host.machine.storage.node("tank/csi/pvc-2").open("r+b") as volume:
        volume.write(b"b" * (1 << 20))


def clone_and_second(host: Host) -> None:
    clone(host)
    host.volume("tank/csi/pvc-2", "20G")


def busy_filesystem(host: Host) -> None:
    host.must("zfs create tank/csi/nfs-1")
    dataset = host.machine.storage.tree.get("tank/csi/nfs-1")
    assert dataset is not None
    host.machine.storage.hold_open(dataset, "shell")


SETUP: dict[str, Callable[[Host], None]] = {
    "T02": one_volume,
    "T08": two_volumes,
    "T10": one_volume,
    "T11": owned_volume,
    "T12": one_volume,
    "T13": one_volume,
    "T14": one_volume,
    "T15": quota_in_use,
    "T16": one_volume,
    "T17": one_volume,
    "T18": three_volumes,
    "T19": snapshot_of_first,
    "T20": two_snapshots,
    "T21": clone,
    "T22": exported,
    "T23": two_volumes,
    "T24": second_volume_with("h1"),
    "T25": second_volume_with("free"),
    "T26": written_snapshot,
    "T27": clone_and_second,
    "T28": second_volume_with("s1", "s2"),
    "T29": busy_filesystem,
}


def release_of(entry: str, step: int) -> str:
    """Which release an answer was recorded on, where it matters."""
    return "15.0" if entry == "T12" or (entry == "T24" and step < 3) else "14.3"


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_simulated_zfs_answers_as_recorded(entry: str, tmp_path: Path) -> None:
    for release in sorted({release_of(entry, number) for number in range(len(transcript.steps(entry)))}):
        host = Host(tmp_path / release, release)
        SETUP.get(entry, nothing)(host)
        for number, step in enumerate(transcript.steps(entry)):
            if release_of(entry, number) == release or entry == "T24":
                replay(host, entry, step, compared=release_of(entry, number) == release)


def test_t30_channel_programs_return_nothing_or_a_string_and_only_to_root(tmp_path: Path) -> None:
    """T30; the words in angle brackets stand for a program."""
    host = Host(tmp_path, "14.3")
    nothing_returned, string_returned, refused = transcript.steps("T30")
    script = tmp_path / "p.lua"
    script.write_text("-- nothing\n")
    assert host.run(f"zfs program tank {script}").out == nothing_returned.text("out")
    script.write_text('return "ok"\n')
    assert host.run(f"zfs program -j tank {script}").out == string_returned.text("out")
    result = host.run(f"zfs program tank {script}", user="someone")
    assert (result.rc, result.err) == (refused.rc, refused.text("err"))


def test_t31_an_interrupted_receive_says_how_to_resume(tmp_path: Path) -> None:
    """T31; the token is an example."""
    host = Host(tmp_path, "14.3")
    received, token_shown = transcript.steps("T31")
    host.volume()
    host.must("zfs snapshot tank/csi/pvc-1@s1")
    stream, cut = tmp_path / "stream", tmp_path / "cut"
    with stream.open("wb") as sink:
        execute(host.machine, Call(("zfs", "send", "tank/csi/pvc-1@s1"), stdout=sink.fileno()))
    cut.write_bytes(stream.read_bytes()[:-1])
    with cut.open("rb") as source:
        result = execute(host.machine, Call(("zfs", "receive", "-s", "tank/csi/copy"), stdin=source.fileno()))
    shown = host.run(" ".join(token_shown.argv)).out
    recorded = token_shown.text("out")
    assert recorded is not None
    expected = received.text("err")
    assert expected is not None
    assert shown.startswith("1-")
    assert (result.rc, result.err) == (received.rc, expected.replace(recorded.strip(), shown.strip()))


def replay(host: Host, entry: str, step: Step, *, compared: bool) -> None:
    result = host.run(" ".join(step.argv), user="root" if step.root else "someone")
    if not compared:
        return
    for name, said in (("out", result.out), ("err", result.err)):
        expected = "" if (entry, name) in NOT_SAID else step.text(name)
        if expected is not None:
            agree(said, expected)
    if "rc" in step.fields:
        assert result.rc == (255 if entry in SET_FAILED and step.rc == 1 else step.rc)


def agree(said: str, expected: str) -> None:
    if expected.startswith("{"):
        assert shape_of_json(said) == shape_of_json(expected)
        return
    wanted, got = expected.splitlines(), said.splitlines()
    left_out = next((number for number, line in enumerate(wanted) if USAGE_FOLLOWS.match(line)), None)
    if left_out is not None:
        assert "usage:" in got
        wanted, got = wanted[:left_out], got[:left_out]
    assert [masked(line) for line in got] == [masked(line) for line in wanted]


def masked(line: str) -> str:
    """GUIDs and times are examples; everything else is literal."""
    return re.sub(r"\b\d{10}$|\b\d{17,20}\b", "N", line.rstrip())


def shape_of_json(text: str) -> object:
    return without_txg(json.loads(text))


def without_txg(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_txg(inner) for name, inner in value.items() if name != "createtxg"}
    return value
