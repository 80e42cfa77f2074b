"""Two parents on one machine: two entries, one lock, and neither takes away what the other exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.test_concurrency import at_once
from tests.harness.client import Cluster
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

MIB = 1 << 20
FAST = "tank/fast"


@pytest.fixture
def cluster() -> Iterator[tuple[Stack, Cluster]]:
    """A host with a second parent, which has an entry of its own."""
    stack = Stack()
    with stack.running_host():
        assert stack.host.run("zfs", "create", FAST)["rc"] == 0
        register(stack)
        stack.write_config()
        hosts = yaml.safe_load(stack.config.read_text())["storage_hosts"]["hosts"]
        hosts["nas1-fast"] = {**hosts["nas1"], "parent": FAST, "owner": "demo-fast"}
        stack.settings = {"storage_hosts": {"hosts": hosts}}
        stack.start_drivers()
        with stack.controller.channel() as channel:
            yield stack, Cluster(channel, channel, stack.directory / "kubelet")
        assert leftovers(stack) == []
        assert [name for name in stack.host_state()["datasets"] if name.startswith(f"{FAST}/")] == []


def register(stack: Stack) -> None:
    """Do what the role does for a second parent."""
    registry = Path(stack.host.info["settings_dir"], "parents.json")
    guid = stack.host.run("zfs", "get", "-Hp", "-o", "value", "guid", FAST)["out"].strip()
    registry.write_text(json.dumps({**json.loads(registry.read_text()), FAST: guid}))


def test_what_one_parent_exports_stays_when_the_other_changes(cluster: tuple[Stack, Cluster]) -> None:
    """At once, too: runs for the two take turns."""
    stack, client = cluster
    node = client.node_id()
    volumes = [
        client.create(f"{host}-{number}", MIB, parameters={"host": host})
        for host in ("nas1", "nas1-fast")
        for number in range(3)
    ]
    parents = {name.rpartition("/")[0] for name in stack.host_state()["datasets"] if "-" in name}
    assert parents == {"tank/csi", FAST}
    contexts = at_once(lambda volume: client.attach(volume.volume_id, node), volumes)
    targets = {context["target"] for context in contexts if isinstance(context, dict)}
    assert len(targets) == len(volumes)
    text = stack.ctl_conf.read_text()
    assert all(f'target "{target}"' in text for target in targets)
    assert "# BEGIN freebsd.storage demo\n" in text
    assert "# BEGIN freebsd.storage demo-fast\n" in text
    client.detach(volumes[0].volume_id, node)
    left = {context["target"] for context in contexts[1:] if isinstance(context, dict)}
    assert all(f'target "{target}"' in stack.ctl_conf.read_text() for target in left)
    at_once(lambda volume: client.detach(volume.volume_id, node), volumes)
    assert sorted(volume.volume_id for volume in client.volumes()) == sorted(volume.volume_id for volume in volumes)
    at_once(lambda volume: client.delete(volume.volume_id), volumes)
