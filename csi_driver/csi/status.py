"""
Which gRPC status an error becomes: the only place that knows.

A status tells the caller whether something may exist now, and callers leak what they believe was
never made. So what cannot be known is UNAVAILABLE, never UNKNOWN or INTERNAL.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.telemetry import mask_tokens

STATUS = {
    ErrorCode.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.SOURCE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.EXISTS_DIFFERENTLY: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.PUBLISHED_DIFFERENTLY: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.FOREIGN_NAME: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    ErrorCode.OUT_OF_SPACE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.LIMIT_REACHED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.IN_USE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.PUBLISHED_ELSEWHERE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.UNSUPPORTED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.DENIED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.HOST_RETIRED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.BUSY: grpc.StatusCode.ABORTED,
    ErrorCode.COPYING: grpc.StatusCode.ABORTED,
    ErrorCode.STALE_TOKEN: grpc.StatusCode.ABORTED,
    ErrorCode.DEGRADED: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.UNCERTAIN: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.INTERNAL: grpc.StatusCode.INTERNAL,
}

# Calls after which everything is as it was, however they end. An unexpected error in any other
# call leaves open what was done.
READ_ONLY = frozenset(
    {
        "GetPluginInfo",
        "GetPluginCapabilities",
        "Probe",
        "ValidateVolumeCapabilities",
        "ListVolumes",
        "ListSnapshots",
        "GetSnapshot",
        "GetVolumeGroupSnapshot",
        "GroupControllerGetCapabilities",
        "GetCapacity",
        "ControllerGetCapabilities",
        "ControllerGetVolume",
        "ControllerGetVolumeHealth",
        "ControllerListVolumeHealth",
        "NodeGetVolumeStats",
        "NodeGetVolumeHealth",
        "NodeGetStorageHealth",
        "NodeGetCapabilities",
        "NodeGetInfo",
    }
)

# The message travels as a header, where a byte may take three and 8 KiB is the end: clients answer
# a longer one with a code of their own, which callers would take for ours.
MESSAGE_MAX_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a call failed. `unexpected`: by an error nobody foresaw, so its traceback is worth logging."""

    code: grpc.StatusCode
    message: str
    unexpected: bool = False


def failure_of(error: Exception, *, method: str, request_id: str) -> Failure:
    """Return what to tell the caller about an error raised while answering `method`."""
    if isinstance(error, DriverError):
        return Failure(code=STATUS[error.code], message=_message(error.message or error.code.value))
    if method in READ_ONLY:
        return Failure(
            code=grpc.StatusCode.INTERNAL,
            message=f"unexpected error, nothing was changed; see the driver's log, request {request_id}",
            unexpected=True,
        )
    return Failure(
        code=grpc.StatusCode.UNAVAILABLE,
        message=f"unexpected error, outcome unknown: try again; see the driver's log, request {request_id}",
        unexpected=True,
    )


def unimplemented(method: str) -> Failure:
    """Return what to tell the caller of a method this driver does not have."""
    return Failure(code=grpc.StatusCode.UNIMPLEMENTED, message=f"this driver does not implement {method}")


def _message(text: str) -> str:
    encoded = mask_tokens(text).encode("utf-8", "backslashreplace")
    if len(encoded) <= MESSAGE_MAX_BYTES:
        return encoded.decode()
    return encoded[: MESSAGE_MAX_BYTES - 3].decode("utf-8", "ignore") + "..."
