#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: iscsi_portal_group
short_description: "Have a portal-group: addresses at which iSCSI targets are reached"
version_added: 0.1.0
description:
  - Has a portal-group in the configuration of ctld.
  - It stands in the configuration of ctld, in the part of the owner, which is remembered there in comment lines of
    its own. Nothing outside of that part is changed. The configuration is tested by ctld before it is used.
  - ctld listens at its addresses once a target uses it. The kernel does not show portal-groups, so only what C(ctld
    -t) says of them is checked.
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
      - Its name. In the configuration the owner's name stands before it.
    type: str
    required: true
  listen:
    description:
      - The addresses of the host at which initiators connect, with a port if it is not 3260, and IPv6 in brackets, such
        as V(192.0.2.10), V(192.0.2.10:3261) or V([2001:db8::1]:3260). They must not belong to another portal-group.
      - Required if O(state=present).
    type: list
    elements: str
  discovery_auth_group:
    description:
      - The auth-group of those who may ask which targets there are, one of the owner or one that ctld has. V(no-access)
        is nobody, V(no-authentication) is everybody.
    type: str
    default: no-access
  discovery_filter:
    description:
      - Which targets they are told of, as in C(ctl.conf(5\)).
    type: str
    choices: [none, portal, portal-name, portal-name-auth]
    default: none
seealso:
  - module: freebsd.storage.iscsi_portal_group_info
  - module: freebsd.storage.iscsi_target
  - module: freebsd.storage.ctl_auth_group
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: Targets are reached in the storage network
  freebsd.storage.iscsi_portal_group:
    parent: tank/vm
    name: lan
    listen: ["192.0.2.10"]

- name: No portal-group
  freebsd.storage.iscsi_portal_group:
    parent: tank/vm
    name: lan
    state: absent
"""

RETURN = r"""
iscsi_portal_group:
  description: The portal-group as it is now; null when it is absent.
  returned: success
  type: dict
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

from ..module_utils._kinds.iscsi_portal_group import KIND
from ..module_utils._kinds.module import run_kind


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
