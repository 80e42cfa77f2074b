"""What the modules return becomes domain values, or an error that says no more than is known."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.orchestrator import results
from csi_driver.storage.ids import VolumeId
from csi_driver.storage.model import AccessMode, Capacity

UUID = "9f" * 16
PUBLICATION: dict[str, Any] = {
    "volume": UUID,
    "node": "node-1@192.0.2.21#00000000",
    "mode": "single_node_writer",
    "readonly": False,
    "protocol": "iscsi",
    "target": "iqn.x",
    "lun": 0,
    "chap": "none",
}
VOLUME: dict[str, Any] = {
    "uuid": UUID,
    "name": "pvc-1",
    "size_bytes": 1 << 30,
    "attributes": {"fsType": "ext4"},
    "publications": [PUBLICATION],
}


def test_a_volume_is_read_with_its_publications() -> None:
    """The id carries the host it was read from."""
    volume = results.volume("nas1", VOLUME)
    assert (volume.id, volume.name, volume.size_bytes) == (VolumeId("nas1", UUID), "pvc-1", 1 << 30)
    assert volume.publications[0].mode is AccessMode.SINGLE_NODE_WRITER


def test_items_are_found_by_their_keys() -> None:
    """Each operation gets its own result."""
    found = results.outcomes({"results": [{"key": "a", "volume": VOLUME}, {"key": "b", "volume": None}]})
    assert set(found) == {"a", "b"}


def test_an_error_keeps_its_code_message_and_option() -> None:
    """The host knows best what is wrong."""
    error = {"code": "out_of_space", "msg": "tank is full", "option": "required_bytes"}
    with pytest.raises(DriverError, match="tank is full") as caught:
        results.check({"key": "a", "error": error})
    assert (caught.value.code, caught.value.option) == (ErrorCode.OUT_OF_SPACE, "required_bytes")


@pytest.mark.parametrize(
    "result",
    [
        {"failed": True, "msg": "MODULE FAILURE"},
        {"error": {"code": "gremlins", "msg": "?"}},
        {"failed": True},
    ],
)
def test_a_failure_that_is_not_understood_is_uncertain(result: dict[str, Any]) -> None:
    """Nobody may conclude that nothing was done."""
    with pytest.raises(DriverError) as caught:
        results.check(result)
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize("missing", list(VOLUME))
def test_a_volume_that_lacks_something_is_uncertain(missing: str) -> None:
    """A result of another shape says nothing about the host."""
    with pytest.raises(DriverError) as caught:
        results.volume("nas1", {name: value for name, value in VOLUME.items() if name != missing})
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize("missing", [name for name in PUBLICATION if name != "volume"])
def test_a_publication_that_lacks_something_is_uncertain(missing: str) -> None:
    """Likewise."""
    with pytest.raises(DriverError) as caught:
        results.publication({name: value for name, value in PUBLICATION.items() if name != missing})
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uuid", "../etc"),
        ("uuid", 7),
        ("name", ["pvc-1"]),
        ("size_bytes", "1073741824"),
        ("size_bytes", -1),
        ("size_bytes", True),
        ("size_bytes", float("inf")),
        ("attributes", []),
        ("attributes", {"fsType": 4}),
        ("publications", {}),
        ("publications", [None]),
    ],
)
def test_a_volume_of_another_shape_is_uncertain(field: str, value: Any) -> None:
    """Nothing is converted or guessed, and never is it 'not found'."""
    with pytest.raises(DriverError) as caught:
        results.volume("nas1", VOLUME | {field: value})
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node", None),
        ("mode", "any"),
        ("readonly", "false"),
        ("protocol", "nfs3"),
        ("target", None),
        ("lun", "0"),
        ("lun", float("inf")),
    ],
)
def test_a_publication_of_another_shape_is_uncertain(field: str, value: Any) -> None:
    """A node must not be told to attach what nobody understood."""
    with pytest.raises(DriverError) as caught:
        results.publication(PUBLICATION | {field: value})
    assert caught.value.code is ErrorCode.UNCERTAIN


def test_an_item_whose_key_is_no_text_is_nobodys() -> None:
    """The others keep theirs."""
    assert set(results.outcomes({"results": [{"key": ["a"]}, {"key": "b"}, "c", None]})) == {"b"}


def test_a_page_ends_where_the_host_says() -> None:
    """The last uuid of a page is where the next one starts; none means there is no more."""
    assert results.volumes("nas1", {"volumes": [VOLUME], "next": UUID}).next_after == VolumeId("nas1", UUID)
    assert results.volumes("nas1", {"volumes": [], "next": None}).next_after is None


@pytest.mark.parametrize("told", [{}, {"next": ""}, {"next": False}, {"next": "x"}, {"next": [UUID]}])
def test_a_page_that_does_not_say_where_the_next_starts_is_not_the_last(told: dict[str, Any]) -> None:
    """What follows would look deleted."""
    with pytest.raises(DriverError) as caught:
        results.volumes("nas1", {"volumes": [VOLUME], **told})
    assert caught.value.code is ErrorCode.UNCERTAIN


def test_a_page_without_volumes_is_not_an_empty_page() -> None:
    """A missing list must not look like deleted volumes."""
    with pytest.raises(DriverError) as caught:
        results.volumes("nas1", {"capacity": {}})
    assert caught.value.code is ErrorCode.UNCERTAIN


def test_capacity_is_two_numbers_of_bytes() -> None:
    """Both must be there."""
    told = {"capacity": {"available_bytes": 5, "maximum_volume_bytes": 3}}
    assert results.capacity(told) == Capacity(available_bytes=5, maximum_volume_bytes=3)
    for odd in ({"available_bytes": 5}, {"available_bytes": "5", "maximum_volume_bytes": 3}, 5, None):
        with pytest.raises(DriverError) as caught:
            results.capacity({"capacity": odd})
        assert caught.value.code is ErrorCode.UNCERTAIN
