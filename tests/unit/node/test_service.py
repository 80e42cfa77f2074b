"""What holds for every call, before any device is touched."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.node.linux import linux_node, source_addresses
from csi_driver.node.locks import VolumeLocks
from csi_driver.node.model import IscsiAttachment, PublishRequest, StageRequest
from csi_driver.node.records import StageRecord, stage_path
from csi_driver.node.service import NodeService
from csi_driver.storage.ids import NodeId
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess

MODE = AccessMode.SINGLE_NODE_WRITER


@pytest.fixture
def node() -> NodeService:
    return linux_node(cluster="demo", name="node-1", addresses=["192.0.2.21"], max_volumes=7)


def stage_request(path: str, access: MountAccess | BlockAccess | None = None) -> StageRequest:
    return StageRequest(
        volume_id="nas1:x",
        staging_path=path,
        access=access or MountAccess("ext4"),
        mode=MODE,
        attachment=IscsiAttachment(portals=("192.0.2.10:3260",), target="iqn.t", lun=0, serial="s"),
    )


def refused(code: ErrorCode, call: Callable[[], object]) -> DriverError:
    with pytest.raises(DriverError) as caught:
        call()
    assert caught.value.code == code, caught.value.message
    return caught.value


def test_the_node_says_who_it_is(node: NodeService) -> None:
    """The id names the node and its addresses; the limit is the configured one."""
    info = node.info()
    assert info.node_id == NodeId("node-1", ("192.0.2.21",))
    assert info.max_volumes == 7


@pytest.mark.parametrize("path", ["", "/", "some/path", "/a/../b", "/a\0b"])
def test_paths_that_are_not_absolute_are_refused_and_named(node: NodeService, path: str) -> None:
    """As arguments of every call that changes something."""
    publication = PublishRequest(
        volume_id="nas1:x", staging_path="/s", target_path=path, access=BlockAccess(), mode=MODE
    )
    code = ErrorCode.INVALID
    assert refused(code, lambda: node.stage(stage_request(path))).option == "staging_target_path"
    assert refused(code, lambda: node.unstage("nas1:x", path)).option == "staging_target_path"
    assert refused(code, lambda: node.publish(publication)).option == "target_path"
    assert refused(code, lambda: node.unpublish("nas1:x", path)).option == "target_path"
    refused(ErrorCode.NOT_FOUND, lambda: node.stats("nas1:x", path))


@pytest.mark.parametrize(
    ("access", "option"),
    [
        (MountAccess("vfat"), "fs_type"),
        (MountAccess("ext4", ("",)), "mount_flags"),
        (MountAccess("ext4", ("a\nb",)), "mount_flags"),
    ],
)
def test_what_cannot_be_mounted_is_refused_before_anything_is_attached(
    node: NodeService, tmp_path: Path, access: MountAccess, option: str
) -> None:
    """No record is written either."""
    error = refused(ErrorCode.INVALID, lambda: node.stage(stage_request(str(tmp_path), access)))
    assert error.option == option
    assert not stage_path(str(tmp_path)).exists()


def test_a_staging_path_must_be_there(node: NodeService, tmp_path: Path) -> None:
    """The caller makes it."""
    refused(ErrorCode.DENIED, lambda: node.stage(stage_request(str(tmp_path / "absent"))))


def test_unpublishing_what_never_was_is_success(node: NodeService, tmp_path: Path) -> None:
    """Even if the directories are gone."""
    node.unpublish("fake-vol-id", str(tmp_path / "target"))
    node.unpublish("fake-vol-id", str(tmp_path / "absent" / "deeper" / "target"))


def test_a_second_operation_on_a_volume_is_refused() -> None:
    """Another volume's goes on; afterwards, and after a failure, the lock is free."""
    locks = VolumeLocks()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.hold("a"):
            held.set()
            done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hold)
        assert held.wait(10)
        refused(ErrorCode.BUSY, locks.hold("a").__enter__)
        with locks.hold("b"):
            done.set()
        first.result()
    with pytest.raises(KeyError), locks.hold("a"):
        raise KeyError
    with locks.hold("a"):
        pass


def test_a_stage_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Beside the path, for its owner's eyes only, with nothing half-written left."""
    request = stage_request(str(tmp_path / "staging"), MountAccess("xfs", ("noatime",)))
    record = StageRecord.of(request)
    record.now_formatting(request.staging_path)
    assert StageRecord.read(request.staging_path) == replace(record, formatting=True)
    record.now_complete(request.staging_path)
    assert StageRecord.read(request.staging_path) == replace(record, complete=True)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"version": 2})])
def test_a_record_that_is_not_understood_stops_the_work(node: NodeService, tmp_path: Path, content: str) -> None:
    """It is not overwritten: it may be a later version's."""
    staging = tmp_path / "staging"
    staging.mkdir()
    path = stage_path(str(staging))
    path.write_text(content)
    refused(ErrorCode.DEGRADED, lambda: node.stage(stage_request(str(staging))))
    refused(ErrorCode.DEGRADED, lambda: node.unstage("nas1:x", str(staging)))
    assert path.read_text() == content


def test_the_record_of_another_volume_is_not_undone(node: NodeService, tmp_path: Path) -> None:
    """The caller has mixed something up."""
    request = stage_request(str(tmp_path / "staging"))
    StageRecord.of(request).write(request.staging_path)
    refused(ErrorCode.DENIED, lambda: node.unstage("nas1:y", request.staging_path))
    assert StageRecord.read(request.staging_path) is not None


def test_the_source_addresses_are_those_that_reach_the_portals() -> None:
    """Each once, in the order of the portals; without a route there is an error."""
    assert source_addresses(["127.0.0.1:3260", "127.0.0.1:3261"]) == ("127.0.0.1",)
    if socket.has_ipv6:
        assert source_addresses(["[::1]:3260", "127.0.0.1:3260"]) == ("::1", "127.0.0.1")
    refused(ErrorCode.DEGRADED, lambda: source_addresses([]))
