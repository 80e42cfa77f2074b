"""What the backend does where there are several hosts: find by name, say how each stands, and keep them apart."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from csi_driver.errors import DriverError
from csi_driver.orchestrator.backend import AnsibleBackend
from csi_driver.orchestrator.inventory import render
from csi_driver.orchestrator.runner import HostUnreachable
from csi_driver.storage.model import Placement
from tests.unit.orchestrator.test_backend import Runs, backend, each, soon, until, wanted
from tests.unit.orchestrator.test_results import VOLUME
from tests.unit.storage.test_placement import configured

if TYPE_CHECKING:
    from collections.abc import Mapping


def named(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The volumes of these names, but of none that is called none."""
    names = [name for name in request["names"] if name != "none"]
    nouns = [{**VOLUME, "name": name, "uuid": f"{number:032x}"} for number, name in enumerate(names)]
    return {"volumes": nouns, "next": None}


def test_a_volume_is_found_by_its_name() -> None:
    """Or is not there, which is no error."""
    runs = Runs(named)
    found = backend(runs).find_volume("a", "n", deadline=soon())
    assert found is not None
    assert found.name == "n"
    assert backend(runs).find_volume("a", "none", deadline=soon()) is None
    assert (runs.requests[0][0], runs.requests[0][2]["names"]) == ("info", ["n"])


def test_a_hundred_names_are_looked_for_in_a_handful_of_reads() -> None:
    """All that wait share the next; a read of something else does not become a part of it."""
    runs = Runs(lambda request: named(request) if "names" in request else {"volumes": [], "next": None})
    runs.gate.clear()
    it = backend(runs)
    with ThreadPoolExecutor(110) as pool:
        first = [pool.submit(it.find_volume, "a", "first", deadline=soon())]
        until(lambda: len(runs.requests) == 1)
        first.append(pool.submit(it.find_volume, "a", "second", deadline=soon()))
        until(lambda: len(runs.requests) == 2)
        listed = pool.submit(it.list_volumes, "a", after=None, limit=0, deadline=soon())
        names = [str(number) for number in range(99)]
        found = [pool.submit(it.find_volume, "a", name, deadline=soon()) for name in names]
        until(lambda: sum(len(read.query.names) or 1 for read in it._hosts["a"].reads._waiting) == 100)
        runs.gate.set()
        assert [volume.name for future in found if (volume := future.result())] == names
        assert listed.result().items == ()
    assert len(runs.requests) == 4


def test_how_a_host_stands_goes_with_the_request_where_there_are_others() -> None:
    """A host that is the only one hears nothing of it."""
    runs = Runs(each(volume=VOLUME))
    it = backend(runs)
    it.create_volume("a", wanted("n"), deadline=soon())
    placement = Placement(seen=frozenset({"c", "b"}), unseen=frozenset({"d"}), passes_on=True)
    it.create_volume("a", replace(wanted("m"), placement=placement), deadline=soon())
    first, second = (request["resources"][0] for _, _, request in runs.requests)
    assert "placement" not in first
    assert second["placement"] == {"seen": ["b", "c"], "unseen": ["d"], "passes_on": True, "closed": False}


def test_an_entry_with_an_owner_works_under_that_name() -> None:
    """The nodes of the cluster are the same for all of its owners."""
    runs = Runs(each(volume=VOLUME))
    AnsibleBackend(configured({"a": {"owner": "demo-2"}}), runs).create_volume("a", wanted("n"), deadline=soon())
    assert runs.requests[0][2]["owner"] == "demo-2"


def test_a_retired_host_is_nowhere_to_be_found() -> None:
    """Neither for Ansible nor for the backend."""
    config = configured({"a": {"retired": True}, "b": {}})
    assert list(AnsibleBackend(config, Runs(named))._hosts) == ["b"]
    assert "a.example.com" not in render(config)


def test_a_host_that_hangs_holds_up_nobody_else() -> None:
    """Each has a lane and reads of its own."""
    answer = each(volume=VOLUME)

    class Hung(Runs):
        def run(self, playbook: str, host: str, request: Mapping[str, Any], *, time_limit: float) -> Mapping[str, Any]:
            if host == "a":
                self.gate.wait(10)
                raise HostUnreachable("no route to host")
            return answer(request) if playbook == "apply" else named(request)

    runs = Hung(answer)
    runs.gate.clear()
    it = AnsibleBackend(configured({"a": {}, "b": {}}), runs)
    with ThreadPoolExecutor(40) as pool:
        stuck = [pool.submit(it.create_volume, "a", wanted(str(number)), deadline=soon()) for number in range(20)]
        stuck += [pool.submit(it.find_volume, "a", str(number), deadline=soon()) for number in range(15)]
        began = time.monotonic()
        it.create_volume("b", wanted("n"), deadline=soon())
        it.find_volume("b", "n", deadline=soon())
        assert time.monotonic() - began < 5
        runs.gate.set()
        for future in stuck:
            with pytest.raises(DriverError, match="storage host a cannot be reached"):
                future.result()
