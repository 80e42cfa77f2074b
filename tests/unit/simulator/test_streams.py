from __future__ import annotations

import os
from pathlib import Path

from tests.unit.simulator.box import GIB, MIB, Box


def sent(box: Box, tmp_path: Path) -> Path:
    """A volume with three MiB of data and a stream of its snapshot."""
    box.must("zfs create -s -V 1G -o csi:id=v tank/csi/v")
    box.write("tank/csi/v", os.urandom(3 * MIB), offset=100 * MIB)
    box.must("zfs snapshot tank/csi/v@s")
    stream = tmp_path / "stream"
    assert box.run("zfs send tank/csi/v@s", stdout=stream).rc == 0
    return stream


def same_content(box: Box, one: str, other: str) -> bool:
    return box.read(one, 3 * MIB, 100 * MIB) == box.read(other, 3 * MIB, 100 * MIB)


def test_a_received_copy_has_content_size_and_the_snapshots_guid(box: Box, tmp_path: Path) -> None:
    stream = sent(box, tmp_path)
    assert box.run("zfs receive -o csi:id=copy tank/csi/copy", stdin=stream).rc == 0
    assert same_content(box, "tank/csi/v", "tank/csi/copy")
    assert box.number("tank/csi/copy", "volsize") == GIB
    assert box.value("tank/csi/copy@s", "guid") == box.value("tank/csi/v@s", "guid")
    assert box.must("zfs get -H -o value,source csi:id tank/csi/copy") == "copy\tlocal\n"


def test_properties_in_the_stream_arrive_as_received(box: Box, tmp_path: Path) -> None:
    sent(box, tmp_path)
    stream = tmp_path / "with-properties"
    assert box.run("zfs send -p tank/csi/v@s", stdout=stream).rc == 0
    assert box.run("zfs receive tank/csi/copy", stdin=stream).rc == 0
    assert box.must("zfs get -H -o value,source csi:id tank/csi/copy") == "v\treceived\n"


def test_an_interrupted_receive_is_undone_or_resumed(box: Box, tmp_path: Path) -> None:
    stream = sent(box, tmp_path)
    cut = tmp_path / "cut"
    cut.write_bytes(stream.read_bytes()[: 2 * MIB])
    result = box.run("zfs receive tank/csi/copy", stdin=cut)
    assert (result.rc, result.err) == (1, "cannot receive new filesystem stream: incomplete stream\n")
    assert box.run("zfs list tank/csi/copy").rc == 1
    result = box.run("zfs receive -s tank/csi/copy", stdin=cut)
    token = box.value("tank/csi/copy", "receive_resume_token")
    assert result.err.endswith(f"    zfs send -t {token}\n")
    assert not box.device("tank/csi/copy").exists()
    rest = tmp_path / "rest"
    assert box.run(f"zfs send -t {token}", stdout=rest).rc == 0
    assert rest.stat().st_size < stream.stat().st_size
    assert box.run("zfs receive -s tank/csi/copy", stdin=rest).rc == 0
    assert same_content(box, "tank/csi/v", "tank/csi/copy")
    assert box.value("tank/csi/copy", "receive_resume_token") == "-"


def test_resumable_state_outlives_a_reboot_and_can_be_discarded(box: Box, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(sent(box, tmp_path).read_bytes()[:MIB])
    box.run("zfs receive -s tank/csi/copy", stdin=cut)
    box.machine.reboot()
    assert box.again().value("tank/csi/copy", "receive_resume_token").startswith("1-")
    box.must("zfs receive -A tank/csi/copy")
    assert box.run("zfs list tank/csi/copy").rc == 1


def test_a_corrupt_token_is_refused(box: Box) -> None:
    assert box.refused("zfs send -t 1-2-3-zz").startswith("cannot resume send: resume token is corrupt (")


def test_an_incremental_stream_needs_its_source_unmodified_at_the_other_end(box: Box, tmp_path: Path) -> None:
    stream = sent(box, tmp_path)
    box.run("zfs receive tank/csi/copy", stdin=stream)
    box.write("tank/csi/v", b"changed", offset=100 * MIB)
    box.must("zfs snapshot tank/csi/v@t")
    more = tmp_path / "more"
    assert box.run("zfs send -i @s tank/csi/v@t", stdout=more).rc == 0
    box.write("tank/csi/copy", b"x")
    assert "has been modified" in box.run("zfs receive tank/csi/copy", stdin=more).err
    box.must("zfs rollback tank/csi/copy@s")
    assert box.run("zfs receive tank/csi/copy", stdin=more).rc == 0
    assert same_content(box, "tank/csi/v", "tank/csi/copy")
    assert "does not\nmatch incremental source" in box.run("zfs receive tank/csi/copy", stdin=more).err


def test_what_is_no_stream_is_refused(box: Box, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"x" * 4096)
    assert box.run("zfs receive tank/csi/x", stdin=junk).err == "cannot receive: invalid stream (bad magic number)\n"


def test_a_stream_that_does_not_fit_is_out_of_space(small: Box, tmp_path: Path) -> None:
    small.must("zfs create -s -V 1G tank/csi/v")
    small.write("tank/csi/v", os.urandom(70 * MIB))
    small.must("zfs snapshot tank/csi/v@s")
    stream = tmp_path / "stream"
    small.run("zfs send tank/csi/v@s", stdout=stream)
    result = small.run("zfs receive tank/csi/copy", stdin=stream)
    assert result.err == "cannot receive new filesystem stream: out of space\n"
    assert small.run("zfs list tank/csi/copy").rc == 1
