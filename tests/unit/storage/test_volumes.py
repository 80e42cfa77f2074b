"""The rules of CSI that are decided before a storage host is asked."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import AccessMode, Capacity, FromSnapshot, FromVolume, NewVolume
from tests.unit.storage.answers import NODE, UUIDS, Answers, service

BESIDE = [FromSnapshot(f"a:{UUIDS[1]}"), FromVolume(f"a:{UUIDS[1]}")]


def test_a_volume_is_asked_for_on_one_host_always_the_same() -> None:
    """A retry goes where the first try went, and the other host is asked whether it has the volume."""
    answers = Answers()
    for _ in range(3):
        service(answers).create(NewVolume(name="n", required_bytes=1), deadline=0)
    assert sorted(set(answers.calls)) == [("create", "a", "n"), ("find", "b", "n")]


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
    wanted = NewVolume(name="n", parameters=parameters, required_bytes=required, limit_bytes=limit)
    with pytest.raises(DriverError) as caught:
        service(answers).create(wanted, deadline=0)
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
    with pytest.raises(DriverError, match="there is no volume"):
        service(answers).expand(volume_id, 1, 0, deadline=0)


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
        lambda it: it.expand(f"z:{UUIDS[0]}", 1, 0, deadline=0),
        lambda it: it.create(NewVolume(name="n", source=FromVolume(f"z:{UUIDS[0]}")), deadline=0),
        lambda it: it.create(NewVolume(name="n", source=FromSnapshot(f"z:{UUIDS[0]}")), deadline=0),
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
        assert not limit or len(page.items) <= limit
        found += [str(volume.id) for volume in page.items]
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


@pytest.mark.parametrize("source", BESIDE, ids=["snapshot", "volume"])
@pytest.mark.parametrize("host", ["a", "b"])
def test_a_copy_lies_beside_its_source(source: FromSnapshot | FromVolume, host: str) -> None:
    """Whatever its name, and whichever host the name would choose without a source."""
    placed = type(source)(f"{host}:{UUIDS[1]}")
    for name in ("n", "m", "o", "p"):
        answers = Answers()
        service(answers).create(NewVolume(name=name, source=placed), deadline=0)
        assert answers.calls == [("create", host, name)]
        assert str(answers.sources[0]) == f"{host}:{UUIDS[1]}"


@pytest.mark.parametrize("source", BESIDE, ids=["snapshot", "volume"])
@pytest.mark.parametrize("parameters", [{"host": "b"}, {"pool": "dozer"}], ids=["host", "pool"])
def test_a_class_that_sends_a_copy_elsewhere_is_refused(
    source: FromSnapshot | FromVolume, parameters: dict[str, str]
) -> None:
    """The message says where the source lies; no host is asked."""
    answers = Answers()
    with pytest.raises(DriverError, match="lies on the storage host a") as caught:
        service(answers).create(NewVolume(name="n", parameters=parameters, source=source), deadline=0)
    assert caught.value.code is ErrorCode.INVALID
    assert answers.calls == []


@pytest.mark.parametrize("source", [FromSnapshot("non-existing-snapshot-id"), FromVolume("a:../etc")])
def test_a_source_that_cannot_be_is_not_found(source: FromSnapshot | FromVolume) -> None:
    """Its id has not the form of one."""
    with pytest.raises(DriverError, match="there is no") as caught:
        service(Answers()).create(NewVolume(name="n", source=source), deadline=0)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(("required", "limit"), [(16385, 16896), (512, 513), (0, 512)])
def test_the_block_size_of_a_copy_is_its_sources(required: int, limit: int) -> None:
    """Only the host knows it, so the class's does not make a range impossible; nor does it when a volume grows."""
    answers = Answers()
    wanted = NewVolume(name="n", required_bytes=required, limit_bytes=limit, source=BESIDE[0])
    service(answers).create(wanted, deadline=0)
    service(answers).expand(f"a:{UUIDS[0]}", required, limit, deadline=0)
    assert answers.calls == [("create", "a", "n"), ("expand", f"a:{UUIDS[0]}", required, limit)]


@pytest.mark.parametrize(("required", "limit"), [((1 << 63) - 1, 0), (1, 511)])
def test_growth_to_an_impossible_size_is_out_of_range(required: int, limit: int) -> None:
    """Before anyone is asked."""
    answers = Answers()
    with pytest.raises(DriverError) as caught:
        service(answers).expand(f"a:{UUIDS[0]}", required, limit, deadline=0)
    assert caught.value.code is ErrorCode.OUT_OF_RANGE
    assert answers.calls == []
