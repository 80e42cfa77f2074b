#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iscsi_portal_group_info
short_description: "Tell the portal-groups of iSCSI targets"
version_added: 0.1.0
description:
  - Tell the portal-groups of iSCSI targets, all or one.
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
  - module: freebsd.storage.iscsi_portal_group
"""

EXAMPLES = r"""
- name: Tell the portal-groups of iSCSI targets
  freebsd.storage.iscsi_portal_group_info:
    parent: tank/vm
  register: told

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ told.iscsi_portal_groups | map(attribute='name') }}"
"""

RETURN = r"""
iscsi_portal_groups:
  description: What there is, in the order of the names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: lan
    listen:
      description: Its addresses, with ports.
      returned: success
      type: list
      elements: str
      sample: ["192.0.2.10:3260"]
    discovery_auth_group:
      description: Who may ask what there is.
      returned: success
      type: str
      sample: no-access
    discovery_filter:
      description: What they are told of.
      returned: success
      type: str
      sample: none
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

from ..module_utils._kinds.iscsi_portal_group import KIND
from ..module_utils._kinds.module import run_info


def main() -> None:
    """Declare the options, ask, exit."""
    run_info(KIND)


if __name__ == "__main__":
    main()
