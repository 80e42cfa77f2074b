# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of freebsd.storage.apply."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.freebsd.storage.plugins.plugin_utils._request import REQUEST, RequestAction


class ActionModule(RequestAction):
    """Run freebsd.storage.apply; in a person's playbook the task fails when one of its items did."""

    MODULE = "freebsd.storage.apply"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; a program that handed a request over reads the items itself."""
        result = super().run(tmp, task_vars)
        errors = [f"{item['key']}: {item['error']['msg']}" for item in result.get("results", ()) if "error" in item]
        if errors and REQUEST not in os.environ:
            result.update(failed=True, msg="; ".join(errors))
        return result
