"""Others who work on the same storage host at the same time: a second controller, another cluster, a person."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import yaml

from tests.faults.troubles.scene import LOOSE, MIB, TROUBLED
from tests.faults.troubles.trial import CREATE, EXPAND, ON_BOTH, PUBLISH, SNAPSHOT, UNPUBLISH, Ask, Trouble
from tests.faults.world import UNFINISHED
from tests.harness.client import Cluster
from tests.harness.driver import DriverProcess
from tests.playbooks.play import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.troubles.scene import Scene

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1
ROUNDS = 3
COLLECTION = "freebsd.storage"
THEIRS = ("theirs-1", "theirs-2", "theirs-3")
DISK, DESK = "disk", "desk"
STORE = "iqn.2026-01.org.example:store"
EXPORT = {
    "kind": "publication",
    "node": "desk",
    "initiator": "iqn.1994-09.org.freebsd:desk",
}
REQUESTS = (CREATE, PUBLISH, UNPUBLISH, EXPAND, SNAPSHOT)


@contextlib.contextmanager
def driver(scene: Scene, **settings: str) -> Iterator[Cluster]:
    """Another controller in front of the same hosts, with a configuration that differs in these settings."""
    directory = scene.stack.directory / "more"
    directory.mkdir(exist_ok=True)
    config = directory / "config.yml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(scene.stack.config.read_text()), **settings}))
    config.chmod(0o600)
    environment = scene.stack.environment()
    process = DriverProcess("controller", config=config, directory=directory, environment=environment)
    process.start()
    try:
        with process.channel() as channel, scene.stack.node.channel() as node:
            yield Cluster(channel, node, directory)
    finally:
        process.stop()


def patiently(call: Callable[[], Any]) -> Any:
    """Repeat a call as a sidecar does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code().name not in UNFINISHED or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def second_controller(scene: Scene) -> Iterator[None]:
    """Two replicas that both believe they lead: the second is asked for the same, and for more."""
    with driver(scene) as twin, ThreadPoolExecutor(len(REQUESTS) + len(THEIRS)) as pool:
        same = [pool.submit(patiently, lambda each=each: each.send(twin, scene)) for each in REQUESTS]  # type: ignore[misc]
        more = [pool.submit(lives, twin, name) for name in THEIRS]
        yield
        for future in (*same, *more):
            future.result()


def lives(cluster: Cluster, name: str) -> None:
    """A volume comes, is used, and goes, some times."""
    for _ in range(ROUNDS):
        _lives_once(cluster, name)


def _lives_once(cluster: Cluster, name: str) -> None:
    volume = patiently(lambda: cluster.create(name, MIB, parameters={"host": TROUBLED}))
    patiently(lambda: cluster.attach(volume.volume_id, cluster.node_id()))
    patiently(lambda: cluster.expand(volume.volume_id, 2 * MIB))
    patiently(lambda: cluster.detach(volume.volume_id, cluster.node_id()))
    patiently(lambda: cluster.delete(volume.volume_id))


@contextlib.contextmanager
def another_cluster(scene: Scene) -> Iterator[None]:
    """A driver of another cluster, which keeps one volume published and works with others."""
    with driver(scene, cluster="other") as other, ThreadPoolExecutor(len(THEIRS)) as pool:
        kept = patiently(lambda: other.create("kept-by-others", MIB, parameters={"host": TROUBLED})).volume_id
        target = patiently(lambda: other.attach(kept, other.node_id()))["target"]
        _check_taken(other)
        more = [pool.submit(lives, other, name) for name in THEIRS]
        yield
        for future in more:
            future.result()
        _check_exported(scene, target)
        if [volume.volume_id for volume in other.volumes()] != [kept]:
            raise AssertionError("the other cluster sees volumes that are not its own")
        patiently(lambda: other.detach(kept, ""))
        patiently(lambda: other.delete(kept))


def _check_taken(other: Cluster) -> None:
    """See that a name which another cluster uses on the host is refused, and told of."""
    try:
        other.create(LOOSE, MIB, parameters={"host": TROUBLED})
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            return
        raise
    raise AssertionError("two clusters were given one dataset")


def _check_exported(scene: Scene, *targets: str) -> None:
    shown = {port["target"] for port in scene.stack.host_state()["ports"]}
    if not set(targets) <= shown:
        raise AssertionError(f"the kernel does not show {set(targets) - shown}")


@contextlib.contextmanager
def person(scene: Scene) -> Iterator[None]:
    """Somebody runs playbooks: modules for what he names, and volumes of his own."""
    directory = scene.stack.directory / "person"
    directory.mkdir(exist_ok=True)
    over = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(_run, scene, directory, _coming(_free_port()))
        yield
        working = pool.submit(_until, over, lambda: _busy(scene))
        try:
            making.result()
            state = scene.stack.host_state()
            theirs = [each["target"] for each in state["ports"] if ":ansible." in str(each["target"])]
            _check_exported(scene, STORE, *theirs)
            if len(theirs) != 1:
                raise AssertionError(f"a person's publication is exported {len(theirs)} times")
            _run(scene, directory, _going(scene.uuid_on_host(DESK)))
        finally:
            over.set()
        working.result()


def _until(over: threading.Event, call: Callable[[], None]) -> None:
    while not over.is_set():
        call()


def _busy(scene: Scene) -> None:
    with scene.world.cluster() as cluster:
        lives(cluster, "busy")


def _run(scene: Scene, directory: Path, tasks: list[dict[str, Any]]) -> None:
    common = {"parent": scene.parent, "settings_dir": scene.host.info["settings_dir"]}
    whole = {
        "hosts": "storage_hosts",
        "gather_facts": False,
        "module_defaults": {f"group/{COLLECTION}.parent": common, f"{COLLECTION}.apply": common},
        "tasks": tasks,
    }
    book = directory / "book.yml"
    book.write_text(json.dumps([whole]))
    done = play(book, scene.host, directory, {})
    if not done.ok:
        raise AssertionError(done.output[-2000:])


def _coming(port: int) -> list[dict[str, Any]]:
    """The tasks of a person who names what he wants, and wants a volume like those of a cluster besides."""
    volume = {"key": "volume", "kind": "volume", "name": DESK, "required_bytes": MIB}
    export = {**EXPORT, "key": "export", "volume": "{{ made.results[0].volume.uuid }}"}
    target = {"auth_group": "desks", "portal_groups": ["lan"], "luns": [{"number": 0, "zvol": DISK}]}
    return [
        _task("zvol", name=DISK, size="1M"),
        _task("iscsi_portal_group", name="lan", listen=[f"127.0.0.1:{port}"]),
        _task("ctl_auth_group", name="desks", initiators=[EXPORT["initiator"]]),
        _task("iscsi_target", name=STORE, **target),
        {**_task("apply", resources=[volume]), "register": "made"},
        _task("apply", resources=[export]),
    ]


def _going(uuid: str) -> list[dict[str, Any]]:
    """The tasks that take it all away."""
    export = {"key": "export", "kind": "publication", "volume": uuid, "node": EXPORT["node"], "state": "absent"}
    volume = {"key": "volume", "kind": "volume", "uuid": uuid, "state": "absent"}
    named = (("iscsi_target", STORE), ("ctl_auth_group", "desks"), ("iscsi_portal_group", "lan"), ("zvol", DISK))
    return [
        _task("apply", resources=[export]),
        _task("apply", resources=[volume]),
        *(_task(module, name=name, state="absent") for module, name in named),
    ]


def _task(module: str, **options: object) -> dict[str, Any]:
    return {"name": f"Have {module} work", f"{COLLECTION}.{module}": options}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_ALL_WELL = tuple(Ask(request) for request in REQUESTS)

TROUBLES = (
    Trouble("a second controller of the same cluster works at the same time", second_controller, _ALL_WELL, ON_BOTH),
    Trouble("another cluster works on the same host", another_cluster, _ALL_WELL, ON_BOTH),
    Trouble("a person runs playbooks and modules", person, _ALL_WELL, ON_BOTH),
)
