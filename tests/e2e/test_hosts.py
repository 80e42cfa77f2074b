"""Several storage hosts behind one driver: a volume is made once, wherever there is room, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest

from csi_driver.config import load
from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.placement import ranked
from tests.e2e.test_concurrency import at_once
from tests.harness.client import Cluster
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator.host import SimulatedHost

pytestmark = pytest.mark.slow

T = TypeVar("T")

MIB = 1 << 20
GIB = 1 << 30
MANY = 100
NAMES = ("nas1", "nas2", "nas3")
ZONE = "topology.csi.freebsd.org/zone"
ZONES = {"nas1": {"topology": {ZONE: "a"}}, "nas2": {"topology": {ZONE: "b"}}, "nas3": {"topology": {ZONE: "b"}}}
PEERS = "org.freebsd.storage:peers.demo"
THICK = {"thin": "false"}


@pytest.fixture(scope="module")
def three() -> Iterator[Stack]:
    """Three hosts behind one driver."""
    with Stack(hosts=3) as stack:
        yield stack


@pytest.fixture
def stack(three: Stack) -> Iterator[Stack]:
    """The three as they were at first; afterwards no host may hold anything of ours."""
    yield three
    revive(three)
    for host in three.hosts.values():
        host.control("clear-faults")
        forget(host)
    configured(three)
    with three.controller.channel() as controller, three.node.channel() as node:
        client = Cluster(controller, node, three.directory / "kubelet")
        at_once(client.delete, [volume.volume_id for volume in client.volumes()])
    assert leftovers(three) == []


def revive(stack: Stack) -> None:
    """Start the hosts that are down, and the driver anew where one has come back at another port."""
    known = {host.ansible_port for host in load(stack.config).hosts.values()}
    for host in stack.hosts.values():
        with contextlib.suppress(OSError):
            host.control("state")
            continue
        host.start()
    if {host.info["port"] for host in stack.hosts.values()} != known:
        stack.reconfigure()


def forget(host: SimulatedHost) -> None:
    """Give the parent dataset all the room there is, and drop the refusals that are kept on it."""
    parent = host.info["parent"]
    host.run("zfs", "set", "quota=none", parent)
    for name in host.run("zfs", "get", "-H", "-s", "local", "-o", "property", "all", parent)["out"].split():
        if name.startswith("org.freebsd.storage:refused."):
            host.run("zfs", "inherit", name, parent)


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Callable[[], Cluster]]:
    """Makes clients of the driver as it runs now."""
    channels: list[grpc.Channel] = []

    def connect() -> Cluster:
        channels.append(grpc.insecure_channel(stack.controller.endpoint))
        return Cluster(channels[-1], channels[-1], stack.directory / "kubelet")

    yield connect
    for channel in channels:
        channel.close()


def configured(stack: Stack, **host_settings: dict[str, Any]) -> None:
    """Have the driver start anew with these settings of hosts, if they are others than now."""
    node = {"addresses": ["127.0.0.1"]} | ({"topology": {ZONE: "a"}} if "topology" in str(host_settings) else {})
    if (stack.host_settings, stack.settings) != (host_settings, {"node": node}):
        stack.host_settings, stack.settings = host_settings, {"node": node}
        stack.reconfigure()


def name_for(stack: Stack, *ranking: str, prefix: str = "volume") -> str:
    """A name for which the hosts are ranked so, those not named last."""
    config = load(stack.config)
    for number in range(1000):
        name = f"{prefix}-{number}"
        if ranked(config, tuple(config.hosts_in_service), name=name)[: len(ranking)] == ranking:
            return name
    raise AssertionError(f"no name for {ranking}")


def holders(stack: Stack, name: str) -> list[str]:
    """The hosts that have a volume of that name."""
    found = []
    for host_name, host in stack.hosts.items():
        if f"{host.info['parent']}/{name}" in host.control("state")["datasets"]:
            found.append(host_name)
    return found


def full(stack: Stack, *names: str) -> None:
    """Leave hardly any room on these hosts, and room on all others."""
    for name, host in stack.hosts.items():
        parent = host.info["parent"]
        used = int(host.run("zfs", "get", "-Hp", "-o", "value", "used", parent)["out"])
        quota = str(used + 16 * MIB) if name in names else "none"
        assert host.run("zfs", "set", f"quota={quota}", parent)["rc"] == 0


def patiently(call: Callable[[], T]) -> T:
    """Call as Kubernetes does, again and again while the answer is UNAVAILABLE."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """The status with which a call fails, and its message."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details() or ""


def made(client: Cluster, name: str, **options: Any) -> str:
    """Make a volume that is not thin; return the host it is on."""
    return client.create(name, 64 * MIB, parameters=THICK, **options).volume_id.split(":")[0]


def seen_together(stack: Stack, client: Cluster) -> None:
    """Have every host know all others: each makes a volume when all have answered."""
    ids = []
    for host in NAMES:
        while not knows_all(stack, host):
            # Until all have answered in time, there is none.
            with contextlib.suppress(grpc.RpcError):
                ids.append(client.create(name_for(stack, host, prefix=f"first-{len(ids)}"), MIB).volume_id)
    at_once(client.delete, ids)


def knows_all(stack: Stack, name: str) -> bool:
    """Whether the host was seen together with all others."""
    host = stack.hosts[name]
    said = host.run("zfs", "get", "-H", "-o", "value", PEERS, host.info["parent"])
    return set(said["out"].strip().split(",")) == set(NAMES) - {name}


def test_volumes_spread_over_the_hosts_and_a_retry_finds_its_own(stack: Stack, cluster: Callable[[], Cluster]) -> None:
    """The list has them all."""
    client = cluster()
    seen_together(stack, client)
    ids = [client.create(f"spread-{number}", MIB).volume_id for number in range(12)]
    assert {each.split(":")[0] for each in ids} == set(NAMES)
    assert [client.create(f"spread-{number}", MIB).volume_id for number in range(12)] == ids
    assert sorted(volume.volume_id for volume in client.volumes()) == sorted(ids)


def test_a_full_host_passes_a_volume_on(stack: Stack, cluster: Callable[[], Cluster]) -> None:
    """To the next in rank, and so on; without room anywhere there is none, and the message tells of each host."""
    client, name = cluster(), name_for(stack, "nas2", "nas3")
    seen_together(stack, client)
    full(stack, "nas2", "nas3")
    assert made(client, name) == "nas1"
    assert holders(stack, name) == ["nas1"]
    full(stack, *NAMES)
    code, told = refused(lambda: made(client, "nowhere"))
    assert code == "RESOURCE_EXHAUSTED"
    assert all(host in told for host in NAMES)


def test_a_volume_passed_on_stays_where_it_went_when_that_host_dies(
    stack: Stack, cluster: Callable[[], Cluster]
) -> None:
    """Room on the better host is no reason to make it twice, while nobody can tell that it was not made."""
    client, name = cluster(), name_for(stack, "nas2", "nas3")
    seen_together(stack, client)
    full(stack, "nas2")
    stack.hosts["nas3"].control("fault", command="zfs", match=f"/{name}", when="after", action="cut")
    refused(lambda: made(client, name))
    stack.hosts["nas3"].kill()
    full_again = stack.hosts["nas2"].run("zfs", "set", "quota=none", stack.hosts["nas2"].info["parent"])
    assert full_again["rc"] == 0
    assert refused(lambda: made(client, name))[0] == "UNAVAILABLE"
    revive(stack)
    assert patiently(lambda: made(cluster(), name)) == "nas3"
    assert holders(stack, name) == ["nas3"]


def test_a_dead_host_makes_only_those_wait_that_it_ranks_first_for(
    stack: Stack, cluster: Callable[[], Cluster]
) -> None:
    """A hundred at once: each name has one volume or none, on the hosts and in the answers."""
    client = cluster()
    seen_together(stack, client)
    names = [f"many-{number}" for number in range(MANY)]
    first = {name: ranked(load(stack.config), NAMES, name=name)[0] for name in names}
    stack.hosts["nas2"].kill()
    answers = dict(zip(names, at_once(lambda name: client.create(name, MIB), names), strict=True))
    for name, answer in answers.items():
        if first[name] == "nas2":
            assert isinstance(answer, grpc.RpcError), name
            assert answer.code() is grpc.StatusCode.UNAVAILABLE
        else:
            assert isinstance(answer, pb.Volume), (name, answer)
            assert answer.volume_id.startswith(f"{first[name]}:")
    assert refused(client.volumes)[0] == "UNAVAILABLE"
    revive(stack)
    client = cluster()
    again = at_once(lambda name: patiently(lambda: client.create(name, MIB)), names)
    assert [answer for answer in again if isinstance(answer, grpc.RpcError)] == []
    assert {name: holders(stack, name) for name in names} == {name: [first[name]] for name in names}


def test_a_host_that_the_configuration_gains_takes_no_volume_that_exists(
    stack: Stack, cluster: Callable[[], Cluster]
) -> None:
    """Nor one that may exist on a host that cannot be asked, with which the new one was never seen."""
    name = name_for(stack, "nas3", "nas1")
    stack.hosts["nas3"].run("zfs", "inherit", PEERS, stack.hosts["nas3"].info["parent"])
    configured(stack, nas3={"retired": True})
    before = patiently(lambda: cluster().create(name, MIB)).volume_id
    assert before.startswith("nas1:")
    stack.hosts["nas1"].kill()
    configured(stack)
    assert refused(lambda: cluster().create(name, MIB))[0] == "UNAVAILABLE"
    revive(stack)
    assert patiently(lambda: cluster().create(name, MIB)).volume_id == before
    assert holders(stack, name) == ["nas1"]


def test_a_drained_host_gets_no_new_volumes_and_all_else_works(stack: Stack, cluster: Callable[[], Cluster]) -> None:
    """A retry still finds what it has, and its volumes grow and go."""
    old, new = name_for(stack, "nas1"), name_for(stack, "nas1", "nas2", prefix="new")
    seen_together(stack, cluster())
    volume = cluster().create(old, MIB)
    assert volume.volume_id.startswith("nas1:")
    configured(stack, nas1={"drained": True})
    client = cluster()
    assert client.create(old, MIB).volume_id == volume.volume_id
    assert patiently(lambda: client.create(new, MIB)).volume_id.startswith("nas2:")
    code, told = refused(lambda: client.create("only-there", MIB, parameters={"host": "nas1"}))
    assert (code, "drained" in told) == ("RESOURCE_EXHAUSTED", True)
    assert client.expand(volume.volume_id, 2 * MIB).capacity_bytes == 2 * MIB
    client.delete(volume.volume_id)
    assert holders(stack, old) == []


def test_a_retired_host_is_gone_and_nobody_waits_for_it(stack: Stack, cluster: Callable[[], Cluster]) -> None:
    """Its ids are refused by name, lists go on without it, and its names are placed anew."""
    name = name_for(stack, "nas1", "nas2")
    seen_together(stack, cluster())
    lost = cluster().create(name, MIB).volume_id
    stack.hosts["nas1"].kill()
    configured(stack, nas1={"retired": True})
    client = cluster()
    code, told = refused(lambda: client.delete(lost))
    assert (code, "nas1" in told) == ("FAILED_PRECONDITION", True)
    assert client.volumes() == []
    assert patiently(lambda: client.create(name, MIB)).volume_id.startswith("nas2:")


def test_topology_decides_where_a_volume_lies(stack: Stack, cluster: Callable[[], Cluster]) -> None:
    """Node, volumes and room are told with it; what no host can satisfy is refused, and costs nothing."""
    configured(stack, **ZONES)
    client = cluster()
    assert client.node.NodeGetInfo(pb.NodeGetInfoRequest()).accessible_topology.segments == {ZONE: "a"}
    volume = client.create("in-a", MIB, topology=needed("a"))
    assert volume.volume_id.startswith("nas1:")
    assert [dict(term.segments) for term in volume.accessible_topology] == [{ZONE: "a"}]
    preferring = pb.TopologyRequirement(requisite=[place("a"), place("b")], preferred=[place("b"), place("a")])
    for number in range(4):
        volume_id = patiently(lambda n=number: client.create(f"rather-b-{n}", MIB, topology=preferring)).volume_id  # type: ignore[misc]
        assert not volume_id.startswith("nas1:")
    assert refused(lambda: client.create("in-c", MIB, topology=needed("c")))[0] == "RESOURCE_EXHAUSTED"
    assert [dict(term.segments) for term in client.volumes()[0].accessible_topology] == [{ZONE: "a"}]
    one, two = client.capacity(place("a")), client.capacity(place("b"))
    assert two.available_capacity > 1.9 * one.available_capacity > 0
    assert 0 < two.maximum_volume_size.value <= one.available_capacity
    assert client.capacity(place("c")).available_capacity == 0
    assert client.capacity().available_capacity == one.available_capacity + two.available_capacity


def place(zone: str) -> pb.Topology:
    """One zone."""
    return pb.Topology(segments={ZONE: zone})


def needed(zone: str) -> pb.TopologyRequirement:
    """By the nodes of one zone."""
    return pb.TopologyRequirement(requisite=[place(zone)], preferred=[place(zone)])
