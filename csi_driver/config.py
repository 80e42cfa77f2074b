"""
The configuration: one YAML file, read once, checked whole, then frozen.

Every problem found is told at once, each with the path of the field and the remedy. Knows no other
part of the driver.
"""

from __future__ import annotations

import itertools
import socket
import stat
from collections.abc import Hashable, Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from csi_driver import config_fields as fields

DEFAULT_PATH = Path("/etc/csi-driver/config.yml")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one line for each reason."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _scalar_text(value: object) -> object:
    """Let `thin: false` and `blockSize: 4096` stand for the strings a StorageClass would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StorageHost(_Section):
    """
    One parent dataset on a FreeBSD host: how to reach it (named as in Ansible's inventory), and what is ours.

    `topology` is where its volumes can be reached from; nothing means from everywhere. A `drained` host
    gets no new volumes; a `retired` one is gone for good, and what was on it with it.
    """

    ansible_host: Annotated[str, fields.matching(fields.ADDRESS, "give a host name or an IP address")]
    ansible_port: Annotated[int, Field(ge=1, le=65535)] = 22
    ansible_user: Annotated[str, fields.matching(fields.USER, "give the name of a user")]
    ansible_ssh_private_key_file: fields.AbsolutePath
    ansible_python_interpreter: fields.AbsolutePath = "/usr/local/bin/python3"
    host_key: Annotated[str, AfterValidator(fields.host_key)]
    privilege: fields.Privilege = "none"
    parent: Annotated[str, fields.matching(fields.DATASET, "give a dataset below a pool, such as tank/csi")]
    settings_dir: fields.AbsolutePath = "/usr/local/etc/freebsd-storage"
    portal_group: Annotated[
        str, fields.matching(fields.PORTAL_GROUP, "give the name of a portal-group of ctl.conf")
    ] = "csi"
    portals: Annotated[tuple[fields.Portal, ...], Field(min_length=1)]
    owner: fields.Owner | None = None
    topology: fields.Segments = Field(default_factory=dict)
    drained: bool = False
    retired: bool = False

    @property
    def machine(self) -> tuple[str, int]:
        """Where its SSH server listens."""
        return self.ansible_host, self.ansible_port

    @property
    def pool(self) -> str:
        """The pool that holds the parent dataset."""
        return self.parent.partition("/")[0]


class StorageHosts(_Section):
    """The storage hosts by name, in the form of an Ansible inventory group."""

    hosts: Annotated[Mapping[str, StorageHost], BeforeValidator(fields.host_names)] = Field(default_factory=dict)


class Node(_Section):
    """The node a plugin runs on; what is not given is found out by the node service."""

    name: str | None = None
    addresses: tuple[Annotated[str, AfterValidator(fields.node_address)], ...] = ()
    max_volumes: Annotated[int, Field(ge=0)] = 0
    topology: fields.Segments = Field(default_factory=dict)


class Ansible(_Section):
    """How playbooks are run: `rung` is the fastest way that may be used, `auto` the fastest there is."""

    rung: Literal["auto", "standby", "forked", "plain"] = "auto"


class Monitoring(_Section):
    """Where this process is watched over HTTP: nowhere unless `listen` names an `address:port`."""

    listen: Annotated[str, AfterValidator(fields.listen_address)] | None = None


class Health(_Section):
    """What counts as unwell: how full a pool, a parent dataset or a filesystem may be before it is told, in percent."""

    nearly_full_percent: Annotated[int, Field(ge=1, le=100)] = 90


class Config(_Section):
    """Everything the driver is told."""

    cluster: fields.Owner
    defaults: Mapping[str, Annotated[str, BeforeValidator(_scalar_text)]] = Field(default_factory=dict)
    storage_hosts: StorageHosts = StorageHosts()
    node: Node = Node()
    ansible: Ansible = Ansible()
    health: Health = Health()
    metrics: Monitoring = Monitoring()
    alpha_capabilities: bool = False

    @property
    def hosts(self) -> Mapping[str, StorageHost]:
        """The storage hosts by name, those that are retired too."""
        return self.storage_hosts.hosts

    @property
    def hosts_in_service(self) -> Mapping[str, StorageHost]:
        """The storage hosts that are not retired: only they are ever asked for anything."""
        return {name: host for name, host in self.hosts.items() if not host.retired}

    @property
    def topology_keys(self) -> frozenset[str]:
        """What a node has to tell of where it is; none where every node reaches every host."""
        return frozenset(key for host in self.hosts_in_service.values() for key in host.topology)

    def owner_on(self, host: str) -> str:
        """Return the name under which our volumes are marked on a host."""
        return self.hosts[host].owner or self.cluster

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Refuse what is good for one host, but not beside another."""
        self._check_machines()
        places = [host.topology for host in self.hosts.values()] + [self.node.topology]
        prefixes = {key.rpartition("/")[0] for place in places for key in place}
        if len(prefixes) > 1:
            message = f"topology: all keys need the same prefix, not {' and '.join(sorted(map(repr, prefixes)))}"
            raise ValueError(message)
        return self

    def _check_machines(self) -> None:
        for (one, first), (other, second) in itertools.combinations(self.hosts_in_service.items(), 2):
            if first.machine != second.machine and first.host_key != second.host_key:
                continue
            if problem := _neighbours(first, second, same_owner=self.owner_on(one) == self.owner_on(other)):
                message = f"storage_hosts.hosts.{other}: it is on the same machine as {one}; {problem}"
                raise ValueError(message)


def _neighbours(first: StorageHost, second: StorageHost, *, same_owner: bool) -> str | None:
    """Return why two entries cannot be for one machine; it has one lock, and one section of ctl.conf for each owner."""
    if same_owner:
        return "give it an owner of its own, such as owner: <cluster>-<pool>"
    if first.settings_dir != second.settings_dir:
        return f"use the same settings_dir, {first.settings_dir}, for the lock is there"
    paths = PurePosixPath(first.parent), PurePosixPath(second.parent)
    if paths[0].is_relative_to(paths[1]) or paths[1].is_relative_to(paths[0]):
        return f"{second.parent} and {first.parent} must not be the same, nor one below the other"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the pod injects through environment variables."""

    config_path: Path = DEFAULT_PATH
    endpoint: str | None = None
    node_name: str
    topology: Mapping[str, str] = field(default_factory=dict)
    sysfs: Path = Path("/sys")
    dev: Path = Path("/dev")
    root: Path = Path("/")

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """
        Read CSI_DRIVER_CONFIG, CSI_ENDPOINT, NODE_NAME (default: this machine's name) and NODE_TOPOLOGY.

        NODE_TOPOLOGY is `key=value`, several separated by commas; raises `ConfigError`. CSI_NODE_SYSFS
        and CSI_NODE_DEV are for containers that see the node's /sys and /dev elsewhere, HOST_ROOT for its /.
        """
        return cls(
            config_path=Path(variables.get("CSI_DRIVER_CONFIG") or DEFAULT_PATH),
            endpoint=variables.get("CSI_ENDPOINT") or None,
            node_name=variables.get("NODE_NAME") or socket.gethostname(),
            topology=_segments(variables.get("NODE_TOPOLOGY") or ""),
            sysfs=Path(variables.get("CSI_NODE_SYSFS") or "/sys"),
            dev=Path(variables.get("CSI_NODE_DEV") or "/dev"),
            root=Path(variables.get("HOST_ROOT") or "/"),
        )


def _segments(text: str) -> Mapping[str, str]:
    pairs = [pair.partition("=")[::2] for pair in text.split(",") if pair]
    try:
        return fields.segments(dict(pairs))
    except ValueError as error:
        message = f"NODE_TOPOLOGY: {error}"
        raise ConfigError(message) from error


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
        for name, host in config.hosts_in_service.items()
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
            # What concerns several sections names them itself.
            return f"{path}: {problem['ctx']['error']}" if path else str(problem["ctx"]["error"])
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
