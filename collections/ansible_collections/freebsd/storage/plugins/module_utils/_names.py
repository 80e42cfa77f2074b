# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
Every name this collection gives: datasets, user properties, targets, LUNs.

Pure functions. Names of volumes are data of strangers; nothing here lets them reach a dataset name,
a target name or a configuration file unchecked.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

PREFIX = "org.freebsd.storage:"
SCHEMA = "1"
PUBLICATION = PREFIX + "publication."
PEERS = PREFIX + "peers."
REFUSAL = PREFIX + "refused."
IQN_PREFIX = "iqn.1994-09.org.freebsd.csi:"
NAA_PREFIX = "0x6589cfc"  # NAA 6, the OUI 58:9c:fc of the FreeBSD Foundation
VALUE_LIMIT = 8191  # ZAP_MAXVALUELEN - 1: zfsprops(7), "User Properties"

OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
UUID = re.compile(r"[0-9a-f]{32}")
TOKEN = UUID
DELETED = re.compile(r"deleted-[0-9a-f]{32}")
HIDDEN = re.compile(r"clone-[0-9a-f]{32}")
MEMBER = re.compile(r"group-[0-9a-f]{32}")
INITIATOR = re.compile(r"(iqn|eui|naa)\.[a-z0-9.:-]{1,219}")
NODE = re.compile(r"([^@]+@)[^#]+#[0-9a-f]{8}$")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
PORTAL_GROUP = re.compile(r"[A-Za-z0-9._-]{1,64}")
PARENT = re.compile(r"[A-Za-z][A-Za-z0-9_. :-]*(/[A-Za-z0-9][A-Za-z0-9_. :-]*)*")
PARENT_LIMIT = 127  # leaves room for the leaves of a volume and of its snapshot, 63 each, below ZFS's 255

_PLAIN_LEAF = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_SLUG_LENGTH = 40
_SHORT_SLUG_LENGTH = 30


def leaf_of(name: str) -> str:
    """
    Return the last component of the dataset of the volume called `name`.

    The name itself where ZFS and every tool is happy with it, else a readable part, an underscore
    and a hash. The underscore occurs in no plain leaf, so two names never share one.
    """
    if _PLAIN_LEAF.fullmatch(name):
        return name
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", name).lstrip(".-")[:_SLUG_LENGTH] or "v"
    return f"{slug}_{_digest(name)}"


def unique_leaf_of(name: str, uuid: str) -> str:
    """Return a leaf that is no other volume's, past or present: for one that keeps its name when it is deleted."""
    return f"{leaf_of(name)[:_SHORT_SLUG_LENGTH].rstrip('_')}_{uuid}"


def snapshot_leaf_of(name: str) -> str:
    """Return what stands behind the `@` of the snapshot called `name`; never that of one named by uuid."""
    reserved = any(form.fullmatch(name) for form in (DELETED, HIDDEN, MEMBER))
    return f"{name[:_SLUG_LENGTH]}_{_digest(name)}" if reserved else leaf_of(name)


def deleted_leaf_of(uuid: str) -> str:
    """Return the name under which a snapshot waits for its clones to go."""
    return f"deleted-{uuid}"


def hidden_leaf_of(uuid: str) -> str:
    """Return the name of the snapshot that is made for the clone with this uuid, and for nothing else."""
    return f"clone-{uuid}"


def member_leaf_of(group: str) -> str:
    """Return the name which the snapshots of the group with this uuid have, each on its volume."""
    return f"group-{group}"


def member_uuid(group: str, volume: str) -> str:
    """
    Return the uuid of the snapshot of a volume in a group, both given by uuid.

    It is derived, for one command takes them all, and gives them all the same properties.
    """
    return hashlib.sha256(f"{group}:{volume}".encode("ascii")).hexdigest()[:32]


def trash_of(parent: str) -> str:
    """Return the dataset below which deleted volumes wait for their snapshots to go; no volume's leaf is like it."""
    return f"{parent}/trash_"


def trashed(parent: str, uuid: str) -> str:
    """Return the dataset of a deleted volume."""
    return f"{trash_of(parent)}/{uuid}"


def copying_of(parent: str) -> str:
    """Return the dataset below which copies are made; no volume's leaf is like it."""
    return f"{parent}/copying_"


def copying(parent: str, uuid: str) -> str:
    """Return the dataset that holds the record of a copy, and the copy itself until it is whole."""
    return f"{copying_of(parent)}/{uuid}"


def copy_hold(uuid: str) -> str:
    """Return the tag of the hold on the snapshot that is being copied."""
    return f"copy-{uuid}"


def encoded(name: str) -> str:
    """Return the name as ASCII without any character that means something to a tool."""
    return quote(name, safe="")


def decoded(text: str) -> str:
    """Undo `encoded`; raise ValueError where the text was not made by it."""
    return unquote(text, errors="strict")


def owner_value(owner: str, parent_guid: str) -> str:
    """Return the value of the owner property: a copy elsewhere is not mistaken for the original."""
    return f"{owner}:{parent_guid}"


def publication_property(node: str) -> str:
    """Return the user property that records the publication to a node."""
    return PUBLICATION + _digest(node_name(node))


def node_name(node: str) -> str:
    """
    Return what says which node it is: of an id `<name>@<addresses>#<checksum>` the part up to the `@`.

    The addresses may change while a volume is exported to the node. Any other text names itself.
    """
    known = NODE.match(node)
    return known[1] if known else node


def peers_property(owner: str) -> str:
    """Return the parent's user property that names the hosts which were seen together with this one."""
    return f"{PEERS}{owner}"


def refusal_property(owner: str, name: str) -> str:
    """Return the parent's user property that keeps the refusal of a volume."""
    return REFUSAL + _digest(f"{owner}:{name}")


def target_prefix(owner: str) -> str:
    """Return what all targets of an owner begin with."""
    return f"{IQN_PREFIX}{owner}."


def target_of(owner: str, token: str) -> str:
    """Return the iSCSI name of the target of one publication."""
    return target_prefix(owner) + token


def lun_of(owner: str, uuid: str) -> str:
    """Return the name which a volume's LUN has in ctl.conf and in the kernel."""
    return f"{owner}:{uuid}"


def auth_group_of(owner: str, token: str) -> str:
    """Return the name of the auth-group of one publication."""
    return f"{owner}:{token}"


def serial_of(uuid: str) -> str:
    """Return the SCSI serial number: 16 characters, more are cut off (ctl.conf(5))."""
    return uuid[:16]


def naa_of(uuid: str) -> str:
    """Return the NAA identifier under which initiators know the disk."""
    return NAA_PREFIX + uuid[:25]


def device_of(dataset: str) -> str:
    """Return the device node of a zvol."""
    return f"/dev/zvol/{dataset}"


def masked_target(target: str) -> str:
    """Return a target name without its token, which is a secret."""
    return re.sub(r"\.[0-9a-f]{32}$", ".********", target)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
