"""Many calls at once cost few runs, and one bad item never spoils the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import grpc
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from csi_driver.proto import csi_pb2 as pb
    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

T = TypeVar("T")
R = TypeVar("R")

MIB = 1 << 20
MANY = 100
A_HANDFUL = 8


def at_once(call: Callable[[T], R], items: Iterable[T]) -> list[R | grpc.RpcError]:
    """Call for all items at the same time; an RPC error is an answer too."""

    def answer(item: T) -> R | grpc.RpcError:
        try:
            return call(item)
        except grpc.RpcError as error:
            return error

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(answer, items))


def created(cluster: Cluster, names: Iterable[str]) -> list[pb.Volume]:
    """Volumes made all at once; every one must have worked."""
    answers = at_once(lambda name: cluster.create(name, 64 * MIB), names)
    assert [answer for answer in answers if isinstance(answer, grpc.RpcError)] == []
    return answers  # type: ignore[return-value]


def test_a_hundred_names_at_once_make_a_hundred_volumes(cluster: Cluster) -> None:
    """Each name gets a volume of its own."""
    volumes = created(cluster, [f"many-{number}" for number in range(MANY)])
    assert len({volume.volume_id for volume in volumes}) == MANY
    at_once(cluster.delete, [volume.volume_id for volume in volumes])


def test_twenty_calls_for_one_name_make_one_volume(cluster: Cluster) -> None:
    """All callers are told of the same volume."""
    volumes = created(cluster, ["the-same"] * 20)
    assert len({volume.volume_id for volume in volumes}) == 1
    cluster.delete(volumes[0].volume_id)


def test_a_hundred_publishes_at_once_cost_a_handful_of_reloads(cluster: Cluster, stack: Stack) -> None:
    """A batch costs one reload of ctld, however many volumes it publishes."""
    volumes = created(cluster, [f"published-{number}" for number in range(MANY)])
    before = stack.host.control("counters")["reloads"]
    node = cluster.node_id()
    contexts = at_once(lambda volume: cluster.attach(volume.volume_id, node), volumes)
    assert [context for context in contexts if isinstance(context, grpc.RpcError)] == []
    assert stack.host.control("counters")["reloads"] - before <= A_HANDFUL
    at_once(lambda volume: cluster.detach(volume.volume_id, node), volumes)
    at_once(cluster.delete, [volume.volume_id for volume in volumes])


def test_one_publish_that_only_ctld_refuses_leaves_the_other_ninety_nine(cluster: Cluster, stack: Stack) -> None:
    """The administrator has a LUN of the very name one volume's LUN would get: only `ctld -t` can tell."""
    volumes = created(cluster, [f"mixed-{number}" for number in range(MANY)])
    culprit = volumes[MANY // 2]
    original = stack.ctl_conf.read_text()
    stack.ctl_conf.write_text(original + admin_lun(culprit))
    node = cluster.node_id()
    answers = at_once(lambda volume: cluster.attach(volume.volume_id, node), volumes)
    failed = [volume for volume, answer in zip(volumes, answers, strict=True) if isinstance(answer, grpc.RpcError)]
    assert failed == [culprit]
    stack.ctl_conf.write_text(stack.ctl_conf.read_text().replace(admin_lun(culprit), ""))
    at_once(lambda volume: cluster.detach(volume.volume_id, node), volumes)
    at_once(cluster.delete, [volume.volume_id for volume in volumes])


def admin_lun(volume: pb.Volume) -> str:
    """A LUN in the administrator's part of ctl.conf with the name that the volume's LUN has."""
    uuid = volume.volume_id.split(":")[1]
    return f'lun "demo:{uuid}" {{\n\tpath "/dev/zvol/tank/admin"\n}}\n'


@pytest.mark.parametrize("rounds", [5])
def test_mixed_operations_on_the_same_volumes_never_lose_one(cluster: Cluster, rounds: int) -> None:
    """Publish, unpublish and delete of the same volumes race; each gets an answer and all end deleted."""
    node = cluster.node_id()
    for number in range(rounds):
        volumes = created(cluster, [f"race-{number}-{item}" for item in range(10)])
        ids = [volume.volume_id for volume in volumes]
        calls = [lambda v=v: cluster.attach(v, node) for v in ids] + [lambda v=v: cluster.delete(v) for v in ids]
        at_once(lambda call: call(), calls)
        at_once(lambda volume_id: cluster.detach(volume_id, node), ids)
        assert at_once(cluster.delete, ids) == [None] * len(ids)
