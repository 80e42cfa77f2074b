"""Several hosts in one configuration: what each may be beside the others."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver import app, cli
from csi_driver.config import ConfigError, Environment, parse
from tests.unit.storage.test_placement import configured, host

ZONE = "topology.csi.freebsd.org/zone"


def problem(document: dict[str, Any]) -> str:
    """The one problem of a configuration."""
    with pytest.raises(ConfigError) as caught:
        parse(document)
    (told,) = caught.value.problems
    return told


def document(*, node: dict[str, Any] | None = None, **hosts: dict[str, Any]) -> dict[str, Any]:
    """A configuration with these settings of hosts."""
    entries = {name: host(name, **settings) for name, settings in hosts.items()}
    return {"cluster": "demo", "storage_hosts": {"hosts": entries}, "node": node or {}}


def machine(**settings: Any) -> dict[str, Any]:
    """The settings of another entry for the machine of host a."""
    twin = host("a")
    return {"ansible_host": twin["ansible_host"], "host_key": twin["host_key"], "parent": "dozer/csi"} | settings


def test_a_retired_host_is_known_and_not_in_service() -> None:
    """Its ids are told from those of strangers."""
    config = configured({"a": {"retired": True}, "b": {"drained": True}})
    assert sorted(config.hosts) == ["a", "b"]
    assert sorted(config.hosts_in_service) == ["b"]


def test_two_parents_on_one_machine_need_two_owners() -> None:
    """Their sections of ctl.conf would overwrite each other."""
    assert "owner" in problem(document(a={}, b=machine()))
    config = parse(document(a={}, b=machine(owner="demo-fast")))
    assert (config.owner_on("a"), config.owner_on("b")) == ("demo", "demo-fast")
    assert "owner" in problem(document(a={}, b=machine(owner="demo")))


@pytest.mark.parametrize("own", [{"ansible_host": "other.example.com"}, {"host_key": host("b")["host_key"]}])
def test_a_machine_is_known_by_its_address_or_its_key(own: dict[str, Any]) -> None:
    """It may have several names."""
    assert "same machine as a" in problem(document(a={}, b=machine(**own)))
    parse(document(a={}, b=machine(ansible_port=2222, host_key=host("b")["host_key"])))


def test_entries_for_one_machine_share_its_lock_and_nothing_else() -> None:
    """The lock is in settings_dir; each works below a parent of its own."""
    assert "settings_dir" in problem(document(a={}, b=machine(owner="x", settings_dir="/etc/other")))
    for parent in ("tank/csi", "tank/csi/below"):
        assert "below" in problem(document(a={}, b=machine(owner="x", parent=parent)))
    parse(document(a={}, b=machine(owner="x", parent="tank/csi2")))


def test_an_entry_that_is_retired_is_in_nobodys_way() -> None:
    """Its machine may have got another."""
    parse(document(a={"retired": True}, b=machine()))


@pytest.mark.parametrize("owner", ["ansible", "Demo", "", "a" * 33])
def test_an_owner_is_named_like_a_cluster(owner: str) -> None:
    """It becomes the same part of the same names."""
    assert problem(document(a={"owner": owner})).startswith("storage_hosts.hosts.a.owner: ")


@pytest.mark.parametrize(
    "topology",
    [
        {"a b": "x"},
        {ZONE: ""},
        {ZONE: "x" * 64},
        {"x/y/z": "a"},
        {"-x/zone": "a"},
        {"zone": "a", "ZONE": "a"},
        {ZONE: "-"},
    ],
)
def test_segments_are_what_orchestrators_take_for_such(topology: dict[str, str]) -> None:
    """CSI's rules for the keys and values of a topology."""
    assert problem(document(a={"topology": topology})).startswith("storage_hosts.hosts.a.topology: ")
    assert problem(document(node={"topology": topology})).startswith("node.topology: ")


def test_all_keys_have_one_prefix() -> None:
    """CSI: one plugin, one prefix."""
    assert "prefix" in problem(document(a={"topology": {"x/zone": "a"}}, node={"topology": {"y/zone": "a"}}))


def environment(**variables: str) -> Environment:
    """What a pod gives."""
    return Environment.read({"NODE_NAME": "n", **variables})


def test_a_node_tells_the_segments_that_hosts_have_and_no_others() -> None:
    """The variable counts before the file, which may be that of all nodes."""
    config = parse(document(a={"topology": {ZONE: "a"}}, node={"topology": {ZONE: "b", f"{ZONE}2": "c"}}))
    assert app._place(config, environment()) == {ZONE: "b"}
    assert app._place(config, environment(NODE_TOPOLOGY=f"{ZONE}=c,{ZONE}3=d")) == {ZONE: "c"}
    assert app._place(configured({"a": {}}), environment(NODE_TOPOLOGY=f"{ZONE}=c")) == {}


def test_a_node_that_does_not_know_where_it_is_does_not_start() -> None:
    """Kubernetes would never place a pod there, without a word."""
    with pytest.raises(ConfigError, match="NODE_TOPOLOGY"):
        app._place(configured({"a": {"topology": {ZONE: "a"}}}), environment())


@pytest.mark.parametrize("text", ["zone", "=a", f"{ZONE}=a b"])
def test_a_variable_that_is_no_topology_is_refused(text: str) -> None:
    """By its name."""
    with pytest.raises(ConfigError, match="NODE_TOPOLOGY: "):
        environment(NODE_TOPOLOGY=text)


def test_check_config_tells_what_was_understood_of_each_host(capsys: pytest.CaptureFixture[str]) -> None:
    """Owner, place, and whether it is in use."""
    cli._check(
        configured({"a": {"drained": True, "topology": {ZONE: "a"}}, "b": {"retired": True}, "c": {"owner": "demo-c"}})
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("storage host ")]
    assert lines[0].endswith(f"reached from {ZONE}=a, drained: no new volumes")
    assert lines[1].endswith("retired: asked for nothing")
    assert lines[2].endswith("owner demo-c")
