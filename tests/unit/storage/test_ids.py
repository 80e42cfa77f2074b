"""Identities round-trip exactly, and what was not made here names nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import IQN_MAX_BYTES, NODE_ID_MAX_BYTES, NodeId, VolumeId, initiator_name

UUID = "0123456789abcdef" * 2


def test_a_volume_id_holds_the_host_and_fits() -> None:
    """At most 128 bytes, whatever the host is called."""
    volume = VolumeId("a" * 63, UUID)
    assert VolumeId.parse(str(volume)) == volume
    assert len(str(volume)) <= 128


def test_the_serial_is_a_part_of_the_uuid() -> None:
    """SCSI serial numbers have 16 bytes."""
    assert VolumeId("a", UUID).serial == "0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        UUID,
        f"a:{UUID.upper()}",
        f"A:{UUID}",
        f"-a:{UUID}",
        f"a:{UUID}\n",
        f" a:{UUID}",
        f"a:{UUID}:",
        f"a/b:{UUID}",
    ],
)
def test_what_is_no_volume_id_names_no_volume(text: str) -> None:
    """Exact form only."""
    with pytest.raises(DriverError) as caught:
        VolumeId.parse(text)
    assert caught.value.code is ErrorCode.NOT_FOUND


@given(st.text())
def test_no_text_makes_parsing_fail_in_another_way(text: str) -> None:
    """Whatever arrives, it is an id or it is not found."""
    for parse in (VolumeId.parse, NodeId.parse):
        try:
            found = parse(text)
        except DriverError as error:
            found = error.code
        assert found is ErrorCode.NOT_FOUND or str(found) == text


@pytest.mark.parametrize(
    "node", [NodeId("n", ("192.0.2.21",)), NodeId("worker-1.example", ("192.0.2.21", "2001:db8::21"))]
)
def test_a_node_id_round_trips(node: NodeId) -> None:
    """Name and addresses come back as they were."""
    assert NodeId.parse(str(node)) == node


def test_a_node_id_with_one_letter_changed_is_not_found() -> None:
    """The checksum sees every change."""
    text = str(NodeId("worker-1", ("192.0.2.21",)))
    for position, letter in enumerate(text):
        changed = text[:position] + ("0" if letter != "0" else "1") + text[position + 1 :]
        with pytest.raises(DriverError):
            NodeId.parse(changed)


@pytest.mark.parametrize(
    ("name", "addresses", "says"),
    [
        ("", ("192.0.2.1",), "node.name"),
        ("a b", ("192.0.2.1",), "node.name"),
        ("a", (), "node.addresses"),
        ("a", ("example.com",), "example.com"),
        ("a", ("192.0.2.001",), "192.0.2.001"),
        ("a", ("fe80::1%eth0",), "fe80"),
        ("a" * NODE_ID_MAX_BYTES, ("192.0.2.1",), str(NODE_ID_MAX_BYTES)),
    ],
)
def test_a_node_that_cannot_be_named_is_told_what_to_set(name: str, addresses: tuple[str, ...], says: str) -> None:
    """The message names the setting or the value."""
    with pytest.raises(DriverError, match=says) as caught:
        NodeId(name, addresses)
    assert caught.value.code is ErrorCode.INVALID


def test_an_initiator_name_follows_from_cluster_and_node() -> None:
    """Case does not matter to iSCSI."""
    assert initiator_name("demo", "Node-1") == "iqn.1994-09.org.freebsd.csi:demo:node-1"


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_every_node_gets_a_legal_initiator_of_its_own(one: str, other: str) -> None:
    """At most 223 bytes of the letters that RFC 3722 allows; two nodes never share one."""
    first, second = initiator_name("c", one), initiator_name("c", other)
    assert len(first.encode()) <= IQN_MAX_BYTES
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-:")
    if one.lower() != other.lower():
        assert first != second
