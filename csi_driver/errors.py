"""
What can go wrong, as one closed set of codes.

The host modules, the domain and the node side all fail with one of these codes; `csi.status` alone
knows which gRPC status each becomes. A code says what a caller may conclude, so choose by that:
`UNCERTAIN` and `DEGRADED` when the outcome cannot be known, `INTERNAL` only when it is known that
nothing was made.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """The closed set of error codes, shared by name with the host modules."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    SOURCE_NOT_FOUND = "source_not_found"
    EXISTS_DIFFERENTLY = "exists_differently"
    PUBLISHED_DIFFERENTLY = "published_differently"
    FOREIGN_NAME = "foreign_name"
    OUT_OF_RANGE = "out_of_range"
    OUT_OF_SPACE = "out_of_space"
    LIMIT_REACHED = "limit_reached"
    IN_USE = "in_use"
    PUBLISHED_ELSEWHERE = "published_elsewhere"
    UNSUPPORTED = "unsupported"
    DENIED = "denied"
    HOST_RETIRED = "host_retired"
    BUSY = "busy"
    COPYING = "copying"
    STALE_TOKEN = "stale_token"  # noqa: S105 - a paging token, not a password
    DEGRADED = "degraded"
    UNCERTAIN = "uncertain"
    INTERNAL = "internal"


class DriverError(Exception):
    """
    An operation failed in a way that is understood.

    `message` is for people: it names the field or object at fault and the remedy, and never holds
    a secret. `option` names the offending request field or parameter, if there is one.
    """

    def __init__(self, code: ErrorCode, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.option = option
