"""
The whole driver, put together by hand: the one place where concrete parts meet.

The runner comes first: it starts the process in which Ansible lives, and that must happen before
gRPC is imported, so the gRPC surface is imported here only once the runner is there.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from csi_driver.config import ConfigError
from csi_driver.csi.services import Storage
from csi_driver.errors import DriverError
from csi_driver.monitor import monitored
from csi_driver.node.linux import linux_node, source_addresses
from csi_driver.orchestrator.backend import AnsibleBackend
from csi_driver.orchestrator.measured import MeasuredRunner
from csi_driver.orchestrator.run_root import run_root
from csi_driver.orchestrator.runner import start_runner
from csi_driver.orchestrator.worker_settings import RUNGS
from csi_driver.storage import parameters
from csi_driver.storage.groups import GroupSnapshotService
from csi_driver.storage.health import HealthService
from csi_driver.storage.snapshots import SnapshotService
from csi_driver.storage.volumes import VolumeService
from csi_driver.telemetry import Metrics, configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csi_driver.config import Config, Environment
    from csi_driver.node.service import NodeService

GRACE_SECONDS = 140.0  # what a run that has begun may take; less than the pod is given to end


def serve(config: Config, environment: Environment, *, controller: bool, node: bool) -> None:
    """Serve the roles asked for on CSI_ENDPOINT until SIGTERM or SIGINT; raise `ConfigError`."""
    configure_logging()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    metrics = Metrics()
    with contextlib.ExitStack() as stack:
        storage, problem = stack.enter_context(_storage(config, metrics)) if controller else (None, _no_problem)
        here = _node(config, environment) if node else None
        from csi_driver.csi.server import Server  # noqa: PLC0415 - not before the runner

        server = Server(
            environment.endpoint,
            metrics=metrics,
            storage=storage,
            node=here,
            problem=problem,
            newest_capabilities=config.alpha_capabilities,
            topology=bool(config.topology_keys),
        )
        stack.enter_context(monitored(config.metrics.listen, metrics, problem))
        server.start()
        ended.wait()
        server.stop(GRACE_SECONDS)


def _no_problem() -> None:
    """Say that nothing can ail a process that needs no other."""


def check(config: Config) -> None:
    """Raise `ConfigError` for what the parts of the driver would stumble over later."""
    try:
        parameters.parse({}, config.defaults)
    except DriverError as error:
        raise ConfigError(f"defaults: {error.message}") from error


@contextlib.contextmanager
def _storage(config: Config, metrics: Metrics) -> Iterator[tuple[Storage, Callable[[], str | None]]]:
    check(config)
    if not config.hosts_in_service:
        raise ConfigError("storage_hosts.hosts: a controller needs at least one storage host")
    with run_root() as directory:
        runner = start_runner(config, run_root=directory)
        metrics.watch_rung(RUNGS, lambda: runner.rung)
        try:
            backend = AnsibleBackend(config, MeasuredRunner(runner, metrics))
            metrics.watch_lanes(config.hosts_in_service, backend.waiting)
            storage = Storage(
                volumes=VolumeService(config, backend),
                snapshots=SnapshotService(config, backend),
                groups=GroupSnapshotService(config, backend),
                health=HealthService(config, backend),
            )
            yield storage, runner.problem
        finally:
            runner.close()


def _node(config: Config, environment: Environment) -> NodeService:
    portals = [portal for host in config.hosts_in_service.values() for portal in host.portals]
    try:
        return linux_node(
            cluster=config.cluster,
            name=config.node.name or environment.node_name,
            addresses=config.node.addresses or source_addresses(portals),
            max_volumes=config.node.max_volumes,
            portals={name: host.portals for name, host in config.hosts_in_service.items()},
            nearly_full_percent=config.health.nearly_full_percent,
            topology=_place(config, environment),
            sysfs=environment.sysfs,
            dev=environment.dev,
            root=environment.root,
        )
    except DriverError as error:
        raise ConfigError(f"node: {error.message}") from error


def _place(config: Config, environment: Environment) -> dict[str, str]:
    """Return where this node is, in the segments that the storage hosts have."""
    known = {**config.node.topology, **environment.topology}
    if missing := sorted(config.topology_keys - known.keys()):
        message = (
            f"node.topology: {missing[0]} is missing, which storage hosts have; say where this node is there, "
            f"or in NODE_TOPOLOGY={missing[0]}=<value>"
        )
        raise ConfigError(message)
    return {key: known[key] for key in config.topology_keys}
