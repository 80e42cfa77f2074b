"""The inventory reaches the hosts it names and nobody else, and no string in it is a template."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from csi_driver.orchestrator.inventory import render
from tests.unit.storage.test_placement import config


class Loader(yaml.SafeLoader):
    """Reads Ansible's tag for strings that are no templates, and remembers it."""


class Unsafe(str):
    """A string that was tagged."""

    __slots__ = ()


Loader.add_constructor("!unsafe", lambda loader, node: Unsafe(loader.construct_scalar(node)))


def variables(name: str = "a") -> dict[str, Any]:
    """The variables of a host in a rendered inventory."""
    document = yaml.load(render(config(a="tank/csi", b="dozer/csi")), Loader=Loader)  # noqa: S506 - a SafeLoader
    found: dict[str, Any] = document["storage_hosts"]["hosts"][name]
    return found


def test_every_configured_host_is_in_the_group() -> None:
    """Each with its own parent."""
    assert variables("a")["storage_parent"] == "tank/csi"
    assert variables("b")["storage_parent"] == "dozer/csi"


def test_only_the_configured_host_key_is_believed() -> None:
    """No file of known hosts is read, and a changed key ends the connection."""
    options = shlex.split(variables()["ansible_ssh_common_args"])
    assert options[::2] == ["-o"] * (len(options) // 2)
    given = dict(option.split("=", 1) for option in options[1::2])
    assert given["KnownHostsCommand"] == f"/bin/echo a {config(a='tank/csi').hosts['a'].host_key}"
    assert given["HostKeyAlias"] == "a"
    assert given["StrictHostKeyChecking"] == "yes"
    assert given["UserKnownHostsFile"] == given["GlobalKnownHostsFile"] == "none"
    assert given["BatchMode"] == "yes"


def test_no_string_from_the_configuration_is_a_template() -> None:
    """What an administrator wrote is data to Ansible."""
    texts = {name: value for name, value in variables().items() if isinstance(value, str)}
    plain = {name for name, value in texts.items() if not isinstance(value, Unsafe)}
    assert plain == {"ansible_connection", "storage_privilege"}
