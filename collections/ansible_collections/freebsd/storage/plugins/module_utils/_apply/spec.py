# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The options of each kind of resource, and the checked values made of them.

What passes here may be put into commands and configuration files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional, Union

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .. import _chap, _names, _secrets
from .._ctl.model import MUTUAL, ONE_WAY
from .._ctl.plan import PublicationUnwanted, PublicationWanted
from .._ctl.plan_exports import ExportsWanted
from .._kinds.datasets import check_name
from .._kinds.registry import KINDS, NamedWish, named_wish
from .._secrets import Secret
from .._zfs import keys
from .._zfs.grow import VolumeGrown
from .._zfs.model import CLONE, COPY, PROPERTIES, Encryption, Parameters
from .._zfs.modify import VolumeModified
from .._zfs.placement import Placement
from .._zfs.plan import VolumeWanted
from .._zfs.plan_adopt import VolumeAdopted
from .._zfs.plan_groups import GroupUnwanted, GroupWanted
from .._zfs.plan_snapshots import SnapshotWanted
from .._zfs.properties import STRANGERS
from ..errors import HostError

NAME_LIMIT = 128  # bytes, csi.proto: CreateVolumeRequest.name
NODE_LIMIT = 192  # bytes
GROUP_LIMIT = 256  # volumes in one command: their names have to fit into its arguments
MODES = (
    "single_node_writer",
    "single_node_reader_only",
    "multi_node_reader_only",
    "multi_node_single_writer",
    "multi_node_multi_writer",
    "single_node_single_writer",
    "single_node_multi_writer",
)

_PROPERTY_VALUE = re.compile(r"[a-z0-9,.+-]{1,64}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_VOLBLOCKSIZES = tuple(1 << power for power in range(9, 25))

_COMMON: dict[str, Any] = {
    "key": {"type": "str", "required": True, "no_log": False},
    "kind": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
# The name of a secret, not a secret.
_ENCRYPTION_KEY: dict[str, Any] = {"encryption_key": {"type": "str", "no_log": False}}
_ENCRYPTION: dict[str, Any] = {
    "cipher": {"type": "str", "required": True, "choices": ["on", *keys.CIPHERS]},
    "keyformat": {"type": "str", "default": "passphrase", "choices": list(keys.KEYFORMATS), "no_log": False},
    "unload_key": {"type": "bool", "default": False, "no_log": False},
}
_SPECS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("volume", "present"): {
        "name": {"type": "str", "required": True},
        "required_bytes": {"type": "int", "default": 0},
        "limit_bytes": {"type": "int", "default": 0},
        "volblocksize": {"type": "int", "default": 16384},
        "thin": {"type": "bool", "default": True},
        "blocksize": {"type": "int", "default": 512, "choices": [512, 4096]},
        "properties": {"type": "dict", "default": {}},
        "attributes": {"type": "dict", "default": {}},
        "source": {"type": "dict"},
        "encryption": {"type": "dict"},
        "chap": {"type": "str", "choices": ["none", ONE_WAY, MUTUAL]},
        **_ENCRYPTION_KEY,
        "placement": {
            "type": "dict",
            "options": {
                "seen": {"type": "list", "elements": "str", "default": []},
                "unseen": {"type": "list", "elements": "str", "default": []},
                "passes_on": {"type": "bool", "default": False},
                "closed": {"type": "bool", "default": False},
            },
        },
        "clone_mode": {"type": "str", "default": CLONE, "choices": [CLONE, COPY]},
    },
    ("volume", "grown"): {
        "uuid": {"type": "str", "required": True},
        "required_bytes": {"type": "int", "default": 0},
        "limit_bytes": {"type": "int", "default": 0},
        **_ENCRYPTION_KEY,
    },
    ("volume", "modified"): {
        "uuid": {"type": "str", "required": True},
        "properties": {"type": "dict", "default": {}},
        "thin": {"type": "bool"},
    },
    ("volume", "adopted"): {
        "adopt": {"type": "str", "required": True},
        "name": {"type": "str"},
        "blocksize": {"type": "int", "default": 512, "choices": [512, 4096]},
        "attributes": {"type": "dict", "default": {}},
        "abandoned_by": {"type": "str", "choices": sorted(STRANGERS.values())},
    },
    ("volume", "absent"): {"uuid": {"type": "str", "required": True}},
    ("snapshot", "present"): {
        "name": {"type": "str", "required": True},
        "volume": {"type": "str", "required": True},
        "detached": {"type": "bool", "default": False},
    },
    ("snapshot", "absent"): {"uuid": {"type": "str", "required": True}},
    ("group_snapshot", "present"): {
        "name": {"type": "str", "required": True},
        "volumes": {"type": "list", "elements": "str", "required": True},
    },
    ("group_snapshot", "absent"): {
        "uuid": {"type": "str", "required": True},
        "snapshots": {"type": "list", "elements": "str", "default": []},
    },
    ("publication", "present"): {
        "volume": {"type": "str", "required": True},
        "node": {"type": "str", "required": True},
        "initiator": {"type": "str", "required": True},
        "mode": {"type": "str", "default": MODES[0], "choices": list(MODES)},
        "readonly": {"type": "bool", "default": False},
        "protocol": {"type": "str", "default": "iscsi", "choices": ["iscsi"]},
        "portal_group": {"type": "str", "default": "csi"},
        "node_limit": {"type": "int", "default": 0},
        "chap": {"type": "dict", "options": dict(_chap.NAMES)},
        **_ENCRYPTION_KEY,
    },
    ("publication", "absent"): {
        "volume": {"type": "str", "required": True},
        "node": {"type": "str"},
    },
    ("exports", "present"): {},
}


class VolumeUnwanted(NamedTuple):
    """A volume that is to be gone."""

    uuid: str


class SnapshotUnwanted(NamedTuple):
    """A snapshot that is to be gone."""

    uuid: str


Wish = Union[
    VolumeWanted,
    VolumeGrown,
    VolumeModified,
    VolumeAdopted,
    VolumeUnwanted,
    SnapshotWanted,
    SnapshotUnwanted,
    GroupWanted,
    GroupUnwanted,
    PublicationWanted,
    PublicationUnwanted,
    ExportsWanted,
    NamedWish,
]


class Item(NamedTuple):
    """One resource of a request. `wish` is an error where its options are wrong."""

    number: int
    key: str
    noun: str
    wish: Union[Wish, HostError]


def items_of(resources: Sequence[Mapping[str, Any]], secrets: Optional[Mapping[str, object]] = None) -> list[Item]:
    """Check every resource on its own; a wrong one does not fail the others. They refer to `secrets` by name."""
    return [_item(index, resource, secrets or {}) for index, resource in enumerate(resources)]


def _item(index: int, resource: Mapping[str, Any], secrets: Mapping[str, object]) -> Item:
    key = resource.get("key")
    kind = resource.get("kind")
    noun = kind if isinstance(kind, str) else "resource"
    try:
        wish: Union[Wish, HostError] = _wish(resource, secrets)
    except HostError as error:
        wish = error
    return Item(index, str(index) if key is None else str(key), noun, wish)


def _wish(resource: Mapping[str, Any], secrets: Mapping[str, object]) -> Wish:
    form = _form(resource)
    named = next((kind for name, kind in KINDS.items() if name == form[0]), None)
    if named is not None:
        return named_wish(named, _COMMON, resource, secrets)
    spec = next((spec for known, spec in _SPECS.items() if known == form), None)
    if spec is None:
        kinds = ", ".join(sorted({*KINDS, *(kind for kind, _state in _SPECS)}))
        raise _invalid("kind", f"there is no kind {form[0]!a} with state {form[1]!a}; kinds are {kinds}")
    checked = ArgumentSpecValidator({**_COMMON, **spec}).validate(resource)
    if checked.error_messages:
        raise HostError("invalid", "; ".join(checked.error_messages))
    options = checked.validated_parameters
    if "encryption_key" in options:
        options["encryption_key"] = _secrets.named(secrets, options["encryption_key"], "encryption_key")
    if form == ("publication", "present") and options["chap"] is not None:
        options["chap"] = _chap.chap_of(options["chap"], secrets)
    return _MAKERS[form](options)


def _form(resource: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return which spec holds. A volume that is named by its uuid exists; it is to be large enough, or different."""
    form = (resource.get("kind"), resource.get("state", "present"))
    if form == ("volume", "present") and resource.get("adopt") is not None:
        return ("volume", "adopted")
    if form != ("volume", "present") or resource.get("uuid") is None:
        return form
    return ("volume", "modified" if resource.keys() & {"properties", "thin"} else "grown")


def _volume_wanted(options: Mapping[str, Any]) -> VolumeWanted:
    required, limit = _sizes(options)
    if options["volblocksize"] not in _VOLBLOCKSIZES:
        raise _invalid("volblocksize", f"{options['volblocksize']} is not a power of 2 from 512 to 16777216")
    source = _source(options["source"])
    if source is None and options["volblocksize"] < options["blocksize"]:
        raise _invalid("volblocksize", f"{options['volblocksize']} is less than blocksize {options['blocksize']}")
    parameters = Parameters(
        volblocksize=options["volblocksize"],
        thin=options["thin"],
        blocksize=options["blocksize"],
        properties=_properties(options["properties"]),
        attributes=_attributes(options["attributes"]),
        source=source,
        encryption=_encryption(options["encryption"]),
        # Without a source there is nothing to share or to copy.
        clone_mode=options["clone_mode"] if source else CLONE,
        chap=options["chap"],
    )
    _check_encryption(parameters, options["encryption_key"])
    size = len(parameters.to_json())
    if size > _names.VALUE_LIMIT:
        raise _invalid("attributes", f"with properties they take {size} bytes, ZFS keeps {_names.VALUE_LIMIT}")
    secret, placement = options["encryption_key"], _placement(options["placement"])
    return VolumeWanted(_name(options["name"]), required, limit, parameters, secret, placement)


def _placement(placement: Optional[Mapping[str, Any]]) -> Placement:
    if placement is None:
        return Placement()
    for host in (*placement["seen"], *placement["unseen"]):
        if not _names.HOST.fullmatch(host):
            raise _invalid("placement", f"{host!a} is not the name of a storage host")
    return Placement(
        seen=frozenset(placement["seen"]),
        unseen=frozenset(placement["unseen"]),
        passes_on=placement["passes_on"],
        closed=placement["closed"],
    )


def _encryption(given: Optional[dict[str, Any]]) -> Optional[Encryption]:
    if given is None:
        return None
    checked = ArgumentSpecValidator(_ENCRYPTION).validate(given)
    if checked.error_messages:
        raise _invalid("encryption", "; ".join(checked.error_messages))
    return Encryption(**checked.validated_parameters)


def _check_encryption(parameters: Parameters, secret: Optional[Secret]) -> None:
    """Refuse a key for what would not be encrypted, and what ZFS refuses only later."""
    if parameters.encryption is None and secret is not None:
        raise _invalid(keys.OPTION, "given for a volume that is not to be encrypted; ask for encryption, too")
    if parameters.encryption is not None and parameters.properties.get("copies") == "3":
        raise _invalid("properties", "an encrypted volume cannot have 3 copies")


def _source(source: Optional[Mapping[Any, Any]]) -> Optional[dict[str, str]]:
    if source is None:
        return None
    if len(source) != 1 or not source.keys() <= {"snapshot", "volume"}:
        raise _invalid("source", "it has to be a snapshot or a volume, by uuid")
    ((kind, uuid),) = source.items()
    if not isinstance(uuid, str):
        raise _invalid("source", f"{uuid!a} is not a uuid")
    return {kind: uuid}


def _volume_grown(options: Mapping[str, Any]) -> VolumeGrown:
    return VolumeGrown(options["uuid"], *_sizes(options), options["encryption_key"])


def _volume_modified(options: Mapping[str, Any]) -> VolumeModified:
    return VolumeModified(options["uuid"], _properties(options["properties"]), options["thin"])


def _volume_adopted(options: Mapping[str, Any]) -> VolumeAdopted:
    dataset = check_name(options["adopt"], option="adopt")
    name = _name(options["name"] or dataset.rpartition("/")[2])
    return VolumeAdopted(
        dataset, name, options["blocksize"], _attributes(options["attributes"]), options["abandoned_by"] or ""
    )


def _exports_wanted(_options: Mapping[str, Any]) -> ExportsWanted:
    return ExportsWanted()


def _volume_unwanted(options: Mapping[str, Any]) -> VolumeUnwanted:
    return VolumeUnwanted(options["uuid"])


def _snapshot_wanted(options: Mapping[str, Any]) -> SnapshotWanted:
    return SnapshotWanted(_name(options["name"]), options["volume"], options["detached"])


def _snapshot_unwanted(options: Mapping[str, Any]) -> SnapshotUnwanted:
    return SnapshotUnwanted(options["uuid"])


def _group_wanted(options: Mapping[str, Any]) -> GroupWanted:
    volumes = tuple(options["volumes"])
    if not 0 < len(volumes) <= GROUP_LIMIT:
        raise _invalid("volumes", f"{len(volumes)} are given, allowed are 1 to {GROUP_LIMIT}")
    twice = next((uuid for uuid in volumes if volumes.count(uuid) > 1), None)
    if twice is not None:
        raise _invalid("volumes", f"{twice!a} is given more than once")
    return GroupWanted(_name(options["name"]), volumes)


def _group_unwanted(options: Mapping[str, Any]) -> GroupUnwanted:
    return GroupUnwanted(options["uuid"], tuple(options["snapshots"]))


def _publication_wanted(options: Mapping[str, Any]) -> PublicationWanted:
    if not _names.INITIATOR.fullmatch(options["initiator"]):
        raise _invalid("initiator", f"{options['initiator']!a} is not an iSCSI name (RFC 7143, 4.2.7)")
    if not _names.PORTAL_GROUP.fullmatch(options["portal_group"]):
        raise _invalid("portal_group", f"{options['portal_group']!a}: only letters, digits and . _ - are allowed")
    return PublicationWanted(
        uuid=options["volume"],
        node=_node(options["node"]),
        initiator=options["initiator"],
        mode=options["mode"],
        readonly=options["readonly"],
        protocol=options["protocol"],
        portal_group=options["portal_group"],
        node_limit=options["node_limit"],
        secret=options["encryption_key"],
        chap=options["chap"],
    )


def _publication_unwanted(options: Mapping[str, Any]) -> PublicationUnwanted:
    node: Optional[str] = options["node"]
    return PublicationUnwanted(options["volume"], node)


_MAKERS: Mapping[tuple[Any, Any], Callable[[Mapping[str, Any]], Wish]] = {
    ("volume", "present"): _volume_wanted,
    ("volume", "grown"): _volume_grown,
    ("volume", "modified"): _volume_modified,
    ("volume", "adopted"): _volume_adopted,
    ("volume", "absent"): _volume_unwanted,
    ("snapshot", "present"): _snapshot_wanted,
    ("snapshot", "absent"): _snapshot_unwanted,
    ("group_snapshot", "present"): _group_wanted,
    ("group_snapshot", "absent"): _group_unwanted,
    ("publication", "present"): _publication_wanted,
    ("publication", "absent"): _publication_unwanted,
    ("exports", "present"): _exports_wanted,
}


def _sizes(options: Mapping[str, Any]) -> tuple[int, int]:
    for option in ("required_bytes", "limit_bytes"):
        if options[option] < 0:
            raise _invalid(option, f"{options[option]} is negative")
    required, limit = options["required_bytes"], options["limit_bytes"]
    if 0 < limit < required:
        raise _invalid("limit_bytes", f"{limit} is less than required_bytes {required}")
    return required, limit


def _name(name: str) -> str:
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise _invalid("name", f"{name!a} is not text that UTF-8 can hold") from None
    if not 0 < size <= NAME_LIMIT:
        raise _invalid("name", f"it has {size} bytes, allowed are 1 to {NAME_LIMIT}")
    return name


def _node(node: str) -> str:
    if not _PRINTABLE.fullmatch(node) or len(node) > NODE_LIMIT:
        raise _invalid("node", f"{node!a} is not a node id: 1 to {NODE_LIMIT} printable ASCII characters")
    return node


def _properties(properties: Mapping[Any, Any]) -> dict[str, str]:
    for name, value in properties.items():
        if name not in PROPERTIES:
            raise _invalid("properties", f"{name!a} is not among {', '.join(PROPERTIES)}")
        if not isinstance(value, str) or not _PROPERTY_VALUE.fullmatch(value):
            raise _invalid("properties", f"{value!a} is no value for {name}")
    return dict(sorted(properties.items()))


def _attributes(attributes: Mapping[Any, Any]) -> dict[str, str]:
    for name, value in attributes.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise _invalid("attributes", f"{name!a}: only strings are kept")
    return dict(sorted(attributes.items()))


def _invalid(option: str, problem: str) -> HostError:
    return HostError("invalid", f"{option}: {problem}", option=option)
