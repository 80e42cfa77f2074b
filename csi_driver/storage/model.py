"""
The values the driver thinks in. Frozen, validated where they enter, plain inside.

Sizes are bytes, times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from csi_driver.storage.ids import GroupId, HostedId, NodeId, SnapshotId, VolumeId

Item = TypeVar("Item")


class Protocol(StrEnum):
    """How a volume reaches its nodes."""

    ISCSI = "iscsi"


class CloneMode(StrEnum):
    """Whether a volume shares the blocks of its source at first, or has copies of its own from the start."""

    CLONE = "clone"
    COPY = "copy"


class AccessMode(StrEnum):
    """Who may use a volume at once; CSI's VolumeCapability.AccessMode in words."""

    SINGLE_NODE_WRITER = "single_node_writer"
    SINGLE_NODE_READER_ONLY = "single_node_reader_only"
    MULTI_NODE_READER_ONLY = "multi_node_reader_only"
    MULTI_NODE_SINGLE_WRITER = "multi_node_single_writer"
    MULTI_NODE_MULTI_WRITER = "multi_node_multi_writer"
    SINGLE_NODE_SINGLE_WRITER = "single_node_single_writer"
    SINGLE_NODE_MULTI_WRITER = "single_node_multi_writer"

    @property
    def is_reader(self) -> bool:
        """Whether the volume is only read."""
        return self.value.endswith("_reader_only")


@dataclass(frozen=True, slots=True)
class MountAccess:
    """A volume used through a filesystem; an empty `fs_type` leaves the choice to the driver."""

    fs_type: str = ""
    mount_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockAccess:
    """A volume used as a raw block device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCapability:
    """How someone wants to use a volume: through what, and together with whom."""

    access: MountAccess | BlockAccess
    mode: AccessMode


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """The key of an encrypted volume as the caller gave it: a secret, shown by nothing."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How a volume is encrypted; `unload_key`: its key is not to stay while the volume is not published."""

    cipher: str
    keyformat: str
    unload_key: bool


class ChapKind(StrEnum):
    """Who proves itself at a login: nobody, the node, or the storage host too."""

    NONE = "none"
    ONE_WAY = "one-way"
    MUTUAL = "mutual"


@dataclass(frozen=True, slots=True)
class Chap:
    """What a node proves itself with and, for mutual CHAP, the storage host: secrets, shown by nothing."""

    user: str
    secret: str = field(repr=False)
    mutual_user: str = ""
    mutual_secret: str = field(default="", repr=False)

    @property
    def kind(self) -> ChapKind:
        """For which kind of CHAP this is."""
        return ChapKind.MUTUAL if self.mutual_user else ChapKind.ONE_WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """
    What a volume is to be like, apart from its name and size.

    `properties` are ZFS properties given to the volume; `attributes` are kept with the volume and
    handed back unchanged as its volume context (`protocol`, `fsType`). `encryption` None leaves it to
    the dataset the volume lies below. `clone_mode` is how one that is made from another, or from a
    snapshot, comes to its content. `chap` is how nodes have to log in; None: nothing was said of it.
    """

    protocol: Protocol = Protocol.ISCSI
    thin: bool = True
    volblocksize: int = 16384
    blocksize: int = 512
    clone_mode: CloneMode = CloneMode.CLONE
    properties: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    encryption: Encryption | None = None
    chap: ChapKind | None = None


@dataclass(frozen=True, slots=True)
class FromSnapshot:
    """A new volume is to hold what a snapshot holds; the id is as the caller gave it."""

    snapshot_id: str


@dataclass(frozen=True, slots=True)
class FromVolume:
    """A new volume is to hold what another volume holds now; the id is as the caller gave it."""

    volume_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """
    From where a volume has to be reached: from all nodes of one of the `requisite` terms, if there are any.

    A term holds the segments of its nodes. Those `preferred` come first, in their order.
    """

    requisite: tuple[Mapping[str, str], ...] = ()
    preferred: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVolume:
    """
    A volume that a caller asks for, in the caller's words; `limit_bytes` 0 means no upper limit.

    Where `mutable_parameters` and `parameters` differ, the former count.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    mutable_parameters: Mapping[str, str] = field(default_factory=dict)
    required_bytes: int = 0
    limit_bytes: int = 0
    capabilities: tuple[VolumeCapability, ...] = ()
    source: FromSnapshot | FromVolume | None = None
    key: EncryptionKey | None = None
    topology: Topology = field(default_factory=Topology)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """
    How a host that is asked for a volume stands among the others that may be asked.

    `seen` are those that have none of that name now, `unseen` those that cannot be asked. If the host
    refuses for good and `passes_on`, another one is asked. A `closed` host makes no new volume.
    """

    seen: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()
    passes_on: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRequest:
    """A volume someone wants on a host; `limit_bytes` 0 means no upper limit."""

    name: str
    spec: VolumeSpec
    required_bytes: int
    limit_bytes: int = 0
    source: SnapshotId | VolumeId | None = None
    key: EncryptionKey | None = None
    placement: Placement = Placement()


@dataclass(frozen=True, slots=True, kw_only=True)
class Modification:
    """What a volume is to be like from now on: these ZFS properties, and `thin` or not (None: as it is)."""

    properties: Mapping[str, str] = field(default_factory=dict)
    thin: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One volume exported to one node, as the storage host has it. `target` ends in a secret token."""

    node: str
    mode: AccessMode
    readonly: bool
    protocol: Protocol
    target: str
    lun: int
    chap: ChapKind = ChapKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRequest:
    """A volume someone wants exported to one node."""

    node: NodeId
    mode: AccessMode
    readonly: bool
    key: EncryptionKey | None = None
    chap: Chap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume as the storage host has it; it can be reached from nodes that have all the segments of `topology`."""

    id: VolumeId
    name: str
    size_bytes: int
    attributes: Mapping[str, str]
    publications: tuple[Publication, ...] = ()
    source: SnapshotId | VolumeId | None = None
    topology: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    A snapshot as the storage host has it; `size_bytes` is the least size of a volume made from it.

    `group` if it was taken together with others: it is deleted with them only.
    """

    id: SnapshotId
    source: VolumeId
    size_bytes: int
    created: int
    ready: bool
    group: GroupId | None = None
    topology: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSnapshot:
    """Snapshots of several volumes, all of one moment; not `ready` when some of them are gone."""

    id: GroupId
    snapshots: tuple[Snapshot, ...]
    created: int
    ready: bool


class HealthStatus(StrEnum):
    """How bad something is: usable but not as it should be, not usable, or data is lost."""

    DEGRADED = "degraded"
    INACCESSIBLE = "inaccessible"
    DATA_LOSS = "data_loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """
    Something that ails a volume. `reason` is one CamelCase word for programs, `message` for people.

    docs/operations.md lists all reasons.
    """

    status: HealthStatus
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHealth:
    """What ails a volume, each thing once; nothing if it is well."""

    id: VolumeId
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFilter:
    """Which snapshots are meant: that one, those of that volume, both, or all."""

    snapshot: SnapshotId | None = None
    source: VolumeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of what a host has, in id order; `next_after` is the last id when there may be more."""

    items: tuple[Item, ...]
    next_after: HostedId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Item]):
    """Some of what all hosts have, in id order; `next_token` is empty when there are no more."""

    items: tuple[Item, ...]
    next_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Room on a storage host, in bytes."""

    available_bytes: int
    maximum_volume_bytes: int
