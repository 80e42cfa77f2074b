#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zpool_info
short_description: Tell the ZFS pools
version_added: 0.1.0
description:
  - Tells the pools that are imported, all or one, with their health and room.
author:
  - The freebsd.storage contributors (@freebsd-storage)
extends_documentation_fragment:
  - freebsd.storage._options.info
  - freebsd.storage._attributes.info
options:
  time_limit:
    description:
      - How many seconds it may take.
    type: float
    default: 120
seealso:
  - module: freebsd.storage.zfs_dataset_info
"""

EXAMPLES = r"""
- name: Read the pools
  freebsd.storage.zpool_info:
  register: told

- name: Each has to be healthy
  ansible.builtin.assert:
    that: told.zpools | rejectattr('health', 'eq', 'ONLINE') | length == 0
"""

RETURN = r"""
zpools:
  description: What there is, in the order of the names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: tank
    guid:
      description: Its identity.
      returned: success
      type: str
      sample: "7973131803913223772"
    health:
      description: What zpool says of it.
      returned: success
      type: str
      sample: ONLINE
    size_bytes:
      description: Its size.
      returned: success
      type: int
      sample: 107374182400
    allocated_bytes:
      description: What is taken of it.
      returned: success
      type: int
      sample: 212992
    free_bytes:
      description: What is left.
      returned: success
      type: int
      sample: 107373969408
    capacity_percent:
      description: What is taken, in percent.
      returned: success
      type: int
      sample: 0
    fragmentation_percent:
      description: How fragmented the free space is; null if that is not known.
      returned: success
      type: int
      sample: 0
    readonly:
      description: Whether it was imported to be read only.
      returned: success
      type: bool
      sample: false
error:
  description: Why it failed, with a C(code) as in M(freebsd.storage.apply).
  returned: failure
  type: dict
  sample: {code: not_found, msg: there is no dataset tank/vm/web for tank/vm/web/disk0 to be in}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._kinds.module import exit_with
from ..module_utils._zfs import parse, pool_list
from ..module_utils.command import Commands


def main() -> None:
    """Declare the options, ask, exit."""
    spec = {"name": {"type": "str"}, "time_limit": {"type": "float", "default": 120}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)

    def read(commands: Commands) -> dict[str, object]:
        done = commands.run(pool_list.list_pools())
        error = parse.failure(done)
        if error is not None:
            raise error
        name = module.params["name"]
        return {"zpools": [pool for pool in pool_list.pools(done.out) if name is None or pool["name"] == name]}

    exit_with(module, read)


if __name__ == "__main__":
    main()
