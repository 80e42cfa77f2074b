# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The host's portal group: where targets are served. It belongs to the host, and owners only name it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Optional

from . import _settings
from ._ctl import api, confile, parse
from ._ctl.conf import Draft, portal_group_place, without_other_grammar
from ._ctl.confile import Files
from ._ctl.grammar import Grammar, grammar_of
from ._ctl.model import Daemon
from ._ctl.sections import PortalGroup, sections_of
from ._ctl.trial import objections
from .command import Commands, SystemCommands
from .errors import HostError

_EDITS_BORNE = 5


def portal_group(options: Mapping[str, Any], *, check_mode: bool) -> dict[str, object]:
    """Have the portal group in ctld's configuration, or not, and return the module's result."""
    commands = SystemCommands(time.monotonic() + options["time_limit"])
    daemon = _daemon(commands)
    group = PortalGroup(options["name"], tuple(options["listen"])) if options["state"] == "present" else None
    with ExitStack() as stack:
        # Without the folder no run can be under way.
        if not check_mode and (group is not None or Path(options["settings_dir"]).is_dir()):
            for name in (_settings.LOCK, _settings.CTL_LOCK):
                lock = _settings.locked(options["settings_dir"], options["lock_timeout"], name=name)
                commands.hold(stack.enter_context(lock))
        before, after = _bring_about(commands, daemon, group, options, check_mode=check_mode)
    place = portal_group_place(options["settings_dir"])
    where = place.file if daemon.ucl else options["config"]
    return {
        "changed": before != after,
        "grammar": "ucl" if daemon.ucl else "classic",
        # What others have written may be secret, so it is not shown.
        "diff": {
            "before_header": where,
            "after_header": where,
            "before": before.part(place),
            "after": after.part(place),
        },
    }


def _daemon(commands: Commands) -> Daemon:
    """Return the running ctld, or the one that would be started."""
    running = parse.daemon(commands.run(api.running()))
    if running is not None:
        return running
    configured = commands.run(api.ctld_flags())
    return parse.flags(configured.out if configured.rc == 0 else "")


def _bring_about(
    commands: Commands, daemon: Daemon, group: Optional[PortalGroup], options: Mapping[str, Any], *, check_mode: bool
) -> tuple[Draft, Draft]:
    """Return the configuration as it was and as it is, or would be."""
    grammar = grammar_of(ucl=daemon.ucl)
    for _attempt in range(_EDITS_BORNE):
        files = confile.read(options["config"], portal_group_place(options["settings_dir"]), create=True)
        draft = _draft(grammar, files, group)
        if check_mode or draft == files.draft:
            return files.draft, draft
        try:
            found = objections(commands, grammar, files, draft)
            if found:
                raise HostError("degraded", f"ctld refuses the configuration: {'; '.join(found)}")
            if confile.swap(files, draft):
                return files.draft, draft
        finally:
            confile.discard(files)
    edits = f"{options['config']} was edited {_EDITS_BORNE} times while it was being changed"
    raise HostError("busy", f"{edits}: try again when nothing edits it any more")


def _draft(grammar: Grammar, files: Files, group: Optional[PortalGroup]) -> Draft:
    """Return the configuration with the portal group, or without, and with nothing of ours in the other grammar."""
    now = files.draft._replace(main=without_other_grammar(files.draft.main, ucl=grammar.ucl))
    return grammar.put(now, files.place, grammar.text(sections_of([group])) if group is not None else "")
