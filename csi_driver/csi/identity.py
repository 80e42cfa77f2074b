"""The Identity service: who the plugin is, and whether this process is well."""

# ruff: noqa: N802, ARG002 - names and signatures are the contract's

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from google.protobuf import wrappers_pb2

from csi_driver.csi import capabilities
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

DRIVER_NAME = "csi.freebsd.org"
_DISTRIBUTION = "csi-driver-freebsd"


class Identity(csi_pb2_grpc.IdentityServicer):
    """
    Answers from this process alone, so it answers when every storage host is down.

    `problem` says what ails this process, None if nothing: an orchestrator restarts it for that.
    `topology`: whether it matters where nodes and volumes are.
    """

    def __init__(self, *, problem: Callable[[], str | None], newest_capabilities: bool, topology: bool) -> None:
        self._problem = problem
        self._topology = topology
        self._newest = newest_capabilities

    def GetPluginInfo(
        self, request: csi_pb2.GetPluginInfoRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GetPluginInfoResponse:
        """Return the driver's name and version."""
        return csi_pb2.GetPluginInfoResponse(name=DRIVER_NAME, vendor_version=version())

    def GetPluginCapabilities(
        self, request: csi_pb2.GetPluginCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        """Return what the plugin can do: the same in every process."""
        return capabilities.plugin(newest=self._newest, topology=self._topology)

    def Probe(self, request: csi_pb2.ProbeRequest, context: grpc.ServicerContext) -> csi_pb2.ProbeResponse:
        """Return that this process is well, or fail saying why not."""
        if problem := self._problem():
            raise DriverError(ErrorCode.UNSUPPORTED, problem)
        return csi_pb2.ProbeResponse(ready=wrappers_pb2.BoolValue(value=True))


def version() -> str:
    """Return the version of the installed driver; outside an installation, the source tree's mark."""
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+source"
