# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What ctl.conf says, whatever its grammar: portal-groups, auth-groups, LUNs and targets.

An `Entry` is what stands or falls as one: it is added, refused, and taken back whole. A publication
is one, and says an auth-group, a LUN and a target; an object that a person named is one as well.
Names here are those in ctl.conf. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Union

from .model import Chap, Export


class AuthGroup(NamedTuple):
    """Who may log in: of these `initiators`, if there are any, from these `networks`, with one of these `chap`."""

    name: str
    initiators: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    chap: tuple[Chap, ...] = ()

    @property
    def key(self) -> str:
        """By which it is known among entries."""
        return f"auth-group {self.name}"


class PortalGroup(NamedTuple):
    """Where initiators connect, each `listen` an address with or without a port; and who may ask what there is."""

    name: str
    listen: tuple[str, ...]
    discovery_auth_group: str = "no-access"
    discovery_filter: str = "none"

    @property
    def key(self) -> str:
        """By which it is known among entries."""
        return f"portal-group {self.name}"


class Lun(NamedTuple):
    """A zvol as initiators see it."""

    name: str
    path: str
    blocksize: int
    serial: str
    device_id: str
    naa: str
    readonly: bool = False


class Target(NamedTuple):
    """What an initiator logs in to; `luns` by the number it sees."""

    name: str
    auth_group: str
    portal_groups: tuple[str, ...]
    luns: Mapping[int, Lun]
    alias: str = ""

    @property
    def key(self) -> str:
        """By which it is known among entries, and in the kernel."""
        return self.name


Named = Union[PortalGroup, AuthGroup, Target]
Entry = Union[Export, Named]


class Sections(NamedTuple):
    """All sections of an owner, in the order in which they have to stand."""

    portal_groups: tuple[PortalGroup, ...]
    auth_groups: tuple[AuthGroup, ...]
    luns: tuple[Lun, ...]
    targets: tuple[Target, ...]


def sections_of(entries: Iterable[Entry]) -> Sections:
    """Return what the entries say; each LUN once, by name."""
    parts: list[Named] = []
    for entry in entries:
        parts += [auth_group_of(entry), target_of(entry)] if isinstance(entry, Export) else [entry]
    targets = tuple(part for part in parts if isinstance(part, Target))
    luns = {lun.name: lun for target in targets for lun in target.luns.values()}
    return Sections(
        portal_groups=tuple(part for part in parts if isinstance(part, PortalGroup)),
        auth_groups=tuple(part for part in parts if isinstance(part, AuthGroup)),
        luns=tuple(luns[name] for name in sorted(luns)),
        targets=targets,
    )


def auth_group_of(export: Export) -> AuthGroup:
    """Return the auth-group of a publication."""
    return AuthGroup(export.auth_group, initiators=(export.initiator,), chap=export.proof)


def target_of(export: Export) -> Target:
    """Return the target of a publication."""
    lun = Lun(
        name=export.lun,
        path=export.path,
        blocksize=export.blocksize,
        serial=export.serial,
        device_id=export.device_id,
        naa=export.naa,
        readonly=export.readonly,
    )
    return Target(export.target, export.auth_group, (export.portal_group,), {0: lun})


def texts_of_chap(chap: Chap) -> tuple[str, ...]:
    """Return every text of it that has to be written."""
    return tuple(chap) if chap.mutual_user else chap[:2]


def texts_of(named: Named) -> Iterator[str]:
    """Yield every text that has to be written."""
    yield named.name
    if isinstance(named, PortalGroup):
        yield from (*named.listen, named.discovery_auth_group, named.discovery_filter)
    elif isinstance(named, AuthGroup):
        yield from (*named.initiators, *named.networks)
        for chap in named.chap:
            yield from texts_of_chap(chap)
    else:
        yield from (named.auth_group, *named.portal_groups, *([named.alias] if named.alias else []))
        for lun in named.luns.values():
            yield from (lun.name, lun.path, lun.serial, lun.device_id, lun.naa)
