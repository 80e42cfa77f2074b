"""What a storage host is asked for, and what is made of its answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.orchestrator import results
from csi_driver.orchestrator.backend import AnsibleBackend
from csi_driver.storage.ids import SnapshotId, VolumeId
from csi_driver.storage.model import CloneMode, Snapshot, SnapshotFilter, VolumeRequest, VolumeSpec
from tests.unit.storage.test_placement import config

UUID = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2
VOLUME = VolumeId("a", UUID)
SNAPSHOT = SnapshotId("a", OTHER)
VOLUME_NOUN = {"uuid": UUID, "name": "n", "size_bytes": 2048, "attributes": {}, "publications": []}
SNAPSHOT_NOUN = {
    "uuid": OTHER,
    "name": "s",
    "volume": UUID,
    "size_bytes": 1024,
    "created": 1_700_000_000,
    "ready": True,
    "group_snapshot": None,
}
TAKEN = Snapshot(id=SNAPSHOT, source=VOLUME, size_bytes=1024, created=1_700_000_000, ready=True)


class Host:
    """Notes what it is asked, and answers every resource, or the whole, with the same."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def run(self, playbook: str, host: str, request: Mapping[str, Any], *, time_limit: float) -> Mapping[str, Any]:
        assert host == "a"
        if playbook == "info":
            self.asked.append({**request})
            return self.answer
        self.asked += request["resources"]
        return {"results": [{"key": one["key"], "changed": True, **self.answer} for one in request["resources"]]}

    def close(self) -> None:
        pass

    def resource(self) -> dict[str, Any]:
        """The one resource it was asked for, without its key."""
        (found,) = self.asked
        return {name: value for name, value in found.items() if name != "key"}


def backend(host: Host) -> AnsibleBackend:
    return AnsibleBackend(config(a="tank/csi"), host)


def soon() -> float:
    return time.monotonic() + 30


@pytest.mark.parametrize(
    ("source", "sent"), [(SNAPSHOT, {"snapshot": OTHER}), (VolumeId("a", OTHER), {"volume": OTHER})]
)
def test_a_volume_from_a_source_names_it(source: SnapshotId | VolumeId, sent: dict[str, str]) -> None:
    """By its uuid; the volume that comes back has that source."""
    host = Host({"volume": VOLUME_NOUN})
    request = VolumeRequest(name="n", spec=VolumeSpec(), required_bytes=5, source=source)
    made = backend(host).create_volume("a", request, deadline=soon())
    assert host.resource()["source"] == sent
    assert made.source == source


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, None),
        ({"source": None}, None),
        ({"source": {"snapshot": OTHER}}, SNAPSHOT),
        ({"source": {"volume": OTHER}}, VolumeId("a", OTHER)),
    ],
)
def test_a_volumes_source_is_what_the_host_says(said: dict[str, Any], meant: SnapshotId | VolumeId | None) -> None:
    """Wherever it is asked for."""
    host = Host({"volumes": [{**VOLUME_NOUN, **said}], "next": None})
    assert backend(host).get_volume(VOLUME, deadline=soon()).source == meant


def test_growth_is_asked_for_by_uuid() -> None:
    """The answer is the volume as it is then."""
    host = Host({"volume": VOLUME_NOUN})
    grown = backend(host).expand_volume(VOLUME, required_bytes=5, limit_bytes=9, deadline=soon())
    assert host.resource() == {
        "kind": "volume",
        "state": "present",
        "uuid": UUID,
        "required_bytes": 5,
        "limit_bytes": 9,
    }
    assert (grown.id, grown.size_bytes) == (VOLUME, 2048)


def test_a_snapshot_is_asked_for_by_name_and_source() -> None:
    """And comes back with the ids of both."""
    host = Host({"snapshot": SNAPSHOT_NOUN})
    assert backend(host).create_snapshot(VOLUME, "s", deadline=soon()) == TAKEN
    assert host.resource() == {"kind": "snapshot", "state": "present", "name": "s", "volume": UUID}


def test_a_detached_snapshot_may_come_back_before_it_is_ready() -> None:
    """It is told of as it is; nothing is waited for."""
    host = Host({"snapshot": {**SNAPSHOT_NOUN, "ready": False}})
    made = backend(host).create_snapshot(VOLUME, "s", detached=True, deadline=soon())
    assert host.resource()["detached"] is True
    assert made == replace(TAKEN, ready=False)


def test_a_copy_is_asked_about_until_it_is_there() -> None:
    """With pauses that grow; a clone of it is another request."""
    host = Host({"error": {"code": "copying", "msg": "1 of 2 MiB"}})
    spec = VolumeSpec(clone_mode=CloneMode.COPY)
    request = VolumeRequest(name="n", spec=spec, required_bytes=5, source=SNAPSHOT)
    timer = threading.Timer(0.5, lambda: setattr(host, "answer", {"volume": VOLUME_NOUN}))
    timer.start()
    made = backend(host).create_volume("a", request, deadline=soon())
    timer.join()
    assert made.source == SNAPSHOT
    assert 2 <= len(host.asked) <= 5
    assert {asked["clone_mode"] for asked in host.asked} == {"copy"}


def test_a_copy_that_takes_longer_is_told_of_before_the_deadline() -> None:
    """In the words of the host."""
    host = Host({"error": {"code": "copying", "msg": "1 of 2 MiB"}})
    request = VolumeRequest(name="n", spec=VolumeSpec(), required_bytes=5, source=SNAPSHOT)
    deadline = time.monotonic() + 2.5
    with pytest.raises(DriverError, match="1 of 2 MiB") as caught:
        backend(host).create_volume("a", request, deadline=deadline)
    assert caught.value.code is ErrorCode.COPYING
    assert time.monotonic() < deadline


def test_a_snapshot_is_deleted_by_uuid() -> None:
    """Nothing comes back."""
    host = Host({})
    backend(host).delete_snapshot(SNAPSHOT, deadline=soon())
    assert host.resource() == {"kind": "snapshot", "state": "absent", "uuid": OTHER}


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (SnapshotFilter(), {}),
        (SnapshotFilter(snapshot=SNAPSHOT), {"uuid": OTHER}),
        (SnapshotFilter(source=VOLUME), {"volume": UUID}),
        (SnapshotFilter(snapshot=SNAPSHOT, source=VOLUME), {"uuid": OTHER, "volume": UUID}),
    ],
)
def test_snapshots_are_listed_with_filters_and_page_by_page(wanted: SnapshotFilter, sent: dict[str, str]) -> None:
    """Only what narrows the list down is sent."""
    host = Host({"snapshots": [SNAPSHOT_NOUN], "next": OTHER})
    page = backend(host).list_snapshots("a", wanted, after="0", limit=1, deadline=soon())
    (asked,) = host.asked
    assert asked["kinds"] == ["snapshots"]
    assert {name: asked[name] for name in ("uuid", "volume") if name in asked} == sent
    assert (asked["after"], asked["limit"]) == ("0", 1)
    assert page.items == (TAKEN,)
    assert page.next_after == SNAPSHOT


@pytest.mark.parametrize("missing", sorted(SNAPSHOT_NOUN.keys() - {"name"}))
def test_a_snapshot_that_is_not_as_documented_leaves_the_outcome_open(missing: str) -> None:
    """It may have been taken."""
    noun = {name: value for name, value in SNAPSHOT_NOUN.items() if name != missing}
    with pytest.raises(DriverError) as caught:
        backend(Host({"snapshot": noun})).create_snapshot(VOLUME, "s", deadline=soon())
    assert caught.value.code is ErrorCode.UNCERTAIN
    with pytest.raises(DriverError, match="the snapshots are missing"):
        backend(Host({})).list_snapshots("a", SnapshotFilter(), after=None, limit=0, deadline=soon())


def test_an_error_of_one_item_is_its_callers() -> None:
    """With the code that the host chose."""
    host = Host({"error": {"code": "source_not_found", "msg": "there is no such volume"}})
    with pytest.raises(DriverError, match="no such volume") as caught:
        backend(host).create_snapshot(VOLUME, "s", deadline=soon())
    assert caught.value.code is ErrorCode.SOURCE_NOT_FOUND


@pytest.mark.parametrize("source", [{}, "x", {"snapshot": "../etc"}, {"snapshot": None}, {"disk": OTHER}, [OTHER]])
def test_a_source_that_is_not_as_documented_is_not_guessed_at(source: Any) -> None:
    """Nor is it left out: a caller would delete a volume without its source."""
    with pytest.raises(DriverError) as caught:
        results.volume("a", {**VOLUME_NOUN, "source": source})
    assert caught.value.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize(
    ("field", "value"),
    [("uuid", "../etc"), ("volume", None), ("size_bytes", "1024"), ("created", -1), ("ready", "yes")],
)
def test_a_snapshot_of_another_shape_is_uncertain(field: str, value: Any) -> None:
    """Nothing is converted."""
    with pytest.raises(DriverError) as caught:
        results.snapshot("a", {**SNAPSHOT_NOUN, field: value})
    assert caught.value.code is ErrorCode.UNCERTAIN
