# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """The options by what they are about."""

    # Which host, and how it is worked on.
    DOCUMENTATION = r"""
options:
  settings_dir:
    description:
      - Where the host keeps C(parents.json) and the lock.
    type: path
    default: /usr/local/etc/freebsd-storage
  privilege:
    description:
      - How the part that needs root is reached. V(none) where the SSH user is root. What people name in the
        configuration of ctld needs a login as root.
    type: str
    choices: [none, sudo, doas]
    default: none
  time_limit:
    description:
      - How many seconds the whole may take. Commands that still run then are ended.
    type: float
    default: 120
"""

    # Whose objects, and where.
    SCOPE = r"""
options:
  owner:
    description:
      - Whose objects are worked on. Those of other owners, such as clusters, are never touched.
    type: str
    default: ansible
  parent:
    description:
      - The dataset below which all work is done. It has to be registered in C(parents.json) with its GUID, which the
        role C(storage_host) does. Where it is missing or another one, nothing is changed.
    type: str
    required: true
"""

    # What modules have that change something.
    CHANGING = r"""
options:
  state:
    description:
      - Whether the object is to be there.
    type: str
    choices: [present, absent]
    default: present
  lock_timeout:
    description:
      - How many seconds to wait for the host's lock, which every run that changes something holds.
    type: float
    default: 30
"""

    # What all have that are datasets or snapshots.
    ADOPT = r"""
options:
  adopt:
    description:
      - Whether to take over what is there under this name and was made by somebody else. It gets the mark of the
        owner, and can be destroyed by O(state=absent) from then on.
      - What is marked as another owner's, or as a volume of M(freebsd.storage.apply), is never adopted.
    type: bool
    default: false
"""

    # What info modules of named objects have.
    INFO = r"""
options:
  name:
    description:
      - Only the object of this name. Without it, all.
    type: str
"""
