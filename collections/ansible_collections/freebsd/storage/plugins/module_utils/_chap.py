# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a CHAP user and a CHAP secret can be: the same for people and for publications."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from ._ctl.model import Chap
from ._secrets import named
from .errors import HostError

OPTION = "chap"
# The options where secrets are named, not told.
NAMES: Mapping[str, Any] = {
    "user": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": False},
    "mutual_user": {"type": "str"},
    "mutual_secret": {"type": "str", "no_log": False},
}
_USER = re.compile(r"[A-Za-z0-9._:@-]{1,223}")
# ctld(8) warns about other lengths, and FreeBSD's own initiator cuts secrets at 16. What is not allowed means
# something in one of the two grammars of ctl.conf, or in the kernel's XML.
_SECRET = re.compile(r"[\x21-\x7e]{12,16}")
_MEANINGFUL = frozenset('"<>&$\\')


def chap_of(given: Mapping[str, Any], secrets: Mapping[str, object]) -> Chap:
    """Return what initiators prove themselves with, its secrets found by name; raise `HostError` if it cannot be."""
    if (given["mutual_user"] is None) != (given["mutual_secret"] is None):
        raise _invalid("mutual_user and mutual_secret need each other")
    proofs = [given["user"], _found(given["secret"], secrets)]
    if given["mutual_user"] is not None:
        proofs += [given["mutual_user"], _found(given["mutual_secret"], secrets)]
    chap = Chap(*proofs)
    problem = problem_of(chap)
    if problem is not None:
        raise _invalid(problem)
    return chap


def problem_of(chap: Chap) -> Optional[str]:
    """Return what is wrong with it, without telling any of it."""
    users = [("user", chap.user), *([("mutual_user", chap.mutual_user)] if chap.mutual_user else [])]
    secrets = [("secret", chap.secret), *([("mutual_secret", chap.mutual_secret)] if chap.mutual_user else [])]
    for option, user in users:
        if not _USER.fullmatch(user):
            return f"{option} has to be 1 to 223 of letters, digits and . _ : @ -"
    for option, secret in secrets:
        if not _SECRET.fullmatch(secret) or _MEANINGFUL & set(secret):
            return f'{option} has to have 12 to 16 printable characters, none of which is a blank or one of "<>&$\\'
    if chap.mutual_secret == chap.secret:
        return "secret and mutual_secret are the same: whoever knows one could answer for the other"
    return None


def _found(name: str, secrets: Mapping[str, object]) -> str:
    found = named(secrets, name, OPTION)
    return found.reveal() if found else ""


def _invalid(problem: str) -> HostError:
    return HostError("invalid", f"{OPTION}: {problem}", option=OPTION)
