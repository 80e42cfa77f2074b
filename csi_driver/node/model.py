"""What the node side is asked for and what it answers. Volume ids are opaque strings here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.storage.ids import NodeId
    from csi_driver.storage.model import AccessMode, BlockAccess, Chap, MountAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiAttachment:
    """
    Where to find a volume: one LUN of one target, and the serial number it must show.

    `portals` are `address:port`, IPv6 addresses in brackets. `target` ends in a secret token.
    """

    portals: tuple[str, ...]
    target: str
    lun: int
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRequest:
    """
    Make a volume ready on this node, at `staging_path`, a directory that is there already.

    `chap` is what its target is to be logged in to with, if it asks for that.
    """

    volume_id: str
    staging_path: str
    access: MountAccess | BlockAccess
    mode: AccessMode
    attachment: IscsiAttachment
    readonly: bool = False
    chap: Chap | None = None

    @property
    def is_readonly(self) -> bool:
        """Whether nothing may be written through this staging."""
        return self.readonly or self.mode.is_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """Show a staged volume at `target_path`, whose parent directory is there already."""

    volume_id: str
    staging_path: str
    target_path: str
    access: MountAccess | BlockAccess
    mode: AccessMode
    readonly: bool = False

    @property
    def is_readonly(self) -> bool:
        """Whether nothing may be written through this publication."""
        return self.readonly or self.mode.is_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of something there is; `used` and `available` need not add up to `total`."""

    total: int
    used: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStats:
    """The size of a volume, in bytes. Of a raw block volume only the total size is known."""

    total_bytes: int
    usage_bytes: Usage | None = None
    usage_inodes: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCondition:
    """
    Something that ails this node's way to its storage; `unreachable` if nothing gets through any more.

    `reason` is one CamelCase word for programs, `message` is for people.
    """

    unreachable: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """Who and where this node is; `max_volumes` 0 leaves the limit to the caller."""

    node_id: NodeId
    max_volumes: int
    topology: Mapping[str, str] = field(default_factory=dict)
