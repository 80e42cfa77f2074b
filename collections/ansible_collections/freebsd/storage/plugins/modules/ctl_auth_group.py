#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ctl_auth_group
short_description: "Have an auth-group: who may log in to targets"
version_added: 0.1.0
description:
  - Has an auth-group in the configuration of ctld.
  - It stands in the configuration of ctld, in the part of the owner, which is remembered there in comment lines of
    its own. Nothing outside of that part is changed. The configuration is tested by ctld before it is used.
  - An initiator has to meet all that is given, its name, its address and its secret, with one of each. A change holds
    for logins to come; sessions stay.
  - Secrets stand in the configuration of ctld and nowhere else. If it holds any, nobody but its owner may read it
    from then on. They are compared with what stands there; a difference says whose secrets are other ones, and never
    shows them.
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
  initiators:
    description:
      - The iSCSI names of those who may log in. Without any, the name does not matter.
    type: list
    elements: str
    default: []
  networks:
    description:
      - The addresses or networks from which they may, such as V(192.0.2.0/24). Without any, the address does
        not matter.
    type: list
    elements: str
    default: []
  chap:
    description:
      - The users of CHAP of whom they have to be one. Without any, nothing is asked.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description:
          - The user's name.
        type: str
        required: true
      secret:
        description:
          - The user's secret, 12 to 16 printable characters without blanks, double quotes, backslashes, C(<),
            C(>), C(&) and C($).
        type: str
        required: true
      mutual_user:
        description:
          - The name under which the target proves itself to the initiator. Either all users have one, or none.
        type: str
      mutual_secret:
        description:
          - The secret of O(chap[].mutual_user), another one than O(chap[].secret).
        type: str
seealso:
  - module: freebsd.storage.ctl_auth_group_info
  - module: freebsd.storage.iscsi_target
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: Two clients, by name and secret
  freebsd.storage.ctl_auth_group:
    parent: tank/vm
    name: clients
    initiators:
      - iqn.2026-01.org.example:a
      - iqn.2026-01.org.example:b
    chap:
      - user: clients
        secret: "{{ vault_chap_secret }}"

- name: No auth-group
  freebsd.storage.ctl_auth_group:
    parent: tank/vm
    name: clients
    state: absent
"""

RETURN = r"""
ctl_auth_group:
  description: The auth-group as it is now, without secrets; null when it is absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: clients
    initiators:
      description: The names of those who may log in.
      returned: success
      type: list
      elements: str
      sample: ["iqn.2026-01.org.example:client"]
    networks:
      description: Where they may come from.
      returned: success
      type: list
      elements: str
      sample: ["192.0.2.0/24"]
    chap:
      description: Its users.
      returned: success
      type: list
      elements: dict
      sample: [{user: client, secret: "********"}]
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

from ..module_utils._kinds.ctl_auth_group import KIND
from ..module_utils._kinds.module import run_kind


def main() -> None:
    """Declare the options, bring it about, exit."""
    run_kind(KIND)


if __name__ == "__main__":
    main()
