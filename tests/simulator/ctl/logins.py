"""
Who may log in to what: ctld's part of an iSCSI login, without the wire.

Order of the checks as in usr.sbin/ctld/login.cc: target, type of the auth-group, initiator name,
initiator portal, CHAP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulator.ctl.apply import auth_group_of
from tests.simulator.ctl.config import AuthGroup, Config, Credential, Port, PortalGroup
from tests.simulator.registry import Json

# Not the target's word: it would let the initiator in, which for its part does not believe the target.
TARGET_UNPROVEN = (0, 0)
AUTHENTICATION_FAILURE = (2, 1)
AUTHORIZATION_FAILURE = (2, 2)
NOT_FOUND = (2, 3)
MISSING_PARAMETER = (2, 7)
MOVED_TEMPORARILY = (1, 1)
TARGET_ERROR = (3, 0)
SERVICE_UNAVAILABLE = (3, 1)


class Refused(Exception):
    """The login fails with this (class, detail), RFC 7143 section 11.13.5."""

    def __init__(self, status: tuple[int, int]) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class LoginRequest:
    """What an initiator presents. CHAP None means that it offers no authentication."""

    initiator: str
    target: str
    address: str
    chap: Mapping[str, Json] | None = None


def read_request(request: Mapping[str, Json], peer: str) -> LoginRequest:
    """
    Return REQUEST typed; raises Refused when a name is missing.

    ADDRESS may be given by a simulated node that has one; else it is the connection's.
    """
    initiator, target = request.get("initiator"), request.get("target")
    if not isinstance(initiator, str) or not isinstance(target, str):
        raise Refused(MISSING_PARAMETER)
    address, chap = request.get("address", peer), request.get("chap")
    return LoginRequest(initiator, target, str(address), chap if isinstance(chap, dict) else None)


def admit(config: Config, group: PortalGroup, request: LoginRequest) -> Port:
    """Return the port REQUEST may log in to through GROUP. Raises Refused."""
    if group.redirection is not None:
        raise Refused(MOVED_TEMPORARILY)
    port = config.find_port(f"{group.name}-{request.target}")
    if port is None or port.portal_group is not group:
        raise Refused(NOT_FOUND)
    auth_group = auth_group_of(port)
    if auth_group.type in (None, "deny"):
        raise Refused(AUTHENTICATION_FAILURE)
    _check_initiator(auth_group, request)
    if auth_group.type != "none":
        _check_chap(auth_group, request.chap)
    if port.target.redirection is not None:
        raise Refused(MOVED_TEMPORARILY)
    return port


def _check_initiator(group: AuthGroup, request: LoginRequest) -> None:
    if group.initiator_names and request.initiator not in group.initiator_names:
        raise Refused(AUTHORIZATION_FAILURE)
    if group.initiator_portals:
        address = ipaddress.ip_address(request.address)
        if not any(address in network for network in group.initiator_portals):
            raise Refused(AUTHORIZATION_FAILURE)


def _check_chap(group: AuthGroup, given: Mapping[str, Json] | None) -> None:
    credential = group.users.get(str(given.get("user"))) if given else None
    if given is None or credential is None or given.get("secret") != credential.secret:
        raise Refused(AUTHENTICATION_FAILURE)
    if given.get("mutual_user") or given.get("mutual_secret"):
        _check_mutual(credential, given)


def _check_mutual(credential: Credential, given: Mapping[str, Json]) -> None:
    """The initiator asks the target to prove itself: it accepts only the pair it knows, and goes away without."""
    if not credential.mutual_user:
        raise Refused(AUTHENTICATION_FAILURE)
    if (credential.mutual_user, credential.mutual_secret) != (given.get("mutual_user"), given.get("mutual_secret")):
        raise Refused(TARGET_UNPROVEN)
