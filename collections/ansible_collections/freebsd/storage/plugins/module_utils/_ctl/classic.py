# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The classic grammar of ctl.conf(5). Pure.

Every string is quoted: an unquoted word that happens to be a keyword would be one. A quoted string
knows no escapes.
"""

from __future__ import annotations

from . import conf
from .conf import Draft, Place
from .model import Chap
from .sections import AuthGroup, Lun, PortalGroup, Sections, Target


class Classic:
    """Writes into ctl.conf itself."""

    ucl = False

    def text(self, sections: Sections) -> str:
        lines = [
            *(line for group in sections.portal_groups for line in _portal_group(group)),
            *(line for group in sections.auth_groups for line in _auth_group(group)),
            *(line for lun in sections.luns for line in _lun(lun)),
            *(line for target in sections.targets for line in _target(target)),
        ]
        return "".join(f"{line}\n" for line in lines)

    def stands(self, part: str, sections: Sections) -> bool:
        return self.text(sections) in part

    def put(self, now: Draft, place: Place, part: str) -> Draft:
        return Draft(conf.with_block(now.main, place.name, part, first=place.first))


def _portal_group(group: PortalGroup) -> list[str]:
    return [
        f'portal-group "{group.name}" {{',
        f'\tdiscovery-auth-group "{group.discovery_auth_group}"',
        f'\tdiscovery-filter "{group.discovery_filter}"',
        *(f'\tlisten "{address}"' for address in group.listen),
        "}",
    ]


def _auth_group(group: AuthGroup) -> list[str]:
    # Without a type ctld lets nobody in, whatever names the group has; with "none" the names still count.
    proof = [_chap(chap) for chap in group.chap] or ['\tauth-type "none"']
    return [
        f'auth-group "{group.name}" {{',
        *proof,
        *(f'\tinitiator-name "{name}"' for name in group.initiators),
        *(f'\tinitiator-portal "{network}"' for network in group.networks),
        "}",
    ]


def _chap(chap: Chap) -> str:
    if not chap.mutual_user:
        return f'\tchap "{chap.user}" "{chap.secret}"'
    return f'\tchap-mutual "{chap.user}" "{chap.secret}" "{chap.mutual_user}" "{chap.mutual_secret}"'


def _lun(lun: Lun) -> list[str]:
    readonly = ['\toption "readonly" "on"'] if lun.readonly else []
    return [
        f'lun "{lun.name}" {{',
        f'\tpath "{lun.path}"',
        f"\tblocksize {lun.blocksize}",
        f'\tserial "{lun.serial}"',
        f'\tdevice-id "{lun.device_id}"',
        f'\toption "naa" "{lun.naa}"',
        *readonly,
        "}",
    ]


def _target(target: Target) -> list[str]:
    return [
        f'target "{target.name}" {{',
        *([f'\talias "{target.alias}"'] if target.alias else []),
        f'\tauth-group "{target.auth_group}"',
        *(f'\tportal-group "{group}"' for group in target.portal_groups),
        *(f'\tlun {number} "{lun.name}"' for number, lun in sorted(target.luns.items())),
        "}",
    ]
