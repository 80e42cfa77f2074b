#!/usr/bin/python
# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: EXE001 - Ansible reads the first line, nobody runs the file

from __future__ import annotations

DOCUMENTATION = r"""
---
module: program
short_description: Install the program that works for logins without root on a FreeBSD storage host
version_added: 0.1.0
description:
  - Copies one executable file to the host. It does what M(freebsd.storage.apply) needs root for, and is called by it
    through C(sudo) or C(doas) where O(freebsd.storage.apply#module:privilege) says so.
  - The file is made from the code of this collection, so that a publication comes about in the same way with
    and without root. Run it again after an update of the collection; M(freebsd.storage.apply) says when it has to be.
  - Who may ask for what is not in it but in C(callers.json) in O(settings_dir), which the role C(storage_host) writes.
author:
  - The freebsd.storage contributors (@freebsd-storage)
options:
  dest:
    description:
      - Where it is put. M(freebsd.storage.apply) calls it there.
    type: path
    default: /usr/local/libexec/freebsd-storage
  privilege:
    description:
      - What it will be called through, and so which of the two tells it who is calling.
    type: str
    choices: [doas, sudo]
    required: true
  python:
    description:
      - The Python that runs it, 3.9 or newer. Nothing but its standard library is used.
    type: path
    required: true
  settings_dir:
    description:
      - Where the host keeps its settings.
    type: path
    default: /usr/local/etc/freebsd-storage
  path:
    description:
      - Where it looks for C(ctld), C(ctladm) and the other commands; that of its caller does not count.
    type: str
    default: /sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin
  owner:
    description:
      - Whose file it is.
    type: str
    default: root
  group:
    description:
      - The file's group.
    type: str
    default: wheel
attributes:
  check_mode:
    support: full
    description: As M(ansible.builtin.copy).
  diff_mode:
    support: partial
    description: It is no text, so only that it differs is told.
  platform:
    support: full
    platforms: FreeBSD
    description: The systems it is meant for.
notes:
  - There is no module of this name on the host; the work is M(ansible.builtin.copy)'s.
seealso:
  - module: freebsd.storage.apply
"""

EXAMPLES = r"""
- name: Install the program
  freebsd.storage.program:
    privilege: doas
    python: /usr/local/bin/python3.11
"""

RETURN = r"""
dest:
  description: Where it is.
  returned: success
  type: str
  sample: /usr/local/libexec/freebsd-storage
"""
