#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: apply
short_description: Bring a batch of volumes, snapshots and publications about on a FreeBSD storage host
version_added: 0.1.0
description:
  - Makes, grows, changes, snapshots, destroys, exports and withdraws ZFS volumes on a FreeBSD host, many at once, each
    with a result of its own.
  - All items share one lock, one read of ZFS and of the CAM target layer, one change of C(ctl.conf), one reload
    of C(ctld) and one verification. One bad item never fails the others.
  - What has to be remembered is kept in ZFS user properties of the volumes. The owner's block in C(ctl.conf) is made
    from them; everything outside of that block is left alone.
  - A volume is reachable only while it is published, and then only by the node it is published to.
author:
  - The freebsd.storage contributors (@freebsd-storage)
options:
  owner:
    description:
      - Whose objects are worked on, usually the name of a cluster. Objects of other owners are never touched.
    type: str
    default: ansible
  parent:
    description:
      - The dataset below which all work is done. It has to be registered in C(parents.json) with its GUID, which the
        role C(storage_host) does. Where it is missing or another one, nothing is changed.
    type: str
    required: true
  settings_dir:
    description:
      - Where the host keeps C(parents.json) and the lock.
    type: path
    default: /usr/local/etc/freebsd-storage
  resources:
    description:
      - What is to be, at most 256 items, in this order. Each has a RV(results[].key), chosen freely, by which its
        result is found again, a C(kind) and a C(state), V(present) or V(absent).
      - Kind C(volume), present. C(name), any text of at most 128 bytes; C(required_bytes) and C(limit_bytes), the
        size rounded up to whole blocks, 0 meaning no wish; C(volblocksize), a power of 2, 16384 by default; C(thin),
        true by default; C(blocksize), 512 or 4096, the sector size initiators see; C(properties), native ZFS
        properties among checksum, compression, copies, dedup, logbias, primarycache, redundant_metadata,
        secondarycache and sync; C(attributes), strings that are kept and handed back; C(source), none by default, or
        a dictionary with either C(snapshot) or C(volume) and a uuid. A volume with a source is a clone. It begins with
        the content of the source, has its C(volblocksize), whatever was asked for, and is never smaller. It does not
        depend on the source, which can be destroyed at any time. C(clone_mode), V(clone) by default, shares the blocks
        of the source until either is written to; V(copy) makes a full copy, which shares nothing. A copy is made by a
        job of its own, which goes on when the module has ended. Until it is whole, which only a run of this module
        finds out, the volume is an error C(copying), and the same item has to be asked for again; C(absent) with its
        uuid, or an error that cannot pass, ends the job. Encrypted volumes cannot be copied.
      - C(encryption) of a volume that is made, none by default, leaves its encryption to the parent dataset. As a
        dictionary it makes the volume an encryption root with a key of its own. C(cipher), V(on) or one of aes-128-ccm,
        aes-192-ccm, aes-256-ccm, aes-128-gcm, aes-192-gcm and aes-256-gcm; C(keyformat), passphrase (default), hex or
        raw; C(unload_key), V(true) to unload the key when the volume is not published. C(encryption_key), the name of
        the key in O(secrets), a passphrase of 8 to 512 bytes, 64 hexadecimal digits, or 32 bytes in base64. A clone
        shares the key of its source for good, so it needs that key and the same C(cipher) and C(keyformat).
      - C(encryption_key) is also needed to publish an encrypted volume, and to make it grow while its key is not
        loaded. A wrong key is refused, whether the right one is loaded or not. After a reboot no key is loaded; the
        volume is served again once it is published once more, or its key is loaded by hand.
      - C(chap) of a volume that is made, how nodes have to log in to it, V(one-way) (the node proves itself) or
        V(mutual) (the host as well). With V(none), too, they need not prove themselves; then CHAP of its publications
        is not minded. It is kept with the volume and cannot be changed.
      - C(placement) of a volume that is made, for callers with several hosts, none by default. A dictionary that says
        how this host stands among them. C(seen) and C(unseen), other hosts that have no volume of that name, or
        cannot be asked; without either this host is the only one. C(passes_on), false by default, that another host
        will be asked if this one has no room, so that the refusal is kept. A kept refusal holds while a host cannot be
        asked, and for 10 minutes otherwise. C(closed), false by default, that no new volume is
        to be made. A volume is not made
        either while a host cannot be asked that was never C(seen) here.
      - Kind C(volume), present, with C(uuid) in place of C(name). C(required_bytes) and C(limit_bytes). The volume
        grows if it is smaller; it never shrinks. While it is published, this is done only when the kernel shows the
        size.
      - Kind C(volume), present, with C(uuid) in place of C(name), and C(properties) or C(thin). C(properties), of those
        above, are set on the volume, the others stay as they are; C(thin), whether nothing is reserved for it, by
        default as it is. All of it is changed or nothing. The volume is still the one that was made under its name
        with the options it had then; asking for it again changes nothing back.
      - Kind C(volume), present, with C(adopt), a zvol below the parent that somebody else made. It becomes a volume as
        it is, where it is. Nothing but properties is set, all at once. C(name), by default the last part of C(adopt);
        C(blocksize), the sector size with which it was used; C(attributes). Refused if it belongs to somebody or is
        exported. With C(abandoned_by), one of democratic-csi, freebsd-csi and tns-csi, also if it bears the marks of
        that driver, which then must not work on it any more. A copy of a volume of another host keeps its uuid.
      - Kind C(volume), absent. C(uuid), as RV(results[].volume.uuid) has it. Refused while it is published. One that
        has snapshots is gone for everyone who asks, its name is free, and what was written since the newest snapshot
        is given up; the rest goes with the last snapshot, in whichever run that is. Snapshots that were not made by
        this module are never destroyed, but told of in RV(host.drift).
      - Kind C(snapshot), present. C(name), any text of at most 128 bytes; C(volume), the uuid; C(detached), false by
        default. The data of a detached snapshot are a full copy, made by a job as well, so that nothing of it is held
        where the volume lies. It is of the moment it was first asked for, and RV(results[].snapshot.ready) tells when
        volumes can be made of it.
      - Kind C(snapshot), absent. C(uuid), as RV(results[].snapshot.uuid) has it. Volumes made of it stay. Refused for a
        snapshot that was taken together with others.
      - Kind C(group_snapshot), present. C(name), any text of at most 128 bytes, which may be that of a snapshot as
        well; C(volumes), the uuids of 1 to 256 volumes. Their snapshots are of one moment, and there are all of them or
        none. They are listed and used like other snapshots, but go together.
      - Kind C(group_snapshot), absent. C(uuid), as RV(results[].group_snapshot.uuid) has it; C(snapshots), none by
        default, the uuids of its snapshots. If they are given and are not these, nothing is destroyed. Volumes made of
        them stay.
      - Kind C(publication), present. C(volume), the uuid; C(node), an id of up to 192 printable characters;
        C(initiator), the iSCSI name the node logs in with; C(mode), one of single_node_writer (default),
        single_node_reader_only, single_node_single_writer, single_node_multi_writer, multi_node_reader_only,
        multi_node_single_writer and multi_node_multi_writer; C(readonly); C(protocol), iscsi; C(portal_group), a
        portal-group that exists in C(ctl.conf), V(csi) by default; C(node_limit), how many volumes of this host may be
        published to the node at once, V(0) by default for any number. Of a C(node) like
        C(name@addresses#checksum) the name says which node it is; the rest may change.
      - C(chap) of a publication, needed if the volume was made with it, and refused otherwise. A dictionary with
        C(user) and C(secret), which the node gives, and C(mutual_user) and C(mutual_secret), which the host answers
        with. Secrets are named as O(secrets) has them. A user is 1 to 223 of letters, digits and C(.), C(_), C(:),
        C(@), C(-); a secret has 12 to 16 printable characters, without blanks, double quotes, backslashes, C(<),
        C(>), C(&) and C($), and the two of them differ. They are kept on the host in files that only root can read,
        as long as the publication lasts. If they are given again and differ, ctld is told to use these from then on;
        who is logged in stays so. In check mode, a change of secrets alone is not told.
      - Kind C(publication), absent. C(volume), the uuid; C(node), or none for every node. Done only when the kernel
        shows neither port nor session any more.
      - Kinds C(zvol), C(zfs_dataset), C(zfs_snapshot), C(zfs_clone), C(iscsi_portal_group), C(ctl_auth_group) and
        C(iscsi_target), present or absent. The options of the modules of these names, except that a secret is given by
        its name in O(secrets). In check mode, what such an item needs and is not there is taken to be made before, and
        named in RV(results[].assumed).
      - Kind C(exports), present, without options. Everything that is recorded is exported as it is recorded, and what
        the owner named in C(ctl.conf) as it was named; ports of the owner that nothing recorded asks for are ended.
        For a host that was restored or edited by hand; otherwise every publication sees to it.
    type: list
    elements: dict
    required: true
  secrets:
    description:
      - Secrets by name. Items refer to them by name, so that they appear nowhere else.
    type: dict
    default: {}
  privilege:
    description:
      - How the part that needs root is reached. V(none) where the SSH user is root.
      - With V(sudo) and V(doas) it is one program, which the role C(storage_host) installs with
        M(freebsd.storage.program) and lets the SSH user call. It checks what it is asked for.
      - What people name themselves in C(ctl.conf) needs a login as root.
    type: str
    choices: [none, sudo, doas]
    default: none
  lock_timeout:
    description:
      - How many seconds to wait for the host's lock.
    type: float
    default: 30
  time_limit:
    description:
      - How many seconds the whole may take. Commands that still run then are ended.
    type: float
    default: 120
attributes:
  check_mode:
    description: Reads and plans as always, then stops. Values which the host chooses at random are marked.
    support: full
  diff_mode:
    description: One difference per item, in the form of the result, secrets masked.
    support: full
  idempotent:
    description: A second run changes nothing and returns the same.
    support: full
  platform:
    description: FreeBSD 13.0 or newer with ZFS.
    platforms: FreeBSD
    support: full
seealso:
  - module: freebsd.storage.info
"""

EXAMPLES = r"""
- name: Make a volume of 10 GiB
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: database
        kind: volume
        name: database
        required_bytes: 10737418240
        properties:
          compression: zstd
  register: made

- name: Export it to one node
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: database on node1
        kind: publication
        volume: "{{ made.results[0].volume.uuid }}"
        node: node1
        initiator: iqn.1994-09.org.freebsd:node1

- name: Take a snapshot, and grow the volume to 20 GiB
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: snapshot
        kind: snapshot
        name: before the upgrade
        volume: "{{ made.results[0].volume.uuid }}"
      - key: growth
        kind: volume
        uuid: "{{ made.results[0].volume.uuid }}"
        required_bytes: 21474836480
  register: taken

- name: Make a second volume of the snapshot
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: copy
        kind: volume
        name: database-copy
        source:
          snapshot: "{{ taken.results[0].snapshot.uuid }}"
  register: copied

- name: Take snapshots of both at one moment
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: both
        kind: group_snapshot
        name: nightly
        volumes:
          - "{{ made.results[0].volume.uuid }}"
          - "{{ copied.results[0].volume.uuid }}"

- name: Compress it better from now on
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: compression
        kind: volume
        uuid: "{{ made.results[0].volume.uuid }}"
        properties:
          compression: zstd

- name: Make an encrypted volume
  freebsd.storage.apply:
    parent: tank/csi
    secrets:
      payroll: "{{ vault_payroll_passphrase }}"
    resources:
      - key: payroll
        kind: volume
        name: payroll
        required_bytes: 10737418240
        encryption:
          cipher: aes-256-gcm
          unload_key: true
        encryption_key: payroll

- name: Make a full copy of the volume, and wait for it
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: independent
        kind: volume
        name: database-independent
        source:
          volume: "{{ made.results[0].volume.uuid }}"
        clone_mode: copy
  register: copied
  until: copied.results[0].error is not defined
  retries: 100
  delay: 10

- name: Have a disk and a target for people, in one exchange
  freebsd.storage.apply:
    parent: tank/vm
    resources:
      - key: disk
        kind: zvol
        name: disk0
        size: 10G
      - key: clients
        kind: ctl_auth_group
        name: clients
        chap:
          - user: client
            secret: client
      - key: target
        kind: iscsi_target
        name: iqn.2026-01.org.example:disks
        auth_group: clients
        portal_groups: [lan]
        luns:
          - number: 0
            zvol: disk0
    secrets:
      client: "{{ vault_chap_secret }}"
- name: Take over a zvol that freebsd-csi made
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: old
        kind: volume
        adopt: pvc-0c1d
        abandoned_by: freebsd-csi

- name: Bring ctl.conf and the kernel into line with what is recorded
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: exports
        kind: exports

- name: Withdraw it from every node
  freebsd.storage.apply:
    parent: tank/csi
    resources:
      - key: database
        kind: publication
        volume: "{{ made.results[0].volume.uuid }}"
        state: absent
"""

RETURN = r"""
results:
  description:
    - One result per item, in the order of O(resources).
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key of the item.
      returned: always
      type: str
      sample: database
    changed:
      description: Whether anything had to be done for it.
      returned: always
      type: bool
    volume:
      description: The volume as it is now; null when it is absent.
      returned: for kind volume, without an error
      type: dict
      contains:
        uuid:
          description: Its identity, chosen by the host.
          returned: success
          type: str
          sample: 3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2
        name:
          description: Its name.
          returned: success
          type: str
          sample: database
        dataset:
          description: The zvol.
          returned: success
          type: str
          sample: tank/csi/database
        size_bytes:
          description: Its size.
          returned: success
          type: int
          sample: 10737418240
        used_bytes:
          description: What it takes up, snapshots included.
          returned: success
          type: int
          sample: 57344
        volblocksize:
          description: Its block size in ZFS.
          returned: success
          type: int
          sample: 16384
        thin:
          description: Whether nothing is reserved for it.
          returned: success
          type: bool
          sample: true
        blocksize:
          description: The sector size that initiators see.
          returned: success
          type: int
          sample: 512
        properties:
          description: The native properties that are set on it, among those which can be given.
          returned: success
          type: dict
          sample: {compression: zstd}
        attributes:
          description: The strings kept with it.
          returned: success
          type: dict
          sample: {}
        source:
          description: The snapshot or the volume it was made of, which may be gone; null for a volume that began empty.
          returned: success
          type: dict
          sample: {snapshot: 8f1c7f0f0d0e4b51a2a7b8a8e5a3b1c2}
        encryption:
          description: How it was asked to be encrypted; null where that was left to the parent dataset.
          returned: success
          type: dict
          sample: {cipher: aes-256-gcm, keyformat: passphrase, unload_key: true}
        chap:
          description: How nodes have to log in to it.
          returned: success
          type: str
          sample: one-way
        created:
          description: When it was made, in seconds since the epoch.
          returned: success
          type: int
          sample: 1767225600
        publications:
          description: Its publications, as RV(results[].publication) has them.
          returned: success
          type: list
          elements: dict
          sample: []
    snapshot:
      description: The snapshot as it is now; null when it is absent.
      returned: for kind snapshot, without an error
      type: dict
      contains:
        uuid:
          description: Its identity, chosen by the host.
          returned: success
          type: str
          sample: 8f1c7f0f0d0e4b51a2a7b8a8e5a3b1c2
        name:
          description: Its name.
          returned: success
          type: str
          sample: before the upgrade
        volume:
          description: The uuid of the volume it was taken of. That one may be gone.
          returned: success
          type: str
          sample: 3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2
        size_bytes:
          description: The size which the volume had.
          returned: success
          type: int
          sample: 10737418240
        created:
          description: When it was taken, in seconds since the epoch.
          returned: success
          type: int
          sample: 1767225600
        ready:
          description: Whether volumes can be made of it. Only a detached one may not be ready.
          returned: success
          type: bool
          sample: true
        detached:
          description: Whether its data are a full copy.
          returned: success
          type: bool
          sample: false
        group_snapshot:
          description: The uuid of the group it was taken with; null for one that was taken alone.
          returned: success
          type: str
          sample: null
    group_snapshot:
      description: The snapshots that were taken together as they are now; null when they are absent.
      returned: for kind group_snapshot, without an error
      type: dict
      contains:
        uuid:
          description: Their identity, chosen by the host.
          returned: success
          type: str
          sample: 77a0b3c45d6e4f708192a3b4c5d6e7f8
        name:
          description: Their name.
          returned: success
          type: str
          sample: nightly
        created:
          description: When they were taken, in seconds since the epoch.
          returned: success
          type: int
          sample: 1767225600
        ready:
          description: Whether none of them is missing.
          returned: success
          type: bool
          sample: true
        snapshots:
          description: The snapshots, in the order of their volumes' uuids, as RV(results[].snapshot) has them.
          returned: success
          type: list
          elements: dict
          sample: []
    publication:
      description: The publication as it is now; null when it is absent.
      returned: for kind publication, without an error
      type: dict
      contains:
        volume:
          description: The uuid of the volume.
          returned: success
          type: str
          sample: 3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2
        node:
          description: The node it is exported to.
          returned: success
          type: str
          sample: node1
        mode:
          description: How nodes may use it at once.
          returned: success
          type: str
          sample: single_node_writer
        readonly:
          description: Whether the node may only read.
          returned: success
          type: bool
          sample: false
        protocol:
          description: How it is reached.
          returned: success
          type: str
          sample: iscsi
        target:
          description: The iSCSI name of the target. It ends in a secret.
          returned: success
          type: str
          sample: iqn.1994-09.org.freebsd.csi:ansible.5f0c6f1f4e9c4a4fa8f2c2ad6c0c55aa
        lun:
          description: The number of the LUN.
          returned: success
          type: int
          sample: 0
        chap:
          description: How the node has to log in.
          returned: success
          type: str
          sample: none
    assumed:
      description: Datasets that are not there, and were taken to be.
      returned: in check mode, if there are any
      type: list
      elements: str
      sample: [tank/csi/disk0]
    exports:
      description: What the owner exports.
      returned: for kind exports, without an error
      type: dict
      contains:
        publications:
          description: How many publications there are.
          returned: success
          type: int
          sample: 3
        volumes:
          description: How many volumes are published.
          returned: success
          type: int
          sample: 2
        amiss:
          description:
            - What is not as it should be, each with C(object) and C(msg). Empty afterwards; with diff mode the
              difference has what it was before.
          returned: success
          type: list
          elements: dict
          sample: []
    error:
      description:
        - Why the item could not be brought about. V(code) is one of invalid, not_found, source_not_found,
          exists_differently, published_differently, foreign_name, out_of_range, out_of_space, limit_reached, in_use,
          published_elsewhere, unsupported, denied, host_retired, busy, copying, degraded, uncertain, internal.
      returned: when it failed
      type: dict
      sample: {code: out_of_space, msg: "cannot create 'tank/csi/big': out of space; free space, ..."}
error:
  description: The same for the whole, when nothing can be said of any item.
  returned: failure
  type: dict
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
    reloads:
      description: How often ctld was told to reload.
      returned: success
      type: int
    commands:
      description: How many commands were run.
      returned: success
      type: int
    drift:
      description: What is not as it should be and was left alone.
      returned: success
      type: list
      elements: dict
      sample:
        - {kind: foreign_dataset, object: tank/csi/copy, msg: "a copy: its owner property is received; left alone"}
        - kind: deleted_volume
          object: tank/csi/trash_/3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2
          msg: >-
            volume 'database' was deleted, but 65536 bytes are kept by
            the snapshot tank/csi/trash_/3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2@daily
          bytes: 65536
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._apply.entry import apply
from ..module_utils.errors import HostError


def main() -> None:
    """Declare the options, apply the batch, exit. The input is never echoed."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "default": "ansible"},
            "parent": {"type": "str", "required": True},
            "settings_dir": {"type": "path", "default": "/usr/local/etc/freebsd-storage"},
            "resources": {"type": "list", "elements": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "privilege": {"type": "str", "choices": ["none", "sudo", "doas"], "default": "none"},
            "lock_timeout": {"type": "float", "default": 30},
            "time_limit": {"type": "float", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = apply(module.params, check_mode=module.check_mode, diff=module._diff)  # noqa: SLF001 - Ansible offers no other way
    except HostError as error:
        module.fail_json(msg=error.msg, error=error.as_dict(), invocation={})
    module.exit_json(**result, invocation={})


if __name__ == "__main__":
    main()
