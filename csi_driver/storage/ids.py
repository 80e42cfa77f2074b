"""
The names by which volumes, snapshots, nodes and initiators are known.

They go out to callers and come back years later, so each form is parsed strictly and round-trips
exactly. What does not parse names nothing that exists: parsing raises `NOT_FOUND`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import zlib
from dataclasses import dataclass
from typing import ClassVar, Self

from csi_driver.config_fields import HOST_NAME
from csi_driver.errors import DriverError, ErrorCode

NODE_ID_MAX_BYTES = 192
IQN_MAX_BYTES = 223  # RFC 7143, 4.2.7.1
INITIATOR_PREFIX = "iqn.1994-09.org.freebsd.csi"

_SHOWN_CHARACTERS = 80
_UUID = re.compile(r"[0-9a-f]{32}")
_NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_CHECKSUM = re.compile(r"[0-9a-f]{8}")
_IQN_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class HostedId:
    """Something on a storage host: the host's configured name, and the uuid which that host chose."""

    what: ClassVar[str]

    host: str
    uuid: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<host>:<uuid>`; anything else raises `NOT_FOUND`."""
        host, colon, uuid = text.partition(":")
        if not (colon and HOST_NAME.fullmatch(host) and _UUID.fullmatch(uuid)):
            message = (
                f"there is no {cls.what} {_shown(text)}: "
                f"a {cls.what} id has the form <storage host>:<32 hexadecimal digits>"
            )
            raise DriverError(ErrorCode.NOT_FOUND, message, option=cls.field())
        return cls(host, uuid)

    @classmethod
    def field(cls) -> str:
        """Return what requests call an id of this kind."""
        return f"{cls.what.replace(' ', '_')}_id"

    def __str__(self) -> str:
        return f"{self.host}:{self.uuid}"


@dataclass(frozen=True, slots=True, order=True)
class VolumeId(HostedId):
    """A volume."""

    what: ClassVar[str] = "volume"

    @property
    def serial(self) -> str:
        """The SCSI serial number of the volume's LUN."""
        return self.uuid[:16]


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId(HostedId):
    """A snapshot of a volume; it lies on the volume's host."""

    what: ClassVar[str] = "snapshot"


@dataclass(frozen=True, slots=True, order=True)
class GroupId(HostedId):
    """Snapshots that were taken together; they lie on the host of their volumes."""

    what: ClassVar[str] = "group snapshot"


@dataclass(frozen=True, slots=True)
class NodeId:
    """A node: its name, which is its identity, and the addresses it reaches storage from."""

    name: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        problem = _node_problem(self.name, self.addresses)
        if problem:
            raise DriverError(ErrorCode.INVALID, problem, option="node_id")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>@<address>[,<address>…]#<checksum>`; anything else raises `NOT_FOUND`."""
        body, _, checksum = text.rpartition("#")
        name, _, addresses = body.partition("@")
        if _CHECKSUM.fullmatch(checksum) and checksum == _checksum(body):
            parts = tuple(addresses.split(","))
            if _node_problem(name, parts) is None:
                return cls(name, parts)
        message = f"there is no node {_shown(text)}: this is not a node id made by this driver"
        raise DriverError(ErrorCode.NOT_FOUND, message, option="node_id")

    def __str__(self) -> str:
        body = self._body
        return f"{body}#{_checksum(body)}"

    @property
    def _body(self) -> str:
        return f"{self.name}@{','.join(self.addresses)}"


def initiator_name(cluster: str, node_name: str) -> str:
    """
    Return the iSCSI name under which a node of the cluster logs in; the same on every side.

    RFC 3722 allows lower-case letters, digits, `.`, `-` and `:`. A node name that holds anything
    else, or makes the whole too long, is replaced by a readable part and a hash.
    """
    name = node_name.lower()
    whole = f"{INITIATOR_PREFIX}:{cluster}:{name}"
    if _IQN_NODE.fullmatch(name) and len(whole) <= IQN_MAX_BYTES:
        return whole
    readable = re.sub(r"[^a-z0-9.-]+", "-", name)[:40].strip("-.") or "node"
    digest = hashlib.sha256(node_name.encode()).hexdigest()[:16]
    return f"{INITIATOR_PREFIX}:{cluster}:{readable}:{digest}"


def _node_problem(name: str, addresses: tuple[str, ...]) -> str | None:
    if not _NODE_NAME.fullmatch(name):
        return (
            f"node name {_shown(name)}: only ASCII letters, digits, '.', '_' and '-' are allowed, "
            "with a letter or digit first and last; set node.name or NODE_NAME"
        )
    if not addresses:
        return f"node {name} has no storage address; set node.addresses"
    for address in addresses:
        if not _is_canonical_address(address):
            return f"node {name}: {_shown(address)} is not a plain IPv4 or IPv6 address"
    size = len(name) + len(",".join(addresses)) + len("@#") + 8
    if size > NODE_ID_MAX_BYTES:
        return (
            f"node {name}: its id would be {size} bytes long, the limit is {NODE_ID_MAX_BYTES}; "
            "use a shorter node.name or fewer node.addresses"
        )
    return None


def _is_canonical_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return str(address) == text and "%" not in text


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogatepass')):08x}"


def _shown(text: str) -> str:
    """Quote foreign text for a message: one line, ASCII, not longer than needed."""
    fits = len(text) <= _SHOWN_CHARACTERS
    return ascii(text if fits else f"{text[:_SHOWN_CHARACTERS]}...")
