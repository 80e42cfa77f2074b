"""A volume is published and reached on every host that can be, whatever its release and the grammar its ctld reads."""

from __future__ import annotations

import pytest

from tests.harness.client import Cluster, capability
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

MIB = 1 << 20


@pytest.mark.parametrize(("release", "grammar"), [("14.3", "ucl"), ("15.0", "classic"), ("15.0", "ucl")])
def test_a_node_reaches_its_volume(release: str, grammar: str) -> None:
    """Published, logged in to, logged out of, and gone; nothing is left on the host."""
    with Stack(release=release, grammar=grammar) as stack:
        with stack.controller.channel() as controller, stack.node.channel() as node:
            cluster = Cluster(controller, node, stack.directory / "kubelet")
            cluster.capability = capability(block=True)
            volume = cluster.create("pvc-1", MIB)
            context = cluster.attach(volume.volume_id, cluster.node_id())
            assert (".include(" in stack.ctl_conf.read_text()) == (grammar == "ucl")
            assert cluster.attach(volume.volume_id, cluster.node_id()) == context
            cluster.stage(volume, context)
            assert context["target"] in {port.get("target") for port in stack.host_state()["ports"]}
            cluster.unstage(volume)
            cluster.detach(volume.volume_id, cluster.node_id())
            cluster.delete(volume.volume_id)
        assert leftovers(stack) == []
