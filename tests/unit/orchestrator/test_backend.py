"""The backend's requests, how they share runs, and what a run that failed means to its callers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.orchestrator.backend import AnsibleBackend
from csi_driver.orchestrator.runner import HostUnreachable, RunDied
from csi_driver.storage.ids import NodeId, VolumeId
from csi_driver.storage.model import AccessMode, PublicationRequest, VolumeRequest, VolumeSpec
from tests.unit.orchestrator.test_results import PUBLICATION, UUID, VOLUME
from tests.unit.storage.test_placement import config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VOLUME_ID = VolumeId("a", UUID)
NODE = NodeId("node-1", ("192.0.2.21",))


class Runs:
    """A runner that answers with a function of the request and keeps what it was given."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, Mapping[str, Any]]] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, playbook: str, host: str, request: Mapping[str, Any], *, time_limit: float) -> Mapping[str, Any]:
        self.requests.append((playbook, host, request))
        self.gate.wait(10)
        return self.answer(request)

    def close(self) -> None:
        """Nothing to close."""


def each(**noun: Any) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """An answer that gives every item the same noun."""
    return lambda request: {"results": [{"key": item["key"], **noun} for item in request["resources"]]}


def backend(runs: Runs) -> AnsibleBackend:
    """The backend of one cluster with one host."""
    return AnsibleBackend(config(a="tank/csi"), runs)


def soon() -> float:
    """A deadline that no test reaches."""
    return time.monotonic() + 10


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads; a test that waits too long has failed."""
    end = soon()
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def wanted(name: str) -> VolumeRequest:
    """A request for a volume."""
    return VolumeRequest(name=name, spec=VolumeSpec(), required_bytes=1 << 30)


def test_a_request_names_owner_and_parent_and_holds_no_key_of_the_host() -> None:
    """The module learns what it may touch, and nothing about how it was reached."""
    runs = Runs(each(volume=VOLUME))
    backend(runs).create_volume("a", wanted("n"), deadline=soon())
    playbook, host, request = runs.requests[0]
    assert (playbook, host, request["owner"], request["parent"]) == ("apply", "a", "demo", "tank/csi")
    assert not [name for name in request if name.startswith("ansible")]


def test_a_publication_carries_the_nodes_derived_initiator() -> None:
    """Who may log in follows from the node's name."""
    runs = Runs(each(publication=PUBLICATION))
    request = PublicationRequest(node=NODE, mode=AccessMode.SINGLE_NODE_WRITER, readonly=False)
    backend(runs).publish(VOLUME_ID, request, deadline=soon())
    item = runs.requests[0][2]["resources"][0]
    assert item["initiator"] == "iqn.1994-09.org.freebsd.csi:demo:node-1"
    assert item["node"] == str(NODE)


def test_what_arrives_while_a_run_is_under_way_shares_the_next() -> None:
    """One hundred volumes cost two runs: one for the first, one for the rest."""
    runs = Runs(each(volume=VOLUME))
    runs.gate.clear()
    it = backend(runs)
    with ThreadPoolExecutor(100) as pool:
        futures = [pool.submit(it.create_volume, "a", wanted("first"), deadline=soon())]
        until(lambda: len(runs.requests) == 1)
        futures += [pool.submit(it.create_volume, "a", wanted(str(number)), deadline=soon()) for number in range(99)]
        until(lambda: len(it._hosts["a"].lane._queue) == 99)
        runs.gate.set()
        assert all(future.result().name == "pvc-1" for future in futures)
    assert [len(request["resources"]) for _, _, request in runs.requests] == [1, 99]


def test_an_item_that_failed_fails_its_caller_alone() -> None:
    """The others get their volumes."""

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        bad = {"error": {"code": "out_of_space", "msg": "tank is full"}}
        return {
            "results": [
                {"key": item["key"], **(bad if item["name"] == "bad" else {"volume": VOLUME})}
                for item in request["resources"]
            ]
        }

    it = backend(Runs(answer))
    assert it.create_volume("a", wanted("good"), deadline=soon()).id == VOLUME_ID
    with pytest.raises(DriverError) as caught:
        it.create_volume("a", wanted("bad"), deadline=soon())
    assert caught.value.code is ErrorCode.OUT_OF_SPACE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HostUnreachable("no route"), ErrorCode.DEGRADED),
        (RunDied("killed"), ErrorCode.UNCERTAIN),
        (ValueError("a defect"), ErrorCode.UNCERTAIN),
    ],
)
def test_a_run_without_a_result_never_says_that_nothing_was_done(error: Exception, code: ErrorCode) -> None:
    """Both codes make callers ask again."""

    def fail(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    with pytest.raises(DriverError) as caught:
        backend(Runs(fail)).create_volume("a", wanted("n"), deadline=soon())
    assert caught.value.code is code


def test_a_volume_that_info_does_not_show_is_not_found() -> None:
    """An empty answer from a host that was read is the truth."""
    with pytest.raises(DriverError) as caught:
        backend(Runs(lambda _: {"volumes": [], "next": None})).get_volume(VOLUME_ID, deadline=soon())
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_caller_whose_time_is_up_is_told_whether_its_work_began() -> None:
    """Begun: uncertain, ask again. Not begun: busy, nothing was done."""
    runs = Runs(each(volume=VOLUME))
    runs.gate.clear()
    it = backend(runs)
    for name, code in (("begun", ErrorCode.UNCERTAIN), ("waiting", ErrorCode.BUSY)):
        with pytest.raises(DriverError) as caught:
            it.create_volume("a", wanted(name), deadline=time.monotonic() + 0.2)
        assert caught.value.code is code
    runs.gate.set()


def health_noun(**changes: Any) -> dict[str, Any]:
    """What a module says of a volume that is not well."""
    condition = {"status": "degraded", "reason": "PoolDegraded", "msg": "replace the device", **changes}
    return {"volume": UUID, "conditions": [condition]}


def test_health_is_asked_for_with_the_limit_of_the_configuration() -> None:
    """Of one volume, or page by page."""
    runs = Runs(lambda _: {"health": [health_noun()], "next": None})
    one = backend(runs).volume_health(VOLUME_ID, deadline=soon())
    assert (one.id, [each.reason for each in one.conditions]) == (VOLUME_ID, ["PoolDegraded"])
    page = backend(runs).list_volume_health("a", after=UUID, limit=5, deadline=soon())
    assert page.items == (one,)
    asked = [{key: request.get(key) for key in ("kinds", "uuid", "after", "limit")} for _, _, request in runs.requests]
    assert asked == [
        {"kinds": ["health"], "uuid": UUID, "after": None, "limit": None},
        {"kinds": ["health"], "uuid": None, "after": UUID, "limit": 5},
    ]
    assert all(request["nearly_full_percent"] == 90 for _, _, request in runs.requests)


def test_a_volume_nobody_tells_of_is_not_found() -> None:
    """And not well."""
    runs = Runs(lambda _: {"health": [], "next": None})
    with pytest.raises(DriverError) as caught:
        backend(runs).volume_health(VOLUME_ID, deadline=soon())
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "result",
    [
        {"next": None},
        {"health": None, "next": None},
        {"health": []},
        {"health": [{"volume": UUID}], "next": None},
        {"health": [{"volume": UUID, "conditions": None}], "next": None},
        {"health": [health_noun(status="fine")], "next": None},
        {"health": [health_noun(reason=None)], "next": None},
        {"health": [{**health_noun(), "volume": "x"}], "next": None},
    ],
)
def test_health_that_is_not_understood_is_uncertain_and_not_health(result: dict[str, Any]) -> None:
    """Of one volume as of many."""
    for ask in (
        lambda: backend(Runs(lambda _: result)).volume_health(VOLUME_ID, deadline=soon()),
        lambda: backend(Runs(lambda _: result)).list_volume_health("a", after=None, limit=0, deadline=soon()),
    ):
        with pytest.raises(DriverError) as caught:
            ask()
        assert caught.value.code is ErrorCode.UNCERTAIN


def test_changes_that_wait_for_a_run_are_counted() -> None:
    """Those of the running one are not among them."""
    runs = Runs(each(volume=None))
    runs.gate.clear()
    made = backend(runs)
    assert made.waiting("a") == 0
    with ThreadPoolExecutor() as pool:
        volumes = [VolumeId("a", f"{number:032x}") for number in range(3)]
        first = pool.submit(made.delete_volume, volumes[0], deadline=soon())
        until(lambda: len(runs.requests) == 1)
        others = [pool.submit(made.delete_volume, volume, deadline=soon()) for volume in volumes[1:]]
        until(lambda: made.waiting("a") == 2)
        runs.gate.set()
        for done in (first, *others):
            done.result(10)
    assert made.waiting("a") == 0
