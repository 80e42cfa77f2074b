"""What the domain does with several storage hosts: find the one an id names, and list over all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.ids import HostedId
from csi_driver.storage.model import Listing, Snapshot, Volume, VolumeHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from csi_driver.config import Config
    from csi_driver.storage.model import Page

Item = TypeVar("Item", Volume, Snapshot, VolumeHealth)
Located = TypeVar("Located", Volume, Snapshot)
Id = TypeVar("Id", bound=HostedId)


def configured(config: Config, thing: Id) -> Id:
    """Return the id if its storage host is in service, else raise `HOST_RETIRED`."""
    if thing.host in config.hosts_in_service:
        return thing
    if thing.host in config.hosts:
        why = "is retired; what was on it is gone, so remove the object that names it"
    else:
        known = ", ".join(sorted(config.hosts)) or "none"
        why = f"is not configured; add it under storage_hosts (configured are {known})"
    message = f"{thing.what} {thing} lies on the storage host {thing.host}, which {why}"
    raise DriverError(ErrorCode.HOST_RETIRED, message, option=thing.field())


def named(config: Config, kind: type[Id], text: str) -> Id | None:
    """Return what an id can name: None when it has not the form of one."""
    try:
        thing = kind.parse(text)
    except DriverError:
        return None
    return configured(config, thing)


def starting_after(config: Config, kind: type[Id], token: str) -> Id | None:
    """
    Return after which item a list is to go on: None for an empty token.

    A token is the id of the last item seen; raises `STALE_TOKEN` for anything else.
    """
    if not token:
        return None
    try:
        last = kind.parse(token)
    except DriverError:
        last = None
    if last is None or last.host not in config.hosts_in_service:
        message = "starting_token was not made by this driver, or its storage host is gone; start again without it"
        raise DriverError(ErrorCode.STALE_TOKEN, message, option="starting_token")
    return last


def located(config: Config, item: Located) -> Located:
    """Return the item with where it can be reached from."""
    return replace(item, topology=config.hosts[item.id.host].topology)


def listing(
    hosts: Iterable[str],
    read: Callable[[str, str | None, int], Page[Item]],
    *,
    start: HostedId | None,
    max_entries: int,
) -> Listing[Item]:
    """
    Return up to `max_entries` (0: all) items after `start`, over all hosts; never a part of them.

    `read` is given a host, the uuid to start after, and how many items there is room for (0: all).
    """
    ordered = sorted(hosts)
    found: list[Item] = []
    for host in ordered:
        if start is not None and host < start.host:
            continue
        after = start.uuid if start is not None and host == start.host else None
        page = read(host, after, max_entries - len(found) if max_entries else 0)
        found += page.items
        if page.next_after is not None:
            return Listing(items=tuple(found), next_token=str(page.next_after))
        if max_entries and len(found) == max_entries and host != ordered[-1]:
            return Listing(items=tuple(found), next_token=str(found[-1].id))
    return Listing(items=tuple(found), next_token="")
