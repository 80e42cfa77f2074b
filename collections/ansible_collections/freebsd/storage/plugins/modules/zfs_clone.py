#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zfs_clone
short_description: "Have a clone of a snapshot"
version_added: 0.1.0
description:
  - Makes, adopts and destroys clones of snapshots, filesystems or volumes as the snapshot is of one, below a parent
    dataset.
  - Only clones that were made or adopted by this module are destroyed, alone and without force.
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
      - The clone's name below O(parent).
    type: str
    required: true
  snapshot:
    description:
      - The snapshot of which it is made, by its name below O(parent), such as V(disk0@monday).
      - Required if O(state=present).
    type: str
  properties:
    description:
      - Native properties to be set on it, as in M(freebsd.storage.zvol) and M(freebsd.storage.zfs_dataset).
    type: dict
    default: {}
seealso:
  - module: freebsd.storage.zfs_clone_info
  - module: freebsd.storage.zfs_snapshot
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: A clone
  freebsd.storage.zfs_clone:
    parent: tank/vm
    name: copy
    snapshot: disk0@monday

- name: No clone
  freebsd.storage.zfs_clone:
    parent: tank/vm
    name: copy
    state: absent
"""

RETURN = r"""
zfs_clone:
  description: The clone as it is now; null when it is absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name below the parent.
      returned: success
      type: str
      sample: copy
    dataset:
      description: Its whole name.
      returned: success
      type: str
      sample: tank/vm/copy
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
      sample: disk0@monday
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
      sample: /dev/zvol/tank/vm/copy
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
from ..module_utils._kinds.zfs_clone import KIND


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
