"""The configuration is read strictly, and what is wrong with it is told with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from csi_driver.config import ConfigError, Environment, load, parse, warnings
from tests.unit.storage.test_placement import KEY


def document(**changes: Any) -> dict[str, Any]:
    """A good configuration with one host, of which some settings are changed."""
    host = {
        "ansible_host": "192.0.2.10",
        "ansible_user": "csi",
        "ansible_ssh_private_key_file": "/etc/csi/key",
        "host_key": KEY,
        "parent": "tank/csi",
        "portals": ["192.0.2.10:3260"],
    }
    return {"cluster": "demo", "storage_hosts": {"hosts": {"nas1": host | changes}}}


def problems(given: object) -> str:
    """What is wrong with a configuration."""
    with pytest.raises(ConfigError) as caught:
        parse(given)
    return "\n".join(caught.value.problems)


def test_what_is_not_given_has_a_default_that_works_on_freebsd() -> None:
    """Port, interpreter, settings, portal group, privilege."""
    host = parse(document()).hosts["nas1"]
    assert (host.ansible_port, host.privilege, host.portal_group, host.pool) == (22, "none", "csi", "tank")
    assert host.settings_dir == "/usr/local/etc/freebsd-storage"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ansible_host", "-oProxyCommand=reboot"),
        ("ansible_host", "a b"),
        ("ansible_port", 0),
        ("ansible_port", 65536),
        ("ansible_user", "-l"),
        ("ansible_user", "root; reboot"),
        ("ansible_ssh_private_key_file", "key"),
        ("ansible_ssh_private_key_file", "/etc/../key"),
        ("host_key", "ssh-ed25519"),
        ("host_key", "ssh-ed25519 not-base64!"),
        ("host_key", f"ssh-rsa {KEY.split()[1]}"),
        ("privilege", "become"),
        ("parent", "tank"),
        ("parent", "/tank/csi"),
        ("parent", "tank/csi@snap"),
        ("parent", "tank/-r"),
        ("settings_dir", "etc"),
        ("portal_group", 'csi" {'),
        ("portals", []),
        ("portals", ["192.0.2.10"]),
        ("portals", ["0.0.0.0:3260"]),
        ("portals", ["2001:db8::1:3260x"]),
        ("portals", ["example.com:3260"]),
        ("nonsense", 1),
    ],
)
def test_a_bad_setting_of_a_host_is_named_by_its_path(field: str, value: object) -> None:
    """So that it is found at once."""
    assert f"storage_hosts.hosts.nas1.{field}" in problems(document(**{field: value}))


@pytest.mark.parametrize("portal", ["192.0.2.10:3260", "[2001:db8::10]:3260"])
def test_portals_are_addresses_with_ports(portal: str) -> None:
    """IPv6 in brackets."""
    assert parse(document(portals=[portal])).hosts["nas1"].portals == (portal,)


@pytest.mark.parametrize("cluster", ["", "Demo", "a" * 33, "-a", "a_b", "ansible", "portal-group", "a.b", 7])
def test_a_cluster_name_is_short_and_plain_and_not_the_one_of_people(cluster: object) -> None:
    """It becomes a part of names everywhere."""
    assert problems(document() | {"cluster": cluster}).startswith("cluster: ")


@pytest.mark.parametrize("name", ["NAS1", "a b", "a" * 64, "-a", "a:b", 7])
def test_a_host_name_can_be_a_part_of_volume_ids(name: object) -> None:
    """Volume ids carry it."""
    hosts = document()["storage_hosts"]["hosts"]
    assert "cannot name a storage host" in problems({"cluster": "a", "storage_hosts": {"hosts": {name: hosts["nas1"]}}})


def test_all_problems_are_told_at_once() -> None:
    """Not one at a time."""
    told = problems(document(parent="tank", privilege="root") | {"cluster": "A", "extra": 1})
    assert len(told.splitlines()) == 4


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """YAML would silently take the last one."""
    path = tmp_path / "config.yml"
    path.write_text("cluster: a\ncluster: b\n")
    with pytest.raises(ConfigError, match="twice"):
        load(path)


@pytest.mark.parametrize("text", ["", "- a\n", "cluster: [\n", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """With a word on how it starts, or where the YAML ends."""
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Together with the option that names it."""
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "config.yml")


def test_a_key_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """So ssh would refuse it."""
    key = tmp_path / "key"
    key.write_text("secret")
    key.chmod(0o644)
    assert "chmod 600" in warnings(parse(document(ansible_ssh_private_key_file=str(key))))[0]
    key.chmod(0o600)
    assert warnings(parse(document(ansible_ssh_private_key_file=str(key)))) == ()


def test_the_pod_speaks_through_the_environment() -> None:
    """And an empty variable is as good as none."""
    environment = Environment.read({"CSI_ENDPOINT": "unix:///csi/csi.sock", "NODE_NAME": "n", "CSI_DRIVER_CONFIG": ""})
    assert (environment.endpoint, environment.node_name) == ("unix:///csi/csi.sock", "n")
    assert environment.config_path == Path("/etc/csi-driver/config.yml")


@pytest.mark.parametrize("listen", ["0.0.0.0:9809", "127.0.0.1:1", "[::]:65535"])
def test_metrics_are_served_where_the_configuration_says(listen: str) -> None:
    """By default nowhere."""
    assert parse({"cluster": "demo"}).metrics.listen is None
    assert parse({"cluster": "demo", "metrics": {"listen": listen}}).metrics.listen == listen


@pytest.mark.parametrize(
    "listen", ["9809", ":9809", "localhost:9809", "::1:9809", "[127.0.0.1]:1", "1.2.3.4:0", "x:y", ""]
)
def test_metrics_cannot_be_served_just_anywhere(listen: str) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=r"metrics\.listen"):
        parse({"cluster": "demo", "metrics": {"listen": listen}})
