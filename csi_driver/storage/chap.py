"""
CHAP: what a node and a storage host prove themselves with, which comes with the requests that need it.

The entries of a Secret are called as open-iscsi calls its settings: the first two are what the
node says, the other two what the storage host has to answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.model import Chap, ChapKind

if TYPE_CHECKING:
    from collections.abc import Mapping

USER, SECRET = "node.session.auth.username", "node.session.auth.password"
MUTUAL_USER, MUTUAL_SECRET = "node.session.auth.username_in", "node.session.auth.password_in"
ENTRIES = (USER, SECRET, MUTUAL_USER, MUTUAL_SECRET)
SHORTEST, LONGEST = 12, 16
"""How many characters a secret has: RFC 7143, 9.2.1, and what ctld takes without a warning."""

ATTACH, STAGE = "controller-publish", "node-stage"
"""By which secret of a StorageClass the controller and the node get them."""

_USER = re.compile(r"[A-Za-z0-9._:@-]{1,223}")
# What has a meaning in ctl.conf, in either grammar, or in the XML of FreeBSD's kernel cannot be part of a secret.
_SECRET = re.compile(r"[\x21-\x7e]{12,16}")
_MEANINGFUL = frozenset('"<>&$\\')


def given(secrets: Mapping[str, str]) -> Chap | None:
    """
    Return the CHAP entries among the secrets of a request, None if there are none.

    Raises `INVALID`, which names the entry and not its value, for those that are not whole or cannot be used.
    """
    # Files tend to end with a line end, and Secrets are made of files.
    values = {entry: secrets[entry].removesuffix("\n") for entry in ENTRIES if entry in secrets}
    if not values:
        return None
    _check_pairs(values)
    for entry in (SECRET, MUTUAL_SECRET):
        if entry in values and (not _SECRET.fullmatch(values[entry]) or _MEANINGFUL & set(values[entry])):
            problem = f'it has to have {SHORTEST} to {LONGEST} printable ASCII characters, no blank and none of "<>&$\\'
            raise _invalid(entry, problem)
    if values.get(MUTUAL_SECRET) == values[SECRET]:
        raise _invalid(MUTUAL_SECRET, f"it is the same as {SECRET}; who knows one could answer for the other")
    return Chap(*(values.get(entry, "") for entry in ENTRIES))


def _check_pairs(values: Mapping[str, str]) -> None:
    """Refuse what lacks its other half: less would be proven than was meant."""
    for user, secret in ((USER, SECRET), (MUTUAL_USER, MUTUAL_SECRET)):
        if user == USER or user in values or secret in values:
            for entry in (user, secret):
                if not values.get(entry):
                    raise _invalid(entry, "missing or empty, though other CHAP entries are there; fill it in")
            if not _USER.fullmatch(values[user]):
                raise _invalid(user, "it has to be 1 to 223 of letters, digits and . _ : @ -")


def check(kind: ChapKind, chap: Chap | None) -> Chap | None:
    """Return what a node logs in with; raise `INVALID` if that is not what the volume is published with."""
    if kind is ChapKind.NONE:
        return None
    if chap is None or chap.kind is not kind:
        message = f"the volume is published with {kind} CHAP, but {_had(chap)}; {_remedy(kind, STAGE)}"
        raise DriverError(ErrorCode.INVALID, f"secrets.{_missing(kind)}: {message}", option=f"secrets.{_missing(kind)}")
    return chap


def explained(error: DriverError, chap: Chap | None) -> DriverError:
    """Return what a storage host has against the CHAP of a publication, in the words of a StorageClass."""
    if error.code is not ErrorCode.INVALID or error.option != "chap":
        return error
    remedy = f"to have it, {_remedy(ChapKind.MUTUAL, ATTACH)}"
    if chap is not None:
        remedy = (
            "set the StorageClass parameter 'chap' to what the Secret holds before the volume is made, to 'none' if "
            f"the volume is not to have CHAP; {remedy}"
        )
    option = f"secrets.{SECRET}"
    return DriverError(ErrorCode.INVALID, f"{option}: {error.message}; {remedy}", option=option)


def _missing(kind: ChapKind) -> str:
    return MUTUAL_SECRET if kind is ChapKind.MUTUAL else SECRET


def _had(chap: Chap | None) -> str:
    return "the Secret has no CHAP entries" if chap is None else f"the Secret is for {chap.kind} CHAP"


def _remedy(kind: ChapKind, use: str) -> str:
    mutual = f", and for mutual CHAP {MUTUAL_USER} and {MUTUAL_SECRET}," if kind is ChapKind.MUTUAL else ""
    return f"name a Secret with {USER} and {SECRET}{mutual} by csi.storage.k8s.io/{use}-secret-name and -namespace"


def _invalid(entry: str, problem: str) -> DriverError:
    return DriverError(ErrorCode.INVALID, f"secrets.{entry}: {problem}", option=f"secrets.{entry}")
