#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zfs_dataset
short_description: "Have a ZFS filesystem"
version_added: 0.1.0
description:
  - Makes, adopts and destroys filesystems below a parent dataset, and sets their properties.
  - Only filesystems that were made or adopted by this module are destroyed, alone and without force. Those that hold
    other datasets or snapshots are refused.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options
  - freebsd.storage._options.scope
  - freebsd.storage._options.changing
  - freebsd.storage._options.adopt
  - freebsd.storage._attributes
options:
  name:
    description:
      - The filesystem's name below O(parent), such as V(web). What it lies in has to be there.
    type: str
    required: true
  properties:
    description:
      - Native properties to be set on it, among aclinherit, aclmode, acltype, atime, canmount, casesensitivity,
        checksum, compression, copies, dedup, dnodesize, exec, filesystem_limit, logbias, mountpoint, normalization,
        primarycache, quota, readonly, recordsize, redundant_metadata, refquota, refreservation, relatime,
        reservation, secondarycache, setuid, snapdir, snapshot_limit, special_small_blocks, sync, utf8only and xattr.
        Those that are not named stay as they are. casesensitivity, normalization and utf8only can be chosen only when
        it is made.
      - Values are compared by what they mean, so V(10G) is 10737418240, and V(yes) and V(true) are on.
    type: dict
    default: {}
seealso:
  - module: freebsd.storage.zfs_dataset_info
  - module: freebsd.storage.zfs_snapshot
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: A filesystem with a quota, mounted at /srv/web
  freebsd.storage.zfs_dataset:
    parent: tank/vm
    name: web
    properties:
      quota: 10G
      atime: false
      mountpoint: /srv/web

- name: No filesystem
  freebsd.storage.zfs_dataset:
    parent: tank/vm
    name: web
    state: absent
"""

RETURN = r"""
zfs_dataset:
  description: The filesystem as it is now; null when it is absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name below the parent.
      returned: success
      type: str
      sample: web
    dataset:
      description: Its whole name.
      returned: success
      type: str
      sample: tank/vm/web
    type:
      description: What it is in ZFS.
      returned: success
      type: str
      sample: filesystem
    managed:
      description: Whether it was made or adopted by the owner.
      returned: success
      type: bool
      sample: true
    guid:
      description: Its identity in ZFS.
      returned: success
      type: str
      sample: "5658907873277586866"
    used_bytes:
      description: What it takes up, with all that belongs to it.
      returned: success
      type: int
      sample: 57344
    created:
      description: When it was made, in seconds since the epoch.
      returned: success
      type: int
      sample: 1767225600
    properties:
      description: The properties that were set on it, in canonical form.
      returned: success
      type: dict
      sample: {compression: zstd}
    origin:
      description: The snapshot of which it is a clone, if it is one.
      returned: success
      type: str
      sample: null
host:
  description: About the host and this run.
  returned: success
  type: dict
  contains:
    release:
      description: The release of the running kernel.
      returned: always
      type: str
      sample: 14.3-RELEASE
    reloads:
      description: How often ctld was told to reload.
      returned: always
      type: int
      sample: 1
    commands:
      description: How many commands were run.
      returned: always
      type: int
      sample: 6
    drift:
      description: What is not as it should be, and was left alone.
      returned: always
      type: list
      elements: dict
      sample: []
error:
  description: Why it failed, with a C(code) as in M(freebsd.storage.apply).
  returned: failure
  type: dict
  sample: {code: not_found, msg: there is no dataset tank/vm/web for tank/vm/web/disk0 to be in}
"""

from ..module_utils._kinds.module import run_kind
from ..module_utils._kinds.zfs_dataset import KIND


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
