# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The kinds of objects that people name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._state import Facts, Plan
from ..errors import HostError
from . import ctl_auth_group, iscsi_portal_group, iscsi_target, zfs_clone, zfs_dataset, zfs_snapshot, zvol
from .kind import Kind, Wish

KINDS = {
    module.KIND.name: module.KIND
    for module in (zvol, zfs_dataset, zfs_snapshot, zfs_clone, iscsi_portal_group, ctl_auth_group, iscsi_target)
}


class NamedWish(NamedTuple):
    """An object of a kind that people name, as it is wanted or unwanted."""

    kind: Kind
    wish: Wish

    def plan(self, facts: Facts) -> Plan:
        """Return what has to be done, as `Wish` does."""
        return self.wish.plan(facts)


def named_wish(
    kind: Kind, common: Mapping[str, Any], resource: Mapping[str, Any], secrets: Mapping[str, object]
) -> NamedWish:
    """Check the options of a resource; raise `HostError` where they are wrong. `common` are those of every kind."""
    validator = ArgumentSpecValidator({**common, **kind.spec}, required_if=required_if(kind))
    checked = validator.validate(dict(resource))
    if checked.error_messages:
        raise HostError("invalid", "; ".join(checked.error_messages))
    options = checked.validated_parameters
    return NamedWish(kind, kind.absent(options) if options["state"] == "absent" else kind.present(options, secrets))


def required_if(kind: Kind) -> list[tuple[str, str, list[str]]]:
    """Return which options have to be there for which state."""
    return [("state", "present", list(kind.required))] if kind.required else []
