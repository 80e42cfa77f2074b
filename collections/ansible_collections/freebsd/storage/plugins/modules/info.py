#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: info
short_description: Tell what volumes and snapshots a FreeBSD storage host has, what ails them, and how much room is left
version_added: 0.1.0
description:
  - Returns the volumes of one owner below one dataset, with their publications, or the snapshots of these volumes,
    page by page. A snapshot is told of for as long as it exists, even if its volume was destroyed.
  - Returns the group snapshots, those that were taken together, in the same way.
  - Returns what ails the volumes, page by page, from the pool to what nodes are shown.
  - Returns the deleted volumes whose data are still kept, and what keeps them.
  - Returns the room that is left.
  - Takes no lock and changes nothing.
author:
  - The freebsd.storage contributors (@freebsd-storage)
options:
  owner:
    description:
      - Whose objects are meant, usually the name of a cluster.
    type: str
    default: ansible
  parent:
    description:
      - The dataset below which they lie. It has to be registered in C(parents.json) with its GUID, which the role
        C(storage_host) does. Where it is missing or another one, nothing is said.
    type: str
    required: true
  settings_dir:
    description:
      - Where the host keeps C(parents.json).
    type: path
    default: /usr/local/etc/freebsd-storage
  kinds:
    description:
      - What to tell. Of V(volumes), V(snapshots), V(group_snapshots) and V(health) only one can be asked for at once.
      - V(trash) are the volumes that were deleted and whose data are still kept.
    type: list
    elements: str
    choices: [volumes, snapshots, group_snapshots, health, trash, capacity]
    default: [volumes, capacity]
  uuid:
    description:
      - Tell of this volume, this snapshot or this group snapshot only; with V(health) also if the volume is well.
    type: str
  names:
    description:
      - Tell of the volumes with one of these names only.
    type: list
    elements: str
  volume:
    description:
      - Tell of the snapshots of the volume with this uuid only.
    type: str
  after:
    description:
      - Begin with the first volume, snapshot or group snapshot whose uuid sorts after this one.
    type: str
  limit:
    description:
      - Tell of at most so many volumes, snapshots or group snapshots; V(0) means all.
    type: int
    default: 0
  nearly_full_percent:
    description:
      - How full a pool or the parent may be before V(health) tells of it.
    type: int
    default: 90
  privilege:
    description:
      - How what needs root becomes root. Only V(health) needs it, to see what is exported.
    type: str
    choices: [none, sudo, doas]
    default: none
  time_limit:
    description:
      - How many seconds the whole may take.
    type: float
    default: 60
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing, so there is no difference.
    support: none
  idempotent:
    description: It only reads.
    support: full
  platform:
    description: FreeBSD 13.0 or newer with ZFS.
    platforms: FreeBSD
    support: full
seealso:
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: Ask for the first hundred volumes and the room that is left
  freebsd.storage.info:
    parent: tank/csi
    limit: 100
  register: host

- name: Ask for the next hundred
  freebsd.storage.info:
    parent: tank/csi
    kinds: [volumes]
    limit: 100
    after: "{{ host.next }}"
  when: host.next is not none
"""

RETURN = r"""
volumes:
  description: The volumes in the order of their uuids, as RV(freebsd.storage.apply#module:results[].volume) has them.
  returned: when asked for
  type: list
  elements: dict
snapshots:
  description:
    - The snapshots in the order of their uuids, as RV(freebsd.storage.apply#module:results[].snapshot) has them.
  returned: when asked for
  type: list
  elements: dict
group_snapshots:
  description:
    - The group snapshots in the order of their uuids, as
      RV(freebsd.storage.apply#module:results[].group_snapshot) has them, each with those of its snapshots that exist.
  returned: when asked for
  type: list
  elements: dict
health:
  description:
    - The volumes that are not well, in the order of their uuids; with O(uuid) that volume, well or not.
    - Where this cannot be told, the module fails; no volume is called well for want of knowledge.
  returned: when asked for
  type: list
  elements: dict
  contains:
    volume:
      description: The uuid of the volume.
      returned: success
      type: str
    conditions:
      description: What ails it; empty if it is well.
      returned: success
      type: list
      elements: dict
      contains:
        status:
          description: How bad it is, V(degraded), V(inaccessible) or V(data_loss).
          returned: success
          type: str
        reason:
          description:
            - What it is, for programs. One of V(PoolDegraded), V(PoolSuspended), V(PoolFaulted), V(PoolDataErrors),
              V(PoolNearlyFull), V(ParentNearlyFull), V(TargetDaemonDown), V(DataErrors), V(DeviceMissing),
              V(KeyNotLoaded), V(ChapSecretLost), V(RecordUnreadable), V(PropertiesUnreadable), V(VolumeUnfinished),
              V(LunWithoutMedium), V(NotExported), V(LunTooSmall).
          returned: success
          type: str
          sample: PoolDegraded
        msg:
          description: The same for people, with the remedy.
          returned: success
          type: str
trash:
  description: The deleted volumes whose data are still kept.
  returned: when asked for
  type: list
  elements: dict
  contains:
    uuid:
      description: The identity it had.
      returned: success
      type: str
    name:
      description: The name it had, which may be another volume's by now.
      returned: success
      type: str
    dataset:
      description: Where its data are.
      returned: success
      type: str
      sample: tank/csi/trash_/3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2
    used_bytes:
      description: What it takes up.
      returned: success
      type: int
    kept_by:
      description: What keeps it, in words. It goes with the last of them.
      returned: success
      type: list
      elements: str
      sample: ["the snapshot 'before the upgrade'"]
summary:
  description: How many of all volumes have each condition, whichever page was asked for.
  returned: when health is asked for
  type: list
  elements: dict
next:
  description: The uuid of the last one returned of what is told page by page when there are more; null otherwise.
  returned: when volumes, snapshots, group snapshots or health are asked for
  type: str
capacity:
  description: The room that is left.
  returned: when asked for
  type: dict
  contains:
    available_bytes:
      description: Bytes that can still be written below the parent.
      returned: success
      type: int
      sample: 107374182400
    maximum_volume_bytes:
      description: Size of the largest volume that surely fits.
      returned: success
      type: int
      sample: 105696460800
host:
  description: About the host and this run.
  returned: success
  type: dict
  contains:
    release:
      description: The release of the running kernel.
      returned: success
      type: str
      sample: 14.3-RELEASE
    commands:
      description: How many commands were run.
      returned: success
      type: int
    drift:
      description: What is not as it should be.
      returned: success
      type: list
      elements: dict
error:
  description: Why nothing can be said, with a code as in RV(freebsd.storage.apply#module:results[].error).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._info import info
from ..module_utils.errors import HostError


def main() -> None:
    """Declare the options, ask, exit. The input is never echoed."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "default": "ansible"},
            "parent": {"type": "str", "required": True},
            "settings_dir": {"type": "path", "default": "/usr/local/etc/freebsd-storage"},
            "kinds": {
                "type": "list",
                "elements": "str",
                "choices": ["volumes", "snapshots", "group_snapshots", "health", "trash", "capacity"],
                "default": ["volumes", "capacity"],
            },
            "uuid": {"type": "str"},
            "names": {"type": "list", "elements": "str"},
            "volume": {"type": "str"},
            "after": {"type": "str"},
            "limit": {"type": "int", "default": 0},
            "nearly_full_percent": {"type": "int", "default": 90},
            "privilege": {"type": "str", "choices": ["none", "sudo", "doas"], "default": "none"},
            "time_limit": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = info(module.params)
    except HostError as error:
        module.fail_json(msg=error.msg, error=error.as_dict(), invocation={})
    module.exit_json(**result, invocation={})


if __name__ == "__main__":
    main()
