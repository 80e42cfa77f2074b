#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iscsi_target
short_description: "Have an iSCSI target"
version_added: 0.1.0
description:
  - Exports volumes that people named over iSCSI.
  - It stands in the configuration of ctld, in the part of the owner, which is remembered there in comment lines of
    its own. Nothing outside of that part is changed. The configuration is tested by ctld before it is used.
  - It is done only when the kernel shows the target at every portal-group, with every LUN. What does not come about
    is taken back, to what it was before if it was there. A target that is removed takes its sessions with it at once.
  - Serial number and device identifiers come from the GUID of the volume, so that initiators know the disk again,
    whatever its name.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options
  - freebsd.storage._options.scope
  - freebsd.storage._options.changing
  - freebsd.storage._attributes
options:
  name:
    description:
      - Its iSCSI name, such as V(iqn.2026-01.org.example:disks).
    type: str
    required: true
  alias:
    description:
      - A text for people.
    type: str
    default: ""
  auth_group:
    description:
      - Who may log in, an auth-group of the owner, or one that stands elsewhere in the configuration, or one that ctld
        has. V(no-authentication) is everybody.
      - Required if O(state=present).
    type: str
  portal_groups:
    description:
      - Where it is reached, portal-groups of the owner, or such that stand elsewhere in the configuration.
      - Where ctld of FreeBSD 14 reads UCL, there can be but one.
      - Required if O(state=present).
    type: list
    elements: str
  luns:
    description:
      - What initiators find in it.
      - Required if O(state=present).
    type: list
    elements: dict
    suboptions:
      number:
        description:
          - The number by which initiators see it, from 0 to 1023.
        type: int
        required: true
      zvol:
        description:
          - The volume, by its name below O(parent), made or adopted by M(freebsd.storage.zvol) or
            M(freebsd.storage.zfs_clone).
        type: str
        required: true
      blocksize:
        description:
          - The sector size that initiators see. It cannot change while the volume is exported.
        type: int
        choices: [512, 4096]
        default: 512
      readonly:
        description:
          - Whether nobody may write. It cannot change while the volume is exported.
        type: bool
        default: false
seealso:
  - module: freebsd.storage.iscsi_target_info
  - module: freebsd.storage.iscsi_portal_group
  - module: freebsd.storage.ctl_auth_group
  - module: freebsd.storage.zvol
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: A target with one disk
  freebsd.storage.iscsi_target:
    parent: tank/vm
    name: iqn.2026-01.org.example:disks
    auth_group: clients
    portal_groups: [lan]
    luns:
      - number: 0
        zvol: disk0

- name: No target
  freebsd.storage.iscsi_target:
    parent: tank/vm
    name: iqn.2026-01.org.example:disks
    state: absent
"""

RETURN = r"""
iscsi_target:
  description: The target as it is now; null when it is absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: iqn.2026-01.org.example:disks
    alias:
      description: A text for people.
      returned: success
      type: str
      sample: ""
    auth_group:
      description: Who may log in.
      returned: success
      type: str
      sample: clients
    portal_groups:
      description: Where it is reached.
      returned: success
      type: list
      elements: str
      sample: [lan]
    luns:
      description: What initiators find in it, with the identifiers they know it by.
      returned: success
      type: list
      elements: dict
      sample:
        - number: 0
          dataset: tank/vm/disk0
          blocksize: 512
          readonly: false
          serial: ac6562ad372813f6
          device_id: ac6562ad372813f6
          naa: "0x6589cfcf7fa2e4fd76f9f18e538f46c7"
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

from ..module_utils._kinds.iscsi_target import KIND
from ..module_utils._kinds.module import run_kind


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
