# Copyright (c) 2026 the freebsd.storage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be relied on in modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of modules that change something, and of those that do not."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Reads and plans as always, then stops. Values which the host chooses are marked.
    support: full
  diff_mode:
    description: The object before and after, in the form of the result, without secrets.
    support: full
  idempotent:
    description: A second run changes nothing and returns the same.
    support: full
  platform:
    description: FreeBSD 13.0 or newer with ZFS.
    platforms: FreeBSD
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference.
    support: N/A
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: FreeBSD 13.0 or newer with ZFS.
    platforms: FreeBSD
    support: full
"""
