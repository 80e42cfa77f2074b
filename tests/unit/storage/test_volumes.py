"""The rules of CSI that are decided before a storage host is asked."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import NodeId, VolumeId
from csi_driver.storage.model import AccessMode, Capacity, Page, Protocol, Publication, Volume
from csi_driver.storage.volumes import VolumeService
from tests.unit.storage.test_placement import config

NODE = str(NodeId("node-1", ("192.0.2.21",)))
UUIDS = [f"{number:032x}" for number in range(9)]


class Answers:
    """A backend that keeps canned volumes per host and notes what it was asked."""

    def __init__(self, volumes: dict[str, list[str]] | None = None, *, down: tuple[str, ...] = ()) -> None:
        self.volumes = volumes or {}
        self.down = down
        self.calls: list[tuple[Any, ...]] = []

    def create_volume(self, host: str, request: Any, *, deadline: float) -> Volume:
        self.calls.append(("create", host, request.name))
        return volume(host, UUIDS[0])

    def delete_volume(self, volume: VolumeId, *, deadline: float) -> None:
        self.calls.append(("delete", str(volume)))

    def publish(self, volume: VolumeId, request: Any, *, deadline: float) -> Publication:
        self.calls.append(("publish", str(volume), str(request.node), request.readonly))
        return Publication(
            node=NODE, mode=request.mode, readonly=request.readonly, protocol=Protocol.ISCSI, target="iqn.x", lun=0
        )

    def unpublish(self, volume: VolumeId, node: str | None, *, deadline: float) -> None:
        self.calls.append(("unpublish", str(volume), node))

    def get_volume(self, volume: VolumeId, *, deadline: float) -> Volume:
        raise DriverError(ErrorCode.NOT_FOUND, f"there is no volume {volume}")

    def list_volumes(self, host: str, *, after: str | None, limit: int, deadline: float) -> Page:
        if host in self.down:
            raise DriverError(ErrorCode.DEGRADED, f"{host} is down")
        rest = [uuid for uuid in self.volumes.get(host, []) if after is None or uuid > after]
        shown = rest[:limit] if limit else rest
        more = len(shown) < len(rest)
        return Page(
            volumes=tuple(volume(host, uuid) for uuid in shown), next_after=VolumeId(host, shown[-1]) if more else None
        )

    def capacity(self, host: str, *, deadline: float) -> Capacity:
        if host in self.down:
            raise DriverError(ErrorCode.DEGRADED, f"{host} is down")
        return Capacity(available_bytes=100, maximum_volume_bytes=60)


def volume(host: str, uuid: str) -> Volume:
    """A volume as a backend returns it."""
    return Volume(id=VolumeId(host, uuid), name="n", size_bytes=1 << 30, attributes={})


def service(answers: Answers, **parents: str) -> VolumeService:
    """The service before two hosts with canned answers."""
    return VolumeService(config(**(parents or {"a": "tank/csi", "b": "dozer/csi"})), answers)


def test_a_volume_is_asked_for_on_one_host_always_the_same() -> None:
    """A retry goes where the first try went."""
    answers = Answers()
    for _ in range(3):
        service(answers).create("n", {}, 1, 0, (), deadline=0)
    assert len(set(answers.calls)) == 1


@pytest.mark.parametrize(
    ("required", "limit", "parameters"),
    [
        (16385, 16386, {}),
        (0, 511, {"volblocksize": "512"}),
        ((1 << 63) - 1, 0, {}),
        (1, 4096, {}),
    ],
)
def test_a_size_that_no_whole_block_fits_is_out_of_range_before_anyone_is_asked(
    required: int, limit: int, parameters: dict[str, str]
) -> None:
    """The range holds no multiple of volblocksize, or more than a volume can have."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        service(answers).create("n", parameters, required, limit, (), deadline=0)
    assert caught.value.code is ErrorCode.OUT_OF_RANGE
    assert answers.calls == []


@pytest.mark.parametrize("volume_id", ["", "nonsense", "a:", f"A:{UUIDS[0]}", f"a:{UUIDS[0]}0", "a:../etc"])
def test_an_id_that_names_no_volume_is_gone_already(volume_id: str) -> None:
    """Delete and unpublish succeed; get and publish do not find it."""
    answers = Answers()
    service(answers).delete(volume_id, deadline=0)
    service(answers).unpublish(volume_id, NODE, deadline=0)
    assert answers.calls == []
    with pytest.raises(DriverError, match="there is no volume"):
        service(answers).get(volume_id, deadline=0)


def test_a_node_nobody_could_name_is_still_asked_about_when_its_export_is_to_end() -> None:
    """Unpublishing fences, so the volume's host has to say that nothing is exported under that name."""
    answers = Answers()
    service(answers).unpublish(f"a:{UUIDS[0]}", "fake-node-id", deadline=0)
    assert answers.calls == [("unpublish", f"a:{UUIDS[0]}", "fake-node-id")]


def test_a_volume_on_a_host_that_is_not_configured_is_not_taken_for_gone() -> None:
    """Every call says which host is missing."""
    calls = [
        lambda it: it.delete(f"z:{UUIDS[0]}", deadline=0),
        lambda it: it.unpublish(f"z:{UUIDS[0]}", NODE, deadline=0),
        lambda it: it.get(f"z:{UUIDS[0]}", deadline=0),
        lambda it: it.publish(f"z:{UUIDS[0]}", NODE, AccessMode.SINGLE_NODE_WRITER, readonly=False, deadline=0),
    ]
    for call in calls:
        with pytest.raises(DriverError, match="storage host z") as caught:
            call(service(Answers()))
        assert caught.value.code is ErrorCode.HOST_RETIRED


def test_publishing_tells_the_node_where_and_what_to_look_for() -> None:
    """Portals come from the configuration, the serial from the volume's uuid."""
    context = service(Answers()).publish(
        f"a:{UUIDS[1]}", NODE, AccessMode.SINGLE_NODE_WRITER, readonly=False, deadline=0
    )
    assert context == {
        "protocol": "iscsi",
        "portals": "192.0.2.10:3260",
        "target": "iqn.x",
        "lun": "0",
        "serial": UUIDS[1][:16],
    }


def test_a_mode_for_readers_exports_read_only() -> None:
    """Who only reads gets a LUN that cannot be written."""
    answers = Answers()
    service(answers).publish(f"a:{UUIDS[1]}", NODE, AccessMode.MULTI_NODE_READER_ONLY, readonly=False, deadline=0)
    assert answers.calls == [("publish", f"a:{UUIDS[1]}", NODE, True)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 0])
def test_pages_put_together_are_the_whole_list_in_order(limit: int) -> None:
    """Whatever the size of a page, each volume comes exactly once."""
    it = service(Answers({"a": UUIDS[:4], "b": UUIDS[4:7]}))
    found: list[str] = []
    token = ""
    while True:
        page = it.list(token, limit, deadline=0)
        assert not limit or len(page.volumes) <= limit
        found += [str(volume.id) for volume in page.volumes]
        token = page.next_token
        if not token:
            break
    assert found == [f"a:{uuid}" for uuid in UUIDS[:4]] + [f"b:{uuid}" for uuid in UUIDS[4:7]]


def test_a_list_is_never_a_part_of_the_truth() -> None:
    """A host that cannot be asked fails the whole."""
    with pytest.raises(DriverError, match="b is down"):
        service(Answers({"a": UUIDS[:1]}, down=("b",))).list("", 0, deadline=0)


@pytest.mark.parametrize("token", ["invalid-token", f"z:{UUIDS[0]}"])
def test_a_token_of_somebody_else_is_stale(token: str) -> None:
    """The caller has to start again."""
    with pytest.raises(DriverError) as caught:
        service(Answers()).list(token, 0, deadline=0)
    assert caught.value.code is ErrorCode.STALE_TOKEN


def test_room_adds_up_over_hosts_and_a_host_that_is_down_has_none() -> None:
    """Only when no host answers is it an error."""
    assert service(Answers()).capacity({}, deadline=0) == Capacity(available_bytes=200, maximum_volume_bytes=60)
    assert service(Answers(down=("b",))).capacity({}, deadline=0).available_bytes == 100
    with pytest.raises(DriverError, match="a is down"):
        service(Answers(down=("a", "b"))).capacity({}, deadline=0)
