"""The shape a single setting of the configuration must have: checks for pydantic, and the types made of them."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
# People's own playbooks, and the marker of the portal group in ctl.conf.
_RESERVED_OWNERS = frozenset({"ansible", "portal-group"})
DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9][A-Za-z0-9_.:-]*)+")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
PORTAL_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?|::[0-9a-fA-F:.]*")
# CSI's Topology.segments: a prefix like a domain, then a name; each and the value at most 63 characters.
_TOPOLOGY_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_TOPOLOGY_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


def matching(pattern: re.Pattern[str], remedy: str) -> AfterValidator:
    """Refuse what does not match the whole pattern, with a remedy."""

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


def host_key(value: str) -> str:
    """Check an SSH host key as ssh-keyscan prints it, and drop its comment."""
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


def listen_address(value: str) -> str:
    """Check the address and port of a socket that is listened on."""
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


def node_address(value: str) -> str:
    """Check an IP address, and bring it into its usual form."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        message = f"{value!r} is not an IP address"
        raise ValueError(message) from error


def host_names(value: object) -> object:
    """Refuse names that cannot be a part of volume ids."""
    for name in value if isinstance(value, Mapping) else ():
        if not (isinstance(name, str) and HOST_NAME.fullmatch(name)):
            message = (
                f"{name!r} cannot name a storage host: use at most 63 lower-case letters, digits, "
                "'.' and '-', with a letter or digit first and last; volume ids carry this name"
            )
            raise ValueError(message)
    return value


def segments(value: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what orchestrators would not take for the segments of a topology."""
    for key, segment in value.items():
        if not (_TOPOLOGY_KEY.fullmatch(key) and _TOPOLOGY_VALUE.fullmatch(segment)):
            message = (
                f"{key!r}: {segment!r} is not a segment; give such as topology.csi.freebsd.org/zone: a, with at most "
                "63 letters, digits, '-', '_' and '.' in each part, a letter or digit first and last"
            )
            raise ValueError(message)
    if len({key.lower() for key in value}) < len(value):
        message = "two keys differ only in case; orchestrators take them for one"
        raise ValueError(message)
    return value


AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]
Portal = Annotated[str, AfterValidator(_check_portal)]
Privilege = Literal["none", "sudo", "doas"]
Segments = Annotated[Mapping[str, str], AfterValidator(segments)]
Owner = Annotated[
    str,
    matching(_CLUSTER, "use at most 32 lower-case letters, digits and '-', a letter or digit first and last"),
    AfterValidator(_check_cluster),
]
