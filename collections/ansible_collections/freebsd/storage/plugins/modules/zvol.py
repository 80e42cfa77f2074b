#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zvol
short_description: "Have a ZFS volume"
version_added: 0.1.0
description:
  - Makes, grows, adopts and destroys volumes (zvols) below a parent dataset, and sets their properties.
  - A volume grows but never shrinks. While it is exported by M(freebsd.storage.iscsi_target), growing is done only
    when the kernel shows the size to initiators.
  - Only volumes that were made or adopted by this module are destroyed, alone and without force. Those with
    snapshots, or that are exported, are refused.
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
      - The volume's name below O(parent), such as V(disk0) or V(web/disk0).
    type: str
    required: true
  size:
    description:
      - How large it is to be, such as V(10G) or V(10737418240), K being 1024. It is rounded up to whole blocks.
      - Required if O(state=present).
    type: str
  volblocksize:
    description:
      - Its block size, a power of 2 from 512 to 16777216. It can be chosen only when the volume is made, and is 16384
        without a choice.
    type: int
  thin:
    description:
      - Whether room is taken as it is written. Otherwise it is set aside. New volumes are thin without a choice.
    type: bool
  properties:
    description:
      - Native properties to be set on it, among checksum, compression, copies, dedup, logbias, primarycache, readonly,
        redundant_metadata, reservation, secondarycache, snapdev, snapshot_limit, sync and volmode. Those that are not
        named stay as they are.
      - Values are compared by what they mean, so V(10G) is 10737418240, V(yes) and V(true) are on, and gzip-6 is gzip.
    type: dict
    default: {}
seealso:
  - module: freebsd.storage.zvol_info
  - module: freebsd.storage.zfs_snapshot
  - module: freebsd.storage.iscsi_target
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: A volume of 10 GiB
  freebsd.storage.zvol:
    parent: tank/vm
    name: disk0
    size: 10G
    properties:
      compression: zstd

- name: Twice as large, and its room set aside
  freebsd.storage.zvol:
    parent: tank/vm
    name: disk0
    size: 20G
    thin: false

- name: No volume
  freebsd.storage.zvol:
    parent: tank/vm
    name: disk0
    state: absent
"""

RETURN = r"""
zvol:
  description: The volume as it is now; null when it is absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name below the parent.
      returned: success
      type: str
      sample: disk0
    dataset:
      description: Its whole name.
      returned: success
      type: str
      sample: tank/vm/disk0
    type:
      description: What it is in ZFS.
      returned: success
      type: str
      sample: volume
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
    size_bytes:
      description: Its size.
      returned: for volumes
      type: int
      sample: 10737418240
    volblocksize:
      description: Its block size.
      returned: for volumes
      type: int
      sample: 16384
    thin:
      description: Whether no room is set aside for it.
      returned: for volumes
      type: bool
      sample: true
    device:
      description: Its device.
      returned: for volumes
      type: str
      sample: /dev/zvol/tank/vm/disk0
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
from ..module_utils._kinds.zvol import KIND


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
