# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""freebsd.storage.program: makes the program here and has it copied to the host."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.freebsd.storage.plugins.plugin_utils._program import Settings, build

# Each sets the one variable itself, whatever its caller has in the environment.
_CALLER = {"sudo": "SUDO_USER", "doas": "DOAS_USER"}
_OPTIONS = {
    "dest": {"type": "path", "default": "/usr/local/libexec/freebsd-storage"},
    "privilege": {"type": "str", "choices": sorted(_CALLER), "required": True},
    "python": {"type": "path", "required": True},
    "settings_dir": {"type": "path", "default": "/usr/local/etc/freebsd-storage"},
    "path": {"type": "str", "default": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "wheel"},
}


class ActionModule(ActionBase):
    """Copies as ansible.builtin.copy does, which also knows check mode."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the copying returned."""
        super().run(tmp, task_vars)
        _result, given = self.validate_argument_spec(argument_spec=_OPTIONS)
        settings = Settings(given["python"], given["settings_dir"], _CALLER[given["privilege"]], given["path"])
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "program")
            source.write_bytes(build(settings))
            return self._copy(source, given, task_vars)

    def _copy(self, source: Path, given: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        task = self._task.copy()
        task.args = {"src": str(source), "mode": "0755", **{key: given[key] for key in ("dest", "owner", "group")}}
        action = self._shared_loader_obj.action_loader.get(
            "ansible.legacy.copy",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result: dict[str, Any] = action.run(task_vars=task_vars)
        return result
