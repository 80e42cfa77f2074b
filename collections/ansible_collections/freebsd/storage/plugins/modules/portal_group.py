#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: portal_group
short_description: Have the portal group of a FreeBSD storage host in ctld's configuration
version_added: 0.1.0
description:
  - Writes the addresses on which targets are served, and tells nobody there which targets there are. Publications
    name the group; it belongs to the host.
  - Writes the grammar which the running ctld reads, or the one that is started next by C(ctld_flags). In C(ctl.conf)
    it stands before everything else, between marker lines. With UCL it has a file of its own, which one line at the
    end of C(ctl.conf) includes.
  - What owners wrote in the other grammar is taken out, if the host has changed it. Their next run brings it back.
  - The configuration is tested before it is used. ctld is not reloaded.
  - Takes the lock which the runs on this host take.
author:
  - The freebsd.storage contributors (@freebsd-storage)
options:
  name:
    description:
      - Name of the portal group.
    type: str
    default: csi
  listen:
    description:
      - Addresses, with port if not 3260. IPv6 addresses in brackets. Required when O(state=present).
    type: list
    elements: str
    default: []
  state:
    description:
      - Whether there is to be one.
    type: str
    choices: [present, absent]
    default: present
  config:
    description:
      - The configuration file of ctld.
    type: path
    default: /etc/ctl.conf
  settings_dir:
    description:
      - Where the host keeps its lock, and what ctld reads with UCL.
    type: path
    default: /usr/local/etc/freebsd-storage
  lock_timeout:
    description:
      - How many seconds to wait for the lock.
    type: float
    default: 60
  time_limit:
    description:
      - How many seconds the whole may take.
    type: float
    default: 120
attributes:
  check_mode:
    description: Predicts without the lock, and without a test by ctld.
    support: full
  diff_mode:
    description: Shows the lines that come and go, and no others.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  platform:
    description: FreeBSD 13.0 or newer.
    platforms: FreeBSD
    support: full
seealso:
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: Serve targets on the storage network
  freebsd.storage.portal_group:
    listen: ["192.0.2.10:3260"]
  notify: Reload ctld
"""

RETURN = r"""
grammar:
  description: Which grammar of C(ctl.conf) was written, V(classic) or V(ucl).
  returned: success
  type: str
  sample: classic
error:
  description: Why nothing was changed, with a code as in RV(freebsd.storage.apply#module:results[].error).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._portal_group import portal_group
from ..module_utils.errors import HostError


def main() -> None:
    """Declare the options, bring it about, exit."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "csi"},
            "listen": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "config": {"type": "path", "default": "/etc/ctl.conf"},
            "settings_dir": {"type": "path", "default": "/usr/local/etc/freebsd-storage"},
            "lock_timeout": {"type": "float", "default": 60},
            "time_limit": {"type": "float", "default": 120},
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "present" and not module.params["listen"]:
        module.fail_json(msg="listen: at least one address is required")
    try:
        result = portal_group(module.params, check_mode=module.check_mode)
    except HostError as error:
        module.fail_json(msg=error.msg, error=error.as_dict())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
