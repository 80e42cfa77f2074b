"""
Parameters of classes: strings from outside become a typed value, or an error that names the key.

Keys under `csi.storage.k8s.io/` belong to the sidecars and are ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import ChapKind, CloneMode, Encryption, Modification, Protocol, VolumeSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

SIDECAR_PREFIX = "csi.storage.k8s.io/"
MIN_VOLBLOCKSIZE = 512
MAX_VOLBLOCKSIZE = 16 << 20
_SHOWN_CHARACTERS = 60

_COMPRESSION = re.compile(
    r"on|off|lz4|lzjb|zle|gzip(-[1-9])?|zstd(-([1-9]|1[0-9]))?|zstd-fast(-([1-9]|10|[2-9]0|100|500|1000))?"
)

Cache = Literal["all", "metadata", "none"]
Flag = Literal["true", "false"]
Cipher = Literal["off", "on", "aes-128-ccm", "aes-192-ccm", "aes-256-ccm", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"]
KeyFormat = Literal["passphrase", "hex", "raw"]


def _check_compression(value: str) -> str:
    if not _COMPRESSION.fullmatch(value):
        message = "allowed are on, off, lz4, lzjb, zle, gzip, gzip-1 to gzip-9, zstd, zstd-1 to zstd-19, zstd-fast-N"
        raise ValueError(message)
    return value


def _check_volblocksize(value: str) -> str:
    size = int(value) if value.isascii() and value.isdigit() else 0
    if not MIN_VOLBLOCKSIZE <= size <= MAX_VOLBLOCKSIZE or size & (size - 1):
        message = f"give bytes, a power of two from {MIN_VOLBLOCKSIZE} to {MAX_VOLBLOCKSIZE}, such as 16384"
        raise ValueError(message)
    return value


class MutableParameters(BaseModel):
    """
    The parameters that can be changed later, as a VolumeAttributesClass has them.

    Property values are those of zfsprops(7). What is not given stays as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    thin: Flag | None = None
    checksum: Literal["on", "off", "fletcher2", "fletcher4", "sha256", "sha512", "skein", "edonr", "blake3"] | None = (
        None
    )
    compression: Annotated[str, AfterValidator(_check_compression)] | None = None
    copies: Literal["1", "2", "3"] | None = None
    dedup: Literal["on", "off", "verify", "sha256", "sha512", "skein", "blake3"] | None = None
    logbias: Literal["latency", "throughput"] | None = None
    primarycache: Cache | None = None
    redundant_metadata: Literal["all", "most", "some", "none"] | None = None
    secondarycache: Cache | None = None
    sync: Literal["standard", "always", "disabled"] | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The ZFS properties that are given."""
        return {name: value for name in ZFS_PROPERTIES if (value := getattr(self, name)) is not None}

    @property
    def modification(self) -> Modification:
        """What a volume is to be like from now on."""
        return Modification(properties=self.properties, thin=None if self.thin is None else self.thin == "true")


MUTABLE = tuple(sorted(MutableParameters.model_fields))
ZFS_PROPERTIES = tuple(name for name in MUTABLE if name != "thin")


class Parameters(MutableParameters):
    """
    The parameters of a StorageClass, each a string as Kubernetes has them.

    What is not given follows the pool's own setting for ZFS properties, and the defaults here for
    the rest.
    """

    protocol: Literal["iscsi"] = "iscsi"
    host: str | None = None
    pool: str | None = None
    fs_type: Literal["ext4", "xfs"] = Field(default="ext4", alias="fsType")
    block_size: Literal["512", "4096"] = Field(default="512", alias="blockSize")
    volblocksize: Annotated[str, AfterValidator(_check_volblocksize)] = "16384"
    thin: Flag = "true"
    encryption: Cipher | None = None
    key_format: KeyFormat | None = Field(default=None, alias="keyFormat")
    unload_key: Flag | None = Field(default=None, alias="unloadKey")
    clone_mode: Literal["clone", "copy"] = Field(default="clone", alias="cloneMode")
    chap: Literal["none", "one-way", "mutual"] | None = None

    @property
    def spec(self) -> VolumeSpec:
        """What the volume is to be like."""
        return VolumeSpec(
            protocol=Protocol(self.protocol),
            thin=self.thin == "true",
            volblocksize=int(self.volblocksize),
            blocksize=int(self.block_size),
            clone_mode=CloneMode(self.clone_mode),
            properties=self.properties,
            attributes={"protocol": self.protocol, "fsType": self.fs_type},
            encryption=self._encryption,
            chap=ChapKind(self.chap) if self.chap else None,
        )

    @property
    def _encryption(self) -> Encryption | None:
        if self.encryption in (None, "off"):
            return None
        return Encryption(
            cipher=self.encryption,
            keyformat=self.key_format or "passphrase",
            unload_key=self.unload_key == "true",
        )


class SnapshotParameters(BaseModel):
    """The parameters of a VolumeSnapshotClass. `detached`: the snapshot has a full copy of the data of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    detached: Flag = "false"


def parse(
    given: Mapping[str, str], defaults: Mapping[str, str], mutable: Mapping[str, str] | None = None
) -> Parameters:
    """
    Read StorageClass parameters; what the class does not say, the configured defaults do.

    `mutable` are the parameters of a VolumeAttributesClass, which count where both have one. Raises
    `INVALID` that names each key at fault and what is allowed there.
    """
    changeable = parse_mutable(mutable or {}).model_dump(exclude_none=True)
    try:
        read = Parameters.model_validate({**defaults, **_own(given), **changeable})
    except ValidationError as error:
        raise _refused(error, "StorageClass parameter", "parameters", _names()) from error
    _check_encryption(read)
    return read


def _check_encryption(read: Parameters) -> None:
    """Refuse what looks as if encryption was meant, and what does not go with it."""
    if read.encryption is None:
        for key, value in (("keyFormat", read.key_format), ("unloadKey", read.unload_key)):
            if value is not None:
                message = f"StorageClass parameter '{key}' means nothing without 'encryption'; give that, too"
                raise DriverError(ErrorCode.INVALID, message, option=f"parameters.{key}")
    if read.spec.encryption is not None and read.copies == "3":
        message = "parameter 'copies' is '3'; an encrypted volume has no more than 2"
        raise DriverError(ErrorCode.INVALID, message, option="parameters.copies")


def parse_mutable(given: Mapping[str, str]) -> MutableParameters:
    """Read the parameters of a VolumeAttributesClass, all of them; raise `INVALID` as `parse` does."""
    try:
        return MutableParameters.model_validate(_own(given))
    except ValidationError as error:
        raise _refused(error, "mutable parameter", "mutable_parameters", MUTABLE) from error


def parse_snapshot(given: Mapping[str, str]) -> SnapshotParameters:
    """Read the parameters of a VolumeSnapshotClass, all of them; raise `INVALID` as `parse` does."""
    try:
        return SnapshotParameters.model_validate(_own(given))
    except ValidationError as error:
        known = sorted(SnapshotParameters.model_fields)
        raise _refused(error, "VolumeSnapshotClass parameter", "parameters", known) from error


def _own(given: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in given.items() if not key.startswith(SIDECAR_PREFIX)}


def _refused(error: ValidationError, what: str, field: str, known: Iterable[str]) -> DriverError:
    problems = [_told(problem, what, known) for problem in error.errors()]
    key = str(error.errors()[0]["loc"][0])
    return DriverError(ErrorCode.INVALID, "; ".join(problems), option=f"{field}.{key}")


def _told(problem: ErrorDetails, what: str, known: Iterable[str]) -> str:
    key = _quoted(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        if known is MUTABLE and problem["loc"][0] in _names():
            return f"{key} cannot be changed later: it belongs into a StorageClass; {what}s are {', '.join(known)}"
        return f"unknown {what} {key}; there are {', '.join(known)}"
    context = problem.get("ctx", {})
    reason = context.get("error") or f"allowed are {context.get('expected', 'strings')}"
    return f"{what} {key} is {_quoted(problem['input'])}; {reason}"


def _names() -> list[str]:
    return sorted(field.alias or name for name, field in Parameters.model_fields.items())


def _quoted(value: object) -> str:
    text = str(value)
    return ascii(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")
