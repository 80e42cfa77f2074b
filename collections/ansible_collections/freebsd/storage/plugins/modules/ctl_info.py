#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ctl_info
short_description: Tell what the CAM target layer exports
version_added: 0.1.0
description:
  - Tells the LUNs, ports and sessions that the kernel has, whoever made them, and what is not as it should be.
  - The names of targets that belong to publications end in a secret, which is not shown.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options
  - freebsd.storage._attributes.info
options:
  owner:
    description:
      - Whose part of the configuration is compared with what the kernel shows.
    type: str
    default: ansible
seealso:
  - module: freebsd.storage.iscsi_target
"""

EXAMPLES = r"""
- name: Read what is exported
  freebsd.storage.ctl_info:
  register: ctl

- name: Nothing may be out of order
  ansible.builtin.assert:
    that: ctl.drift | length == 0
"""

RETURN = r"""
ctld:
  description: The daemon, and what it reads.
  returned: success
  type: dict
  sample: {running: true, config: /etc/ctl.conf, ucl: false}
limits:
  description: How many ports and LUNs the kernel can have.
  returned: success
  type: dict
  sample: {ports: 256, luns: 1024}
luns:
  description: The LUNs of the kernel. Without a medium their size is 0, and without a name they were not made by ctld.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 0
      name: ansible:tank/vm/disk0
      path: /dev/zvol/tank/vm/disk0
      size_bytes: 10737418240
      blocksize: 512
      serial: ac6562ad372813f6
      device_id: ac6562ad372813f6
ports:
  description: The ports of the kernel, one for each target and portal-group, and those that every host has.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 3
      frontend: iscsi
      online: true
      target: iqn.2026-01.org.example:disks
      portal_group: ansible:lan
      luns: [{number: 0, name: ansible:tank/vm/disk0}]
      initiators: []
sessions:
  description: Who is logged in.
  returned: success
  type: list
  elements: dict
  sample: [{initiator: iqn.2026-01.org.example:a, address: 192.0.2.21, target: iqn.2026-01.org.example:disks}]
drift:
  description:
    - What is not as it should be.
    - C(kind) is V(stopped) for a ctld that does not run, V(unmet) for what the owner named and the kernel does not
      show, V(edited) for what was changed by hand, and V(no_medium) for a LUN that cannot be opened.
  returned: success
  type: list
  elements: dict
  sample: [{kind: no_medium, object: old, msg: /dev/zvol/tank/old cannot be opened}]
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
error:
  description: Why it failed, with a C(code) as in M(freebsd.storage.apply).
  returned: failure
  type: dict
  sample: {code: not_found, msg: there is no dataset tank/vm/web for tank/vm/web/disk0 to be in}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._apply.entry import release, target_layer
from ..module_utils._kinds.module import HOST, exit_with
from ..module_utils._kinds.target_layer import nouns_of
from ..module_utils.command import Commands


def main() -> None:
    """Declare the options, ask, exit."""
    spec = {"owner": {"type": "str", "default": "ansible"}, **HOST}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)

    def read(commands: Commands) -> dict[str, object]:
        with target_layer(module.params, commands) as ctl:
            kernel = ctl.observe()
            told = nouns_of(kernel, ctl.logins(), ctl.section(module.params["owner"], kernel))
        return {**told, "host": {"release": release(), "commands": commands.count}}

    exit_with(module, read)


if __name__ == "__main__":
    main()
