#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iscsi_target_info
short_description: "Tell the iSCSI targets"
version_added: 0.1.0
description:
  - Tell the iSCSI targets, all or one.
  - Those that were named by the owner. What stands elsewhere in the configuration is told by
    M(freebsd.storage.ctl_info) as far as the kernel shows it.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options
  - freebsd.storage._options.scope
  - freebsd.storage._options.info
  - freebsd.storage._attributes.info
seealso:
  - module: freebsd.storage.iscsi_target
"""

EXAMPLES = r"""
- name: Tell the iSCSI targets
  freebsd.storage.iscsi_target_info:
    parent: tank/vm
  register: told

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ told.iscsi_targets | map(attribute='name') }}"
"""

RETURN = r"""
iscsi_targets:
  description: What there is, in the order of the names.
  returned: success
  type: list
  elements: dict
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
from ..module_utils._kinds.module import run_info


def main() -> None:
    """Declare the options, ask, exit."""
    run_info(KIND)


if __name__ == "__main__":
    main()
