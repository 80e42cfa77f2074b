# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
What the program believes of what it is told: nothing that was not checked here. Pure, but for one look at a path.

What has the wrong form is refused as a whole. An export that is not allowed is left out with the
reason, as one is that ctld refuses, so that it does not keep the others from being brought about.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .. import _chap, _names
from .._ctl import wire
from .._ctl.model import MUTUAL, ONE_WAY, Chap, Export
from .._ctl.seam import Settled, Wanted
from ..errors import HostError
from .callers import Caller

EXPORTS_LIMIT = 4096
_FORM: Mapping[str, type] = {
    "exports": list,
    "additions": list,
    "confirm": list,
    "gone": list,
    "gone_luns": list,
    "sizes": dict,
    "chap": dict,
    "complete": bool,
}
_EXPORT_FORM = {
    "token": str,
    "uuid": str,
    "initiator": str,
    "portal_group": str,
    "dataset": str,
    "blocksize": int,
    "readonly": bool,
    "chap": str,
}
_CHAP_FORM = dict.fromkeys(Chap._fields, str)
_BLOCKSIZES = (512, 4096)
_CHAP_KINDS = (wire.NO_CHAP, ONE_WAY, MUTUAL)
# What is only looked for in the kernel's tables, where an administrator may have made it.
_SOUGHT = re.compile(r"[\x21-\x7e]{1,223}")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}")
_LARGEST = (1 << 63) - 1


class Checked(NamedTuple):
    """What may be brought about, and the targets that may not be, with a reason each."""

    wanted: Wanted
    refused: Mapping[str, str]

    def told(self, settled: Settled, additions: frozenset[str]) -> Settled:
        """Return what came of it, with what was refused here among what ctld refused."""
        new = {target: why for target, why in self.refused.items() if target in additions}
        old = {target: why for target, why in self.refused.items() if target not in additions}
        return settled._replace(refused={**settled.refused, **new}, left_out={**settled.left_out, **old})


def owner_of(request: Mapping[str, Any], caller: Caller) -> str:
    """Return the owner whose exports are meant; raise `HostError` if they are not the caller's business."""
    owner = request.get("owner")
    if not isinstance(owner, str) or not _names.OWNER.fullmatch(owner):
        raise _malformed("owner")
    if owner not in caller.owners:
        msg = f"this login may not work for {owner}; the role storage_host is told the owners of each user"
        raise HostError("denied", msg, option="owner")
    return owner


def seconds_of(request: Mapping[str, Any]) -> float:
    """Return how long the work may take."""
    seconds = request.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= wire.SECONDS_LIMIT:
        raise _malformed("seconds")
    return float(seconds)


def wanted_of(owner: str, told: object, caller: Caller) -> tuple[Checked, frozenset[str]]:
    """Return what may be brought about, and all targets that are new; raise `HostError` if it has the wrong form."""
    _check_form("wanted", told, _FORM)
    assert isinstance(told, dict)  # noqa: S101 - for the type checker, it was checked
    if len(told["exports"]) > EXPORTS_LIMIT:
        raise HostError("limit_reached", f"{len(told['exports'])} exports are too many, {EXPORTS_LIMIT} are allowed")
    for each in told["exports"]:
        _check_export_form(each)
    tokens = {each["token"] for each in told["exports"]}
    if len(tokens) < len(told["exports"]):
        raise _malformed("exports")
    refused = {each["token"]: why for each in told["exports"] if (why := _objection(each, caller)) is not None}
    additions = _tokens("additions", told["additions"], tokens)
    wanted = Wanted(
        owner=owner,
        exports=tuple(wire.export_of(owner, each) for each in told["exports"] if each["token"] not in refused),
        additions=_targets(owner, additions - refused.keys()),
        confirm=_targets(owner, _tokens("confirm", told["confirm"], tokens) - refused.keys()),
        gone=_targets(owner, _sought("gone", told["gone"]) - tokens),
        gone_luns=frozenset(_names.lun_of(owner, name) for name in _sought("gone_luns", told["gone_luns"])),
        sizes=_sizes(owner, told["sizes"]),
        chap=_chaps(owner, {token: chap for token, chap in told["chap"].items() if token not in refused}, tokens),
        # The secret of what is refused here stays: it may be allowed again.
        complete=told["complete"] and not refused,
    )
    _check_luns(wanted.exports)
    named = {_names.target_of(owner, token): why for token, why in refused.items()}
    return Checked(wanted, named), _targets(owner, additions)


def _check_export_form(told: object) -> None:
    _check_form("exports", told, _EXPORT_FORM)
    assert isinstance(told, dict)  # noqa: S101 - for the type checker, it was checked
    if not _names.TOKEN.fullmatch(told["token"]) or not _names.UUID.fullmatch(told["uuid"]):
        raise _malformed("exports")


def _objection(told: Mapping[str, Any], caller: Caller) -> Optional[str]:
    """Return why the export is not allowed. It always names one initiator, so it is never for everybody."""
    if not _is_below(told["dataset"], caller.parents):
        return f"{told['dataset'][:255]!a} is not below a parent of this login"
    if told["portal_group"] not in caller.portal_groups:
        return f"the portal group {told['portal_group'][:64]!a} is not one of this login's"
    if not _names.INITIATOR.fullmatch(told["initiator"]):
        return "its initiator has no valid name"
    if told["chap"] not in _CHAP_KINDS:
        return f"its chap is none of {_CHAP_KINDS}"
    if told["blocksize"] not in _BLOCKSIZES:
        return f"its blocksize is none of {_BLOCKSIZES}"
    return None


def _is_below(dataset: str, parents: frozenset[str]) -> bool:
    """
    Return whether the device of the dataset can only be that of a volume below one of the parents.

    On the host /dev/zvol is a device filesystem in which root alone can make links, and there are none.
    """
    parent = next((each for each in parents if dataset.startswith(f"{each}/")), None)
    if parent is None:
        return False
    components = dataset[len(parent) + 1 :].split("/")
    device = _names.device_of(dataset)
    return (
        all(_COMPONENT.fullmatch(each) for each in components)
        and dataset.isascii()
        and os.path.realpath(device) == device
    )


def _check_luns(exports: Sequence[Export]) -> None:
    """Raise `HostError` if one volume is said to be two, or two to be one."""
    luns = {(export.lun, export.path) for export in exports}
    if len({lun for lun, _path in luns}) < len(luns) or len({path for _lun, path in luns}) < len(luns):
        raise _malformed("exports")


def _tokens(option: str, told: list[Any], known: set[str]) -> frozenset[str]:
    if not all(isinstance(each, str) and each in known for each in told):
        raise _malformed(option)
    return frozenset(told)


def _sought(option: str, told: list[Any]) -> frozenset[str]:
    if len(told) > EXPORTS_LIMIT or not all(isinstance(each, str) and _SOUGHT.fullmatch(each) for each in told):
        raise _malformed(option)
    return frozenset(told)


def _targets(owner: str, tokens: frozenset[str]) -> frozenset[str]:
    return frozenset(_names.target_of(owner, token) for token in tokens)


def _sizes(owner: str, told: dict[Any, Any]) -> dict[str, int]:
    for uuid, size in told.items():
        if not _names.UUID.fullmatch(uuid) or type(size) is not int or not 0 < size <= _LARGEST:
            raise _malformed("sizes")
    return {_names.lun_of(owner, uuid): size for uuid, size in told.items()}


def _chaps(owner: str, told: dict[Any, Any], tokens: set[str]) -> dict[str, Chap]:
    _tokens("chap", list(told), tokens)
    for each in told.values():
        _check_form("chap", each, _CHAP_FORM)
    found = {_names.target_of(owner, token): Chap(**each) for token, each in told.items()}
    if any(_chap.problem_of(chap) is not None for chap in found.values()):
        raise _malformed("chap")
    return found


def _check_form(option: str, told: object, form: Mapping[str, type]) -> None:
    """Raise `HostError` unless it is an object with these fields, of these very types, and no others."""
    if not isinstance(told, dict) or told.keys() != form.keys():
        raise _malformed(option)
    if any(type(told[name]) is not kind for name, kind in form.items()):
        raise _malformed(option)


def _malformed(option: str) -> HostError:
    return HostError("invalid", f"the request's {option} is not what the program understands", option=option)
