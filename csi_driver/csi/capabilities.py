"""
What the driver announces, in one place.

A plugin says the same of itself in every process: sidecars and test suites ask whichever they
reach. `newest` adds what is so new that tools older than CSI 1.13 take the mere number for an error.
"""

from __future__ import annotations

from csi_driver.proto import csi_pb2

_PLUGIN = ("CONTROLLER_SERVICE", "GROUP_CONTROLLER_SERVICE")
# Where the configuration says that not every node reaches every storage host.
_TOPOLOGY = ("VOLUME_ACCESSIBILITY_CONSTRAINTS", "SNAPSHOT_ACCESSIBILITY_CONSTRAINTS")

# Volumes grow while they are published.
_EXPANSION = csi_pb2.PluginCapability.VolumeExpansion.ONLINE

_CONTROLLER = (
    "CREATE_DELETE_VOLUME",
    "PUBLISH_UNPUBLISH_VOLUME",
    "LIST_VOLUMES",
    "GET_CAPACITY",
    "CREATE_DELETE_SNAPSHOT",
    "LIST_SNAPSHOTS",
    "CLONE_VOLUME",
    "PUBLISH_READONLY",
    "EXPAND_VOLUME",
    "LIST_VOLUMES_PUBLISHED_NODES",
    "GET_VOLUME",
    "SINGLE_NODE_MULTI_WRITER",
    "MODIFY_VOLUME",
    "GET_SNAPSHOT",
    "GET_VOLUME_HEALTH",
    "LIST_VOLUME_HEALTH",
)

_GROUP_CONTROLLER = ("CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT",)

_NODE = (
    "STAGE_UNSTAGE_VOLUME",
    "GET_VOLUME_STATS",
    "EXPAND_VOLUME",
    "SINGLE_NODE_MULTI_WRITER",
    "GET_VOLUME_HEALTH",
    "GET_STORAGE_HEALTH",
)

# Added in CSI 1.13.
_NEWEST = frozenset(
    {"SNAPSHOT_ACCESSIBILITY_CONSTRAINTS", "GET_VOLUME_HEALTH", "LIST_VOLUME_HEALTH", "GET_STORAGE_HEALTH"}
)


def plugin(*, newest: bool, topology: bool) -> csi_pb2.GetPluginCapabilitiesResponse:
    """Return what the plugin as a whole can do."""
    kind = csi_pb2.PluginCapability.Service
    names = _announced((*_PLUGIN, *(_TOPOLOGY if topology else ())), newest=newest)
    services = [csi_pb2.PluginCapability(service=kind(type=name)) for name in names]
    expansion = csi_pb2.PluginCapability.VolumeExpansion(type=_EXPANSION)
    return csi_pb2.GetPluginCapabilitiesResponse(
        capabilities=[*services, csi_pb2.PluginCapability(volume_expansion=expansion)]
    )


def controller(*, newest: bool) -> csi_pb2.ControllerGetCapabilitiesResponse:
    """Return what the controller service can do."""
    kind = csi_pb2.ControllerServiceCapability.RPC
    return csi_pb2.ControllerGetCapabilitiesResponse(
        capabilities=[
            csi_pb2.ControllerServiceCapability(rpc=kind(type=name)) for name in _announced(_CONTROLLER, newest=newest)
        ]
    )


def group_controller() -> csi_pb2.GroupControllerGetCapabilitiesResponse:
    """Return what the group controller service can do."""
    kind = csi_pb2.GroupControllerServiceCapability.RPC
    return csi_pb2.GroupControllerGetCapabilitiesResponse(
        capabilities=[csi_pb2.GroupControllerServiceCapability(rpc=kind(type=name)) for name in _GROUP_CONTROLLER]
    )


def node(*, newest: bool) -> csi_pb2.NodeGetCapabilitiesResponse:
    """Return what the node service can do."""
    kind = csi_pb2.NodeServiceCapability.RPC
    return csi_pb2.NodeGetCapabilitiesResponse(
        capabilities=[csi_pb2.NodeServiceCapability(rpc=kind(type=name)) for name in _announced(_NODE, newest=newest)]
    )


def _announced(names: tuple[str, ...], *, newest: bool) -> list[str]:
    return [name for name in names if newest or name not in _NEWEST]
