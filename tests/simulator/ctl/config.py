"""What a ctld configuration is made of, once read. No parsing, no checks, no kernel here."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

MAX_LUNS = 1024
DEFAULT_PIDFILE = "/var/run/ctld.pid"
DEFAULT_PORT = 3260


class ConfigError(Exception):
    """The configuration is refused; what ctld says about it was already logged."""


@dataclass(frozen=True)
class Credential:
    """A CHAP user's secrets; the mutual pair is empty for one-way CHAP."""

    secret: str
    mutual_user: str = ""
    mutual_secret: str = ""


@dataclass
class AuthGroup:
    """Who may log in. TYPE is None until something sets it; LABEL is how messages name it."""

    label: str
    name: str | None = None
    type: str | None = None
    users: dict[str, Credential] = field(default_factory=dict)
    initiator_names: list[str] = field(default_factory=list)
    initiator_portals: list[IPv4Network | IPv6Network] = field(default_factory=list)
    referenced: bool = False


@dataclass(frozen=True)
class Portal:
    """One listen line: the text as written identifies the socket over reloads."""

    listen: str
    host: str
    port: int
    iser: bool = False


@dataclass
class PortalGroup:
    """A set of listening addresses; TAG 0 means "assign one when applied"."""

    name: str
    tag: int = 0
    portals: list[Portal] = field(default_factory=list)
    discovery_auth_group: AuthGroup | None = None
    discovery_filter: str | None = None
    redirection: str | None = None
    offload: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    foreign: bool = False
    unassigned: bool = False
    dscp: int | None = None
    pcp: int | None = None


@dataclass
class Lun:
    """A logical unit as the file describes it; 0 and None mean "not set"; sizes in bytes."""

    name: str
    backend: str | None = None
    path: str | None = None
    blocksize: int = 0
    size: int = 0
    serial: str | None = None
    device_id: str | None = None
    device_type: int = 0
    ctl_lun: int = -1
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Target:
    """An iSCSI target; LUNS maps the number an initiator sees to the LUN."""

    name: str
    alias: str | None = None
    auth_group: AuthGroup | None = None
    luns: dict[int, Lun] = field(default_factory=dict)
    redirection: str | None = None
    physical_port: str | None = None
    ports: list[Port] = field(default_factory=list)


@dataclass
class Port:
    """A target seen through a portal group; CTL_PORT is the kernel's id once created."""

    name: str
    target: Target
    portal_group: PortalGroup
    auth_group: AuthGroup | None = None
    ctl_port: int = -1

    @property
    def dummy(self) -> bool:
        """True when the kernel gets no port for it (another node's group, or no portal)."""
        return self.portal_group.foreign or not self.portal_group.portals


@dataclass
class Config:
    """Everything one file says; dictionaries keep the file's order."""

    debug: int = 0
    timeout: int = 60
    maxproc: int = 30
    pidfile: str | None = None
    isns_period: int = 900
    isns_timeout: int = 5
    auth_groups: dict[str, AuthGroup] = field(default_factory=dict)
    portal_groups: dict[str, PortalGroup] = field(default_factory=dict)
    luns: dict[str, Lun] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)
    default_auth_group_defined: bool = False
    default_portal_group_defined: bool = False

    def find_port(self, name: str) -> Port | None:
        """Return the port of that name; names differ by more than case."""
        return self.ports.get(name.lower())

    def drop_lun(self, lun: Lun) -> None:
        """Forget LUN and take it out of every target."""
        self.luns.pop(lun.name, None)
        for target in self.targets.values():
            for number in [n for n, other in target.luns.items() if other is lun]:
                del target.luns[number]

    def drop_port(self, port: Port) -> None:
        """Forget PORT, as ctld does with one that the kernel refused."""
        self.ports.pop(port.name.lower(), None)
        port.target.ports.remove(port)


def empty() -> Config:
    """Return the configuration every file starts from: the predefined groups, still bare."""
    config = Config()
    for name, kind in (("default", None), ("no-authentication", "none"), ("no-access", "deny")):
        config.auth_groups[name] = AuthGroup(f'auth-group "{name}"', name, kind)
    config.portal_groups["default"] = PortalGroup("default")
    return config
