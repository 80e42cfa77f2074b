#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zfs_dataset_info
short_description: "Tell the ZFS filesystems"
version_added: 0.1.0
description:
  - Tell the ZFS filesystems, all or one.
  - All that are below the parent, by whomever they were made; RV(zfs_datasets[].managed) tells which were made or
    adopted by the owner.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options
  - freebsd.storage._options.scope
  - freebsd.storage._options.info
  - freebsd.storage._attributes.info
seealso:
  - module: freebsd.storage.zfs_dataset
"""

EXAMPLES = r"""
- name: Tell the ZFS filesystems
  freebsd.storage.zfs_dataset_info:
    parent: tank/vm
  register: told

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ told.zfs_datasets | map(attribute='name') }}"
"""

RETURN = r"""
zfs_datasets:
  description: What there is, in the order of the names.
  returned: success
  type: list
  elements: dict
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

from ..module_utils._kinds.module import run_info
from ..module_utils._kinds.zfs_dataset import KIND


def main() -> None:
    """Declare the options, ask, exit."""
    run_info(KIND)


if __name__ == "__main__":
    main()
