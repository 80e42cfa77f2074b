# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of freebsd.storage.apply."""

from __future__ import annotations

from ansible_collections.freebsd.storage.plugins.plugin_utils._request import RequestAction


class ActionModule(RequestAction):
    """Run freebsd.storage.apply."""

    MODULE = "freebsd.storage.apply"
