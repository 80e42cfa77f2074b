"""
What happens around every call, outermost first: bind the context, map errors, log, measure.

Errors are mapped outside the log, so that even an error of the log itself gets a status that is
true. Calls are unary; others, and methods nobody serves, pass untouched (gRPC answers UNIMPLEMENTED).
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from csi_driver.csi.redaction import redacted
from csi_driver.csi.status import Failure, failure_of, unimplemented

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from csi_driver.telemetry import Metrics

    Handler = grpc.RpcMethodHandler[Any, Any]
    Behaviour = Callable[[Message, grpc.ServicerContext], Message]

# Asked every few seconds by health checks, or by every client that connects; of interest only when
# something is wrong.
QUIET = frozenset(
    {
        "Probe",
        "GetPluginInfo",
        "GetPluginCapabilities",
        "ControllerGetCapabilities",
        "GroupControllerGetCapabilities",
        "NodeGetCapabilities",
    }
)

_LOGGER = "csi_driver.csi"
_IDENTIFIERS = ("volume_id", "source_volume_id", "snapshot_id", "group_snapshot_id", "name", "node_id")


class _Around(grpc.ServerInterceptor):
    """Calls `_around` in place of every unary method."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method.rpartition("/")[2]
        behaviour = handler.unary_unary

        def call(request: Message, context: grpc.ServicerContext) -> Message:
            return self._around(method, behaviour, request, context)

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around(self, method: str, call: Behaviour, request: Message, context: grpc.ServicerContext) -> Message:
        """Answer the request by `call`."""
        raise NotImplementedError


class ContextInterceptor(_Around):
    """Gives every call a request id, and binds it and what the call is about to all that is logged."""

    def _around(self, method: str, call: Behaviour, request: Message, context: grpc.ServicerContext) -> Message:
        fields = request.DESCRIPTOR.fields_by_name
        about = {name: value for name in _IDENTIFIERS if name in fields and (value := getattr(request, name))}
        with structlog.contextvars.bound_contextvars(request_id=uuid.uuid4().hex[:16], method=method, **about):
            return call(request, context)


class ErrorInterceptor(_Around):
    """Ends a call that raised with the status its error stands for."""

    def _around(self, method: str, call: Behaviour, request: Message, context: grpc.ServicerContext) -> Message:
        try:
            return call(request, context)
        except Exception as error:  # noqa: BLE001 - this is the boundary: what passes here becomes UNKNOWN
            failure = _failure(error, method, context)
        return context.abort(failure.code, failure.message)


class LogInterceptor(_Around):
    """Logs every call once, when it has ended."""

    def __init__(self) -> None:
        self._log = structlog.stdlib.get_logger(_LOGGER)
        self._shows_responses = logging.getLogger(_LOGGER)

    def _around(self, method: str, call: Behaviour, request: Message, context: grpc.ServicerContext) -> Message:
        started = time.monotonic()
        try:
            response = call(request, context)
        except Exception as error:
            self._log_failure(_failure(error, method, context), error, request, time.monotonic() - started)
            raise
        log = self._log.debug if method in QUIET else self._log.info
        log("call", code="OK", seconds=round(time.monotonic() - started, 3), request=redacted(request))
        if self._shows_responses.isEnabledFor(logging.DEBUG):  # a list of all volumes takes a while to redact
            self._log.debug("response", response=redacted(response))
        return response

    def _log_failure(self, failure: Failure, error: Exception, request: Message, seconds: float) -> None:
        log = self._log.error if failure.unexpected else self._log.warning
        log(
            "call",
            code=failure.code.name,
            error=failure.message,
            seconds=round(seconds, 3),
            request=redacted(request),
            **({"exc_info": error} if failure.unexpected else {}),
        )


class MetricsInterceptor(_Around):
    """Counts every call and its seconds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def _around(self, method: str, call: Behaviour, request: Message, context: grpc.ServicerContext) -> Message:
        started = time.monotonic()
        code = grpc.StatusCode.OK
        try:
            return call(request, context)
        except Exception as error:
            code = _failure(error, method, context).code
            raise
        finally:
            self._metrics.operation(method, code.name, time.monotonic() - started)


def interceptors(metrics: Metrics) -> list[grpc.ServerInterceptor]:
    """Return all of them in their order."""
    return [ContextInterceptor(), ErrorInterceptor(), LogInterceptor(), MetricsInterceptor(metrics)]


def _failure(error: Exception, method: str, context: Any) -> Failure:  # noqa: ANN401 - its type lacks `code`
    # The generated base class sets the code before it raises.
    if isinstance(error, NotImplementedError) and context.code() is grpc.StatusCode.UNIMPLEMENTED:
        return unimplemented(method)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "-")
    return failure_of(error, method=method, request_id=request_id)
