# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Has ctld's own test mode judge a configuration before it is used."""

from __future__ import annotations

from ..command import Commands
from . import api, confile, parse
from .conf import Draft
from .confile import Files
from .grammar import Grammar


def objections(commands: Commands, grammar: Grammar, files: Files, draft: Draft) -> list[str]:
    """Stage the configuration, and return what ctld has against it; raise `HostError` if it cannot say."""
    found, refused = _said(commands, grammar, files, draft)
    if refused or not found:
        return found
    # Words though ctld takes it: they count unless it has them for what is in use as well, and that for what
    # others have written. What we are about to spoil for others is new, and what others spoilt for us is ours.
    in_use, _refused = _said(commands, grammar, files, files.draft)
    of_others, _refused = _said(commands, grammar, files, Draft(files.draft.rest(files.place)))
    return [line for line in found if line not in in_use or line not in of_others]


def _said(commands: Commands, grammar: Grammar, files: Files, draft: Draft) -> tuple[list[str], bool]:
    """Return ctld's words on a configuration, and whether it refuses it."""
    confile.stage(files, draft)
    done = commands.run(api.test(files.staged, ucl=grammar.ucl))
    found = parse.objections(done, ucl=grammar.ucl)
    if done.unstarted or done.late or parse.cannot_judge(found):
        error = parse.failure(done)
        if error is not None:
            raise error
    return found, done.rc != 0
