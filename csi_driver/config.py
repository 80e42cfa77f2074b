"""
The configuration: one YAML file, read once, checked whole, then frozen.

Every problem found is told at once, each with the path of the field and the remedy. Knows no other
part of the driver.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import socket
import stat
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

DEFAULT_PATH = Path("/etc/csi-driver/config.yml")

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
# People's own playbooks, and the marker of the portal group in ctl.conf.
_RESERVED_OWNERS = frozenset({"ansible", "portal-group"})
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9][A-Za-z0-9_.:-]*)+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PORTAL_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?|::[0-9a-fA-F:.]*")
_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one line for each reason."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _matching(pattern: re.Pattern[str], remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            message = f"{value!r} is not allowed; {remedy}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _check_cluster(value: str) -> str:
    if value in _RESERVED_OWNERS:
        message = f"{value!r} is reserved; choose another name"
        raise ValueError(message)
    return value


def _check_absolute(value: str) -> str:
    if not PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
        message = f"{value!r} is not an absolute path without '..'"
        raise ValueError(message)
    if any(not character.isprintable() for character in value):
        message = f"{value!r} holds unprintable characters"
        raise ValueError(message)
    return value


def _check_host_key(value: str) -> str:
    fields = value.split()
    if "\n" in value.strip() or len(fields) < 2 or fields[0] not in _KEY_TYPES:  # noqa: PLR2004
        message = (
            f"not an SSH host key; give '<type> <base64>' on one line, with a type of "
            f"{', '.join(_KEY_TYPES)} (ssh-keyscan prints it after the host's name)"
        )
        raise ValueError(message)
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except binascii.Error as error:
        message = "the second word is not base64; copy the whole key"
        raise ValueError(message) from error
    # RFC 4253, 6.6: the key opens with its own type, length first.
    if not blob[4:].startswith(fields[0].encode()):
        message = f"the key itself is not of the type {fields[0]}; copy the whole line"
        raise ValueError(message)
    return f"{fields[0]} {fields[1]}"


def _check_portal(value: str) -> str:
    address, _, port = value.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 2**16
    if not is_port or not _is_portal_address(address):
        message = (
            f"{value!r} is not a portal; write the address that nodes connect to, such as "
            "192.0.2.10:3260 or [2001:db8::10]:3260"
        )
        raise ValueError(message)
    return value


def _check_listen(value: str) -> str:
    address, _, port = value.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        written = bracketed == (ipaddress.ip_address(address[1:-1] if bracketed else address).version == 6)  # noqa: PLR2004
    except ValueError:
        written = False
    if not (written and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        message = f"{value!r} cannot be listened on; write an address of this machine and a port, such as 0.0.0.0:9809"
        raise ValueError(message)
    return value


def _is_portal_address(text: str) -> bool:
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.ip_address(text[1:-1] if bracketed else text)
    except ValueError:
        return False
    usable = not address.is_unspecified and "%" not in text
    return usable and bracketed == (address.version == 6)  # noqa: PLR2004


def _check_node_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        message = f"{value!r} is not an IP address"
        raise ValueError(message) from error


def _check_host_names(value: object) -> object:
    for name in value if isinstance(value, Mapping) else ():
        if not (isinstance(name, str) and HOST_NAME.fullmatch(name)):
            message = (
                f"{name!r} cannot name a storage host: use at most 63 lower-case letters, digits, "
                "'.' and '-', with a letter or digit first and last; volume ids carry this name"
            )
            raise ValueError(message)
    return value


AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]
Portal = Annotated[str, AfterValidator(_check_portal)]
Privilege = Literal["none", "sudo", "doas"]


def _scalar_text(value: object) -> object:
    """Let `thin: false` and `blockSize: 4096` stand for the strings a StorageClass would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StorageHost(_Section):
    """One FreeBSD host: how to reach it (named as in Ansible's inventory), and what is ours."""

    ansible_host: Annotated[str, _matching(_ADDRESS, "give a host name or an IP address")]
    ansible_port: Annotated[int, Field(ge=1, le=65535)] = 22
    ansible_user: Annotated[str, _matching(_USER, "give the name of a user")]
    ansible_ssh_private_key_file: AbsolutePath
    ansible_python_interpreter: AbsolutePath = "/usr/local/bin/python3"
    host_key: Annotated[str, AfterValidator(_check_host_key)]
    privilege: Privilege = "none"
    parent: Annotated[str, _matching(_DATASET, "give a dataset below a pool, such as tank/csi")]
    settings_dir: AbsolutePath = "/usr/local/etc/freebsd-storage"
    portal_group: Annotated[str, _matching(_PORTAL_GROUP, "give the name of a portal-group of ctl.conf")] = "csi"
    portals: Annotated[tuple[Portal, ...], Field(min_length=1)]

    @property
    def pool(self) -> str:
        """The pool that holds the parent dataset."""
        return self.parent.partition("/")[0]


class StorageHosts(_Section):
    """The storage hosts by name, in the form of an Ansible inventory group."""

    hosts: Annotated[Mapping[str, StorageHost], BeforeValidator(_check_host_names)] = Field(default_factory=dict)


class Node(_Section):
    """The node a plugin runs on; what is not given is found out by the node service."""

    name: str | None = None
    addresses: tuple[Annotated[str, AfterValidator(_check_node_address)], ...] = ()
    max_volumes: Annotated[int, Field(ge=0)] = 0


class Ansible(_Section):
    """How playbooks are run: `rung` is the fastest way that may be used, `auto` the fastest there is."""

    rung: Literal["auto", "standby", "forked", "plain"] = "auto"


class Monitoring(_Section):
    """Where this process is watched over HTTP: nowhere unless `listen` names an `address:port`."""

    listen: Annotated[str, AfterValidator(_check_listen)] | None = None


class Health(_Section):
    """What counts as unwell: how full a pool, a parent dataset or a filesystem may be before it is told, in percent."""

    nearly_full_percent: Annotated[int, Field(ge=1, le=100)] = 90


class Config(_Section):
    """Everything the driver is told."""

    cluster: Annotated[
        str,
        _matching(
            _CLUSTER,
            "use at most 32 lower-case letters, digits and '-', a letter or digit first and last",
        ),
        AfterValidator(_check_cluster),
    ]
    defaults: Mapping[str, Annotated[str, BeforeValidator(_scalar_text)]] = Field(default_factory=dict)
    storage_hosts: StorageHosts = StorageHosts()
    node: Node = Node()
    ansible: Ansible = Ansible()
    health: Health = Health()
    metrics: Monitoring = Monitoring()
    alpha_capabilities: bool = False

    @property
    def hosts(self) -> Mapping[str, StorageHost]:
        """The storage hosts by name."""
        return self.storage_hosts.hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the pod injects through environment variables."""

    config_path: Path = DEFAULT_PATH
    endpoint: str | None = None
    node_name: str
    sysfs: Path = Path("/sys")
    dev: Path = Path("/dev")

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """
        Read CSI_DRIVER_CONFIG, CSI_ENDPOINT and NODE_NAME (default: this machine's name).

        CSI_NODE_SYSFS and CSI_NODE_DEV are for containers that see the node's /sys and /dev elsewhere.
        """
        return cls(
            config_path=Path(variables.get("CSI_DRIVER_CONFIG") or DEFAULT_PATH),
            endpoint=variables.get("CSI_ENDPOINT") or None,
            node_name=variables.get("NODE_NAME") or socket.gethostname(),
            sysfs=Path(variables.get("CSI_NODE_SYSFS") or "/sys"),
            dev=Path(variables.get("CSI_NODE_DEV") or "/dev"),
        )


def load(path: Path) -> Config:
    """Read and check the file; raise `ConfigError` with everything that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {error}; give the right file with --config"
        raise ConfigError(message) from error
    try:
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        message = f"{path}: not valid YAML: {' '.join(str(error).split())}"
        raise ConfigError(message) from error
    return parse(document)


def parse(document: object) -> Config:
    """Check a configuration that was already read; raise `ConfigError` as `load` does."""
    if not isinstance(document, dict):
        message = "the configuration is not a mapping; it starts with 'cluster: <name>'"
        raise ConfigError(message)
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(*_all_told(error)) from error


def warnings(config: Config) -> tuple[str, ...]:
    """Tell what is allowed but will fail or is unsafe, as seen from this machine."""
    return tuple(
        f"storage_hosts.hosts.{name}.ansible_ssh_private_key_file: {problem}"
        for name, host in config.hosts.items()
        if (problem := _identity_problem(Path(host.ansible_ssh_private_key_file)))
    )


def _identity_problem(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}; no run on this host can succeed"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return f"{path} can be read by others, so ssh may refuse it; chmod 600 {path}"
    return None


def _all_told(error: ValidationError) -> list[str]:
    """Tell each problem once: not that a list is too short because one of its items is wrong."""
    found = error.errors()
    outer = {problem["loc"][:-1] for problem in found}
    return [
        _told(problem["loc"], problem)
        for problem in found
        if not (problem["type"] == "too_short" and problem["loc"] in outer)
    ]


def _told(location: tuple[int | str, ...], problem: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in location)
    match problem["type"]:
        case "extra_forbidden":
            return f"{path}: unknown key; remove it or correct its spelling"
        case "missing":
            return f"{path}: required, but not given"
        case "value_error":
            return f"{path}: {problem['ctx']['error']}"
        case _:
            return f"{path}: {problem['msg']}"


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key given twice, which plain YAML readers resolve silently to the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
