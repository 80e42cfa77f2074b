"""Bad input gets the code the specification asks for, says what to do, and changes nothing on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

MIB = 1 << 20
NODE = "node-1@127.0.0.1#00000000"

ODD_NAMES = [
    "a/b",
    "a@b",
    "a b",
    "it's",
    'say "hi"',
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "..",
    "two\nlines",
    "tab\there",
    "storage 💾",
    "x" * 128,
    "-rf",
    "{{ lookup('pipe', 'touch /tmp/csi-was-templated') }}",
    "{% set x = 1 %}",
    "{# comment #}",
    "%2F",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_but_legal_name_makes_a_volume_that_is_found_again(cluster: Cluster, name: str) -> None:
    """Whatever Unicode the specification allows is a name; asking again finds the same volume."""
    first = cluster.create(name, MIB)
    assert cluster.create(name, MIB).volume_id == first.volume_id
    cluster.delete(first.volume_id)


def test_two_odd_names_never_share_a_volume(cluster: Cluster) -> None:
    """Names that look alike once made safe are still two volumes."""
    one, two = cluster.create("a/b", MIB), cluster.create("a@b", MIB)
    assert one.volume_id != two.volume_id
    cluster.delete(one.volume_id)
    cluster.delete(two.volume_id)


INVALID = grpc.StatusCode.INVALID_ARGUMENT
RANGE = grpc.StatusCode.OUT_OF_RANGE
MISSING = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
NOBODY = "0" * 32
TEMPLATE = "{{ lookup('pipe','touch /tmp/csi-was-templated') }}"

REFUSED: list[tuple[str, Callable[[Cluster], Any], grpc.StatusCode, str]] = [
    ("name too long", lambda c: c.create("x" * 129, MIB), INVALID, "name"),
    ("control character", lambda c: c.create("a\x07b", MIB), INVALID, "name"),
    ("negative size", lambda c: c.create("n", -1), INVALID, "required_bytes"),
    ("over the limit", lambda c: c.create("n", 2 * MIB, limit_bytes=MIB), INVALID, "limit_bytes"),
    ("huge size", lambda c: c.create("n", (1 << 63) - 1), RANGE, "required_bytes"),
    ("no multiple", lambda c: c.create("n", MIB + 1, limit_bytes=MIB + 2), RANGE, "volblocksize"),
    ("unknown key", lambda c: c.create("n", MIB, parameters={"compresion": "lz4"}), INVALID, "compresion"),
    ("bad value", lambda c: c.create("n", MIB, parameters={"sync": "no"}), INVALID, "sync"),
    ("template", lambda c: c.create("n", MIB, parameters={"sync": TEMPLATE}), INVALID, "sync"),
    ("unknown mutable", lambda c: c.create("n", MIB, mutable={"snyc": "always"}), INVALID, "snyc"),
    ("immutable", lambda c: c.create("n", MIB, mutable={"volblocksize": "512"}), INVALID, "cannot be changed later"),
    ("mutable template", lambda c: c.create("n", MIB, mutable={"sync": TEMPLATE}), INVALID, "sync"),
    ("modify to what is not", lambda c: c.modify(f"nas1:{NOBODY}", sync="always", snyc="x"), INVALID, "snyc"),
    ("modify the immutable", lambda c: c.modify(f"nas1:{NOBODY}", fsType="xfs"), INVALID, "cannot be changed later"),
    ("modify nothing", lambda c: c.modify(f"nas1:{NOBODY}"), MISSING, "volume"),
    ("modify elsewhere", lambda c: c.modify(f"nas9:{NOBODY}"), PRECONDITION, "nas9"),
    ("group of nothing", lambda c: c.create_group_snapshot("n", []), INVALID, "source_volume_ids"),
    (
        "group of one twice",
        lambda c: c.create_group_snapshot("n", ["nas1:1", "nas1:1"]),
        INVALID,
        "source_volume_ids[1]",
    ),
    ("group name too long", lambda c: c.create_group_snapshot("x" * 129, ["nas1:1"]), INVALID, "name"),
    ("group of a malformed volume", lambda c: c.create_group_snapshot("n", ["nonsense"]), MISSING, "volume"),
    ("group of a foreign volume", lambda c: c.create_group_snapshot(TEMPLATE, [f"nas1:{NOBODY}"]), MISSING, "volume"),
    ("group elsewhere", lambda c: c.create_group_snapshot("n", [f"nas9:{NOBODY}"]), PRECONDITION, "nas9"),
    ("malformed group", lambda c: c.get_group_snapshot("nonsense"), MISSING, "group snapshot"),
    ("foreign group", lambda c: c.get_group_snapshot(f"nas1:{NOBODY}", [TEMPLATE]), MISSING, "group snapshot"),
    ("delete group elsewhere", lambda c: c.delete_group_snapshot(f"nas9:{NOBODY}"), PRECONDITION, "nas9"),
    ("malformed volume", lambda c: c.attach("nonsense", c.node_id()), MISSING, "volume"),
    ("foreign volume", lambda c: c.attach(f"nas1:{NOBODY}", c.node_id()), MISSING, "volume"),
    ("publish elsewhere", lambda c: c.attach(f"nas9:{NOBODY}", c.node_id()), PRECONDITION, "nas9"),
    ("delete elsewhere", lambda c: c.delete(f"nas9:{NOBODY}"), PRECONDITION, "nas9"),
]


@pytest.mark.parametrize(("call", "code", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_input_is_refused_and_changes_nothing(
    cluster: Cluster, stack: Stack, call: Callable[[Cluster], Any], code: grpc.StatusCode, says: str
) -> None:
    """The code is the specification's, the message names what is wrong, the host is as before."""
    before = stack.host_state()
    with pytest.raises(grpc.RpcError) as caught:
        call(cluster)
    assert caught.value.code() is code, caught.value.details()
    assert says in caught.value.details()
    assert stack.host_state() == before


@pytest.mark.parametrize("node", ["", "nonsense", NODE, "{{ 1 }}@127.0.0.1#00000000", "x" * 300])
def test_a_malformed_node_is_not_found_or_missing(cluster: Cluster, node: str) -> None:
    """A node id that does not parse names no node."""
    volume = cluster.create("for-a-node", MIB)
    with pytest.raises(grpc.RpcError) as caught:
        cluster.attach(volume.volume_id, node)
    expected = {"": grpc.StatusCode.INVALID_ARGUMENT, "x" * 300: grpc.StatusCode.INVALID_ARGUMENT}
    assert caught.value.code() is expected.get(node, grpc.StatusCode.NOT_FOUND), caught.value.details()
    cluster.delete(volume.volume_id)


@pytest.mark.parametrize("volume_id", ["nonsense", "", "nas1:", f"nas1:{'0' * 32}", "a:b:c", "nas1:../../etc"])
def test_deleting_what_is_not_there_succeeds(cluster: Cluster, volume_id: str) -> None:
    """DeleteVolume of an unknown or malformed id is a success; of none at all, an error."""
    if volume_id:
        cluster.delete(volume_id)
        return
    with pytest.raises(grpc.RpcError) as caught:
        cluster.delete(volume_id)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
