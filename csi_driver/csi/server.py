"""The gRPC server: one unix socket, a thread for every call, an orderly end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import structlog

from csi_driver.config import ConfigError
from csi_driver.csi.controller import Controller
from csi_driver.csi.endpoint import remove_stale, socket_path
from csi_driver.csi.group_controller import GroupController
from csi_driver.csi.identity import Identity
from csi_driver.csi.interceptors import interceptors
from csi_driver.csi.node import Node
from csi_driver.proto import csi_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from csi_driver.csi import services
    from csi_driver.telemetry import Metrics

# Handlers wait, they do not work: for a place in a storage host's next run, or for a node's kernel.
# A sidecar may have 200 calls under way, and Probe has to find a thread at once nonetheless.
THREADS = 1024

_log = structlog.stdlib.get_logger(__name__)


class Server:
    """
    The CSI services of one process on one socket: Identity, and those of the two that are given.

    There is no limit on concurrent calls: gRPC answers what exceeds one with RESOURCE_EXHAUSTED,
    and for CreateVolume that means "nothing was made", which may not be so.
    """

    def __init__(  # noqa: PLR0913 - what a process serves, each by its name
        self,
        endpoint: str | None,
        *,
        metrics: Metrics,
        storage: services.Storage | None = None,
        node: services.Node | None = None,
        problem: Callable[[], str | None] = lambda: None,
        newest_capabilities: bool = False,
        topology: bool = False,
    ) -> None:
        self._path = socket_path(endpoint)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="csi")
        self._server = grpc.server(self._threads, interceptors=interceptors(metrics))
        identity = Identity(problem=problem, newest_capabilities=newest_capabilities, topology=topology)
        csi_pb2_grpc.add_IdentityServicer_to_server(identity, self._server)
        if storage is not None:
            controller = Controller(storage, newest_capabilities=newest_capabilities)
            csi_pb2_grpc.add_ControllerServicer_to_server(controller, self._server)
            groups = GroupController(storage.groups, newest_capabilities=newest_capabilities)
            csi_pb2_grpc.add_GroupControllerServicer_to_server(groups, self._server)
        if node is not None:
            servicer = Node(node, newest_capabilities=newest_capabilities)
            csi_pb2_grpc.add_NodeServicer_to_server(servicer, self._server)

    def start(self) -> None:
        """Listen; raise `ConfigError` if the socket cannot be had."""
        remove_stale(self._path)
        try:
            self._server.add_insecure_port(f"unix:{self._path}")
        except RuntimeError as error:
            raise ConfigError(f"CSI_ENDPOINT: cannot listen on {self._path}: {error}") from error
        self._server.start()
        _log.info("listening", socket=self._path)

    def stop(self, grace: float) -> None:
        """
        Refuse new calls, wait up to `grace` seconds for those under way, then end the rest.

        Callers of the rest see CANCELLED, which tells them to ask again. Their threads are not
        killed: close what they wait for, and they end.
        """
        _log.info("stopping", grace=grace)
        self._server.stop(grace).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)
        _log.info("stopped")
