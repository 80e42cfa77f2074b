"""
What CSI promises of volumes and snapshots, as plain values.

Content is what stands at a few places of a volume, the rest is taken to be as untouched as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1 << 20
TAG_BYTES = 16
PLACES = (0, 64 << 10, MIB // 2, MIB - TAG_BYTES)
BLANK = (bytes(TAG_BYTES),) * len(PLACES)

Content = tuple[bytes, ...]


@dataclass
class Volume:
    """A volume that exists: how it was asked for, and what it holds by now."""

    id: str
    name: str
    asked: tuple[object, ...]
    size_bytes: int
    content: Content
    published: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that exists, and what it holds for ever."""

    id: str
    name: str
    source: str
    size_bytes: int
    content: Content
    group: str = ""


@dataclass(frozen=True)
class Group:
    """Snapshots of several volumes at one moment."""

    id: str
    name: str
    sources: frozenset[str]
    members: frozenset[str]


@dataclass
class Model:
    """All that there is to be."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def volume_named(self, name: str) -> Volume | None:
        """The volume of that name, if there is one now."""
        return next((volume for volume in self.volumes.values() if volume.name == name), None)

    def snapshot_named(self, name: str) -> Snapshot | None:
        """The snapshot of that name, if there is one now."""
        singles = (snapshot for snapshot in self.snapshots.values() if not snapshot.group)
        return next((snapshot for snapshot in singles if snapshot.name == name), None)

    def group_named(self, name: str) -> Group | None:
        """The group of that name, if there is one now."""
        return next((group for group in self.groups.values() if group.name == name), None)


def written(content: Content, place: int, tag: bytes) -> Content:
    """Return the content with one place changed."""
    return (*content[:place], tag, *content[place + 1 :])
