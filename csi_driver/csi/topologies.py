"""Where nodes and volumes are, in requests and responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csi_driver.csi import fields
from csi_driver.proto import csi_pb2
from csi_driver.storage.model import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping


def requirement(wanted: csi_pb2.TopologyRequirement) -> Topology:
    """Read a TopologyRequirement; one that was not given asks for nothing."""
    field = "accessibility_requirements"
    return Topology(
        requisite=tuple(segments(f"{field}.requisite", term) for term in wanted.requisite),
        preferred=tuple(segments(f"{field}.preferred", term) for term in wanted.preferred),
    )


def segments(field: str, topology: csi_pb2.Topology) -> dict[str, str]:
    """Read the segments of one Topology."""
    return fields.mapping(f"{field}.segments", topology.segments)


def accessible(segments: Mapping[str, str]) -> list[csi_pb2.Topology]:
    """Return from where something can be reached; without segments that is everywhere, which goes without saying."""
    return [csi_pb2.Topology(segments=segments)] if segments else []
