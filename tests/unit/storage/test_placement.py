"""Where a new volume goes."""

from __future__ import annotations

import pytest

from csi_driver.config import Config, parse
from csi_driver.errors import DriverError
from csi_driver.storage.parameters import parse as parameters
from csi_driver.storage.placement import eligible, ranked

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDLGx3UjOMBb+s1V1FZLZzveye1YGxLyxjNJ52s5Ai2w"


def config(**parents: str) -> Config:
    """A configuration with one host for each parent."""
    hosts = {
        name: {
            "ansible_host": "192.0.2.10",
            "ansible_user": "csi",
            "ansible_ssh_private_key_file": "/etc/csi/key",
            "host_key": KEY,
            "parent": parent,
            "portals": ["192.0.2.10:3260"],
        }
        for name, parent in parents.items()
    }
    return parse({"cluster": "demo", "storage_hosts": {"hosts": hosts}})


def test_every_host_is_eligible_for_a_class_that_names_none() -> None:
    """A silent class leaves the choice to the driver."""
    assert eligible(config(a="tank/csi", b="dozer/csi"), parameters({}, {})) == ("a", "b")


def test_a_class_chooses_by_host_or_by_pool() -> None:
    """Both narrow the choice."""
    hosts = config(a="tank/csi", b="dozer/csi", c="dozer/x")
    assert eligible(hosts, parameters({"host": "b"}, {})) == ("b",)
    assert eligible(hosts, parameters({"pool": "dozer"}, {})) == ("b", "c")


@pytest.mark.parametrize("given", [{"host": "z"}, {"pool": "z"}, {"host": "a", "pool": "dozer"}])
def test_a_class_that_fits_nowhere_is_told_what_there_is(given: dict[str, str]) -> None:
    """The message names what is configured."""
    with pytest.raises(DriverError, match="configured are"):
        eligible(config(a="tank/csi", b="dozer/csi"), parameters(given, {}))


def test_the_ranking_is_the_same_for_everyone_and_differs_by_name() -> None:
    """Whoever asks for one name gets one order; many names spread over all hosts."""
    hosts = ("a", "b", "c")
    assert ranked(hosts, cluster="x", name="n") == ranked(tuple(reversed(hosts)), cluster="x", name="n")
    firsts = {ranked(hosts, cluster="x", name=str(number))[0] for number in range(50)}
    assert firsts == set(hosts)


def test_a_host_that_leaves_moves_only_its_own_names() -> None:
    """Rendezvous hashing: the order of those that stay does not change."""
    for number in range(50):
        order = ranked(("a", "b", "c"), cluster="x", name=str(number))
        assert ranked(("a", "b"), cluster="x", name=str(number)) == tuple(host for host in order if host != "c")
