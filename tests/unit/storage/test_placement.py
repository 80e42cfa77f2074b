"""Where a new volume goes."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_driver.config import Config, parse
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import Topology
from csi_driver.storage.parameters import parse as parameters
from csi_driver.storage.placement import PASSED_ON, eligible, next_host, ranked, reachable

Terms = tuple[dict[str, str], ...]

KEY_TYPE = "ssh-ed25519"
KEY_HEAD = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDLGx3UjOMBb+s1V1FZLZzveye1YGxLyxjNJ52s5Ai2w"


def config(**parents: str) -> Config:
    """A configuration with one host for each parent."""
    return configured({name: {"parent": parent} for name, parent in parents.items()})


def configured(hosts: dict[str, dict[str, Any]]) -> Config:
    """A configuration with these settings of hosts."""
    return parse(
        {"cluster": "demo", "storage_hosts": {"hosts": {name: host(name, **own) for name, own in hosts.items()}}}
    )


def host(name: str, **settings: Any) -> dict[str, Any]:
    """The settings of one host, a machine of its own."""
    return {
        "ansible_host": f"{name}.example.com",
        "ansible_user": "csi",
        "ansible_ssh_private_key_file": "/etc/csi/key",
        "host_key": f"{KEY_TYPE} {base64.b64encode(KEY_HEAD + hashlib.sha256(name.encode()).digest()).decode()}",
        "parent": "tank/csi",
        "portals": ["192.0.2.10:3260"],
        **settings,
    }


def test_every_host_is_eligible_for_a_class_that_names_none() -> None:
    """A silent class leaves the choice to the driver."""
    assert eligible(config(a="tank/csi", b="dozer/csi"), parameters({}, {})) == ("a", "b")


def test_a_class_chooses_by_host_or_by_pool() -> None:
    """Both narrow the choice."""
    hosts = config(a="tank/csi", b="dozer/csi", c="dozer/x")
    assert eligible(hosts, parameters({"host": "b"}, {})) == ("b",)
    assert eligible(hosts, parameters({"pool": "dozer"}, {})) == ("b", "c")


@pytest.mark.parametrize("asked", [{"host": "z"}, {"pool": "z"}, {"host": "a", "pool": "dozer"}])
def test_a_class_that_fits_nowhere_is_told_what_there_is(asked: dict[str, str]) -> None:
    """The message names what is configured."""
    with pytest.raises(DriverError, match="configured are"):
        eligible(config(a="tank/csi", b="dozer/csi"), parameters(asked, {}))


def order(*hosts: str, name: str, cluster: str = "demo") -> tuple[str, ...]:
    """The ranking of hosts that are alike."""
    known = config(**dict.fromkeys(hosts, "tank/csi")).model_copy(update={"cluster": cluster})
    return ranked(known, hosts, name=name)


def test_the_ranking_is_the_same_for_everyone_and_differs_by_name() -> None:
    """Whoever asks for one name gets one order; many names spread over all hosts."""
    assert order("a", "b", "c", name="n") == order("c", "b", "a", name="n")
    assert {order("a", "b", "c", name=str(number))[0] for number in range(50)} == {"a", "b", "c"}
    assert {order("a", "b", "c", name="n", cluster=str(number))[0] for number in range(50)} == {"a", "b", "c"}


def test_a_host_that_leaves_moves_only_its_own_names() -> None:
    """Rendezvous hashing: the order of those that stay does not change."""
    for number in range(50):
        all_three = order("a", "b", "c", name=str(number))
        assert order("a", "b", name=str(number)) == tuple(host for host in all_three if host != "c")


def test_a_retired_host_is_not_eligible_and_a_drained_one_is_asked_still() -> None:
    """The drained one may have the volume already."""
    known = configured({"a": {"retired": True}, "b": {"drained": True}, "c": {}})
    assert eligible(known, parameters({}, {})) == ("b", "c")
    with pytest.raises(DriverError, match="retired") as caught:
        eligible(known, parameters({"host": "a"}, {}))
    assert caught.value.code is ErrorCode.HOST_RETIRED


SEGMENTS = st.dictionaries(st.sampled_from(["x/zone", "x/rack"]), st.sampled_from(["a", "b"]))
TERMS = st.lists(SEGMENTS, max_size=3).map(tuple)
NODES = [{"x/zone": zone, "x/rack": rack} for zone in "ab" for rack in "ab"]


@given(segments=SEGMENTS, terms=TERMS)
def test_a_host_will_do_when_all_nodes_of_some_term_reach_it(segments: dict[str, str], terms: Terms) -> None:
    """A node reaches a host that has no segment which the node has not."""
    reaching = [node for node in NODES if segments.items() <= node.items()]
    meant = [[node for node in NODES if term.items() <= node.items()] for term in terms]
    assert reachable(segments, terms) == (not terms or any(all(n in reaching for n in nodes) for nodes in meant))


@given(places=st.lists(SEGMENTS, min_size=1, max_size=4), requisite=TERMS, preferred=TERMS, name=st.text(max_size=9))
def test_what_is_preferred_orders_what_is_possible(
    places: list[dict[str, str]], requisite: Terms, preferred: Terms, name: str
) -> None:
    """Every possible host is ranked once; none comes before one of an earlier preferred term."""
    known = configured({f"h{number}": {"topology": place} for number, place in enumerate(places)})
    possible = {host for host, entry in known.hosts.items() if reachable(entry.topology, requisite)}
    if not possible:
        with pytest.raises(DriverError) as caught:
            eligible(known, parameters({}, {}), Topology(requisite=requisite))
        assert caught.value.code is ErrorCode.OUT_OF_SPACE
        return
    hosts = eligible(known, parameters({}, {}), Topology(requisite=requisite))
    assert set(hosts) == possible
    ranking = ranked(known, hosts, name=name, preferred=preferred)
    assert sorted(ranking) == sorted(hosts)
    wishes = [
        min((n for n, term in enumerate(preferred) if reachable(known.hosts[host].topology, (term,))), default=9)
        for host in ranking
    ]
    assert wishes == sorted(wishes)


def refusal(code: ErrorCode) -> DriverError:
    """What a host answers."""
    return DriverError(code, f"it is {code}")


FULL = refusal(ErrorCode.OUT_OF_SPACE)


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [({}, "a"), ({"a": FULL}, "b"), ({"a": FULL, "b": refusal(ErrorCode.LIMIT_REACHED)}, "c"), ({"b": FULL}, "a")],
)
def test_the_next_host_is_asked_after_all_better_ones_passed_it_on(
    refusals: dict[str, DriverError], expected: str
) -> None:
    """In the order of the ranking."""
    assert next_host(("a", "b", "c"), refusals) == expected


@pytest.mark.parametrize("code", sorted(set(ErrorCode) - PASSED_ON))
def test_any_other_answer_is_the_callers(code: ErrorCode) -> None:
    """Whether the volume is there, or may be some time, is not known then."""
    with pytest.raises(DriverError) as caught:
        next_host(("a", "b", "c"), {"a": FULL, "b": refusal(code)})
    assert caught.value.code is code


def test_when_all_have_passed_it_on_each_is_told_of() -> None:
    """There is no room anywhere."""
    with pytest.raises(DriverError, match=r"a: it is out_of_space; b: it is limit_reached") as caught:
        next_host(("a", "b"), {"a": FULL, "b": refusal(ErrorCode.LIMIT_REACHED)})
    assert caught.value.code is ErrorCode.OUT_OF_SPACE
