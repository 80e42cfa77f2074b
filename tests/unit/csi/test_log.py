"""What is logged and measured of a call, and what never is."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor

from csi_driver.csi.redaction import redacted
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2 as pb
from tests.unit.csi.fakes import (
    PUBLISH_CONTEXT,
    TARGET,
    TIMEOUT,
    TOKEN,
    VOLUME_ID,
    Driver,
    create_request,
    publish_request,
    refused,
    stage_request,
    volume,
)

SECRET = "correct horse battery staple"
WITH_SECRETS = [
    message for message in pb.DESCRIPTOR.message_types_by_name.values() if "secrets" in message.fields_by_name
]


@pytest.mark.parametrize("message", WITH_SECRETS, ids=lambda message: message.name)
def test_whatever_the_contract_calls_secret_is_masked(message: Descriptor) -> None:
    """In every request that has secrets."""
    request: Any = getattr(pb, message.name)(secrets={"password": SECRET})
    assert redacted(request) == {"secrets": "***"}


def test_there_are_secrets_to_mask() -> None:
    """The contract has them in most requests that change something."""
    assert {"CreateVolumeRequest", "NodeStageVolumeRequest", "ControllerPublishVolumeRequest"} <= {
        message.name for message in WITH_SECRETS
    }


def test_the_rest_is_shown_as_it_is() -> None:
    """Nested messages, lists, maps, and enums by name."""
    request = create_request(capacity_range={"required_bytes": 5}, parameters={"a": "b"})
    assert redacted(request) == {
        "name": "pvc-1",
        "capacity_range": {"required_bytes": 5},
        "volume_capabilities": [{"mount": {}, "access_mode": {"mode": "SINGLE_NODE_WRITER"}}],
        "parameters": {"a": "b"},
    }


def test_an_unknown_enum_value_is_shown_as_its_number() -> None:
    """Newer callers may send what this driver has no name for."""
    assert redacted(pb.VolumeCapability.AccessMode(mode=99)) == {"mode": 99}  # type: ignore[arg-type]


def test_a_target_is_a_secret_wherever_contexts_travel() -> None:
    """Its token admits a node to the volume."""
    for message in (pb.ControllerPublishVolumeResponse, pb.NodeStageVolumeRequest, pb.NodePublishVolumeRequest):
        shown = redacted(message(publish_context=PUBLISH_CONTEXT))
        assert shown == {"publish_context": {**PUBLISH_CONTEXT, "target": "***"}}


def test_service_account_tokens_are_secrets() -> None:
    """The kubelet puts them into the volume context, which the contract calls public."""
    key = "csi.storage.k8s.io/serviceAccount.tokens"
    shown = redacted(pb.NodePublishVolumeRequest(volume_context={key: SECRET, "a": "b"}))
    assert shown == {"volume_context": {key: "***", "a": "b"}}


def test_a_call_is_logged_once_with_what_it_was_about(driver: Driver) -> None:
    """Method, code, seconds, request id and identifiers; no secret."""
    driver.volumes.answers["create"] = volume()
    driver.controller.CreateVolume(create_request(secrets={"password": SECRET}), timeout=TIMEOUT)
    (record,) = driver.log(event="call")
    assert record.items() >= {"level": "info", "method": "CreateVolume", "code": "OK", "name": "pvc-1"}.items()
    assert record["seconds"] >= 0
    assert len(record["request_id"]) == 16
    assert record["request"]["secrets"] == "***"
    assert SECRET not in driver.log_text


def test_neither_request_nor_response_shows_a_target(driver: Driver) -> None:
    """Not even when everything is logged."""
    driver.volumes.answers["publish"] = PUBLISH_CONTEXT
    driver.on_node.answers["stage"] = None
    driver.controller.ControllerPublishVolume(publish_request(secrets={"password": SECRET}), timeout=TIMEOUT)
    driver.node.NodeStageVolume(stage_request(secrets={"password": SECRET}), timeout=TIMEOUT)
    assert driver.log(event="response", method="ControllerPublishVolume")
    assert TOKEN not in driver.log_text
    assert SECRET not in driver.log_text


def test_a_traceback_does_not_show_a_target(driver: Driver) -> None:
    """What a command said may end up in an exception."""
    driver.on_node.answers["stage"] = RuntimeError(f"iscsiadm: no records found for {TARGET}")
    refused(driver.node.NodeStageVolume, stage_request())
    (record,) = driver.log(event="call")
    assert "no records found for iqn.1994-09.org.freebsd.csi:demo.***" in record["exception"]
    assert TOKEN not in driver.log_text


def test_a_failed_call_is_logged_with_its_error(driver: Driver) -> None:
    """As a warning when it was understood, as an error with a traceback when not."""
    driver.volumes.answers.update(delete=DriverError(ErrorCode.IN_USE, "published"), get=OSError("boom"))
    refused(driver.controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=VOLUME_ID))
    refused(driver.controller.ControllerGetVolume, pb.ControllerGetVolumeRequest(volume_id=VOLUME_ID))
    understood, unexpected = driver.log(event="call", volume_id=VOLUME_ID)
    assert (understood["level"], understood["code"]) == ("warning", "FAILED_PRECONDITION")
    assert understood["error"] == "published"
    assert "exception" not in understood
    assert (unexpected["level"], unexpected["code"]) == ("error", "INTERNAL")
    assert "OSError: boom" in unexpected["exception"]


def test_a_probe_is_logged_quietly_unless_it_fails() -> None:
    """It is asked every few seconds."""
    problems: list[str] = []
    driver = Driver(problem=lambda: problems[0] if problems else None)
    try:
        driver.identity.Probe(pb.ProbeRequest(), timeout=TIMEOUT)
        problems.append("the worker process died")
        refused(driver.identity.Probe, pb.ProbeRequest())
        assert [record["level"] for record in driver.log(event="call", method="Probe")] == ["debug", "warning"]
    finally:
        driver.close()


def test_calls_do_not_see_each_others_context(driver: Driver) -> None:
    """Threads are used again; what was bound is not."""
    driver.volumes.answers.update(delete=None, list=DriverError(ErrorCode.DEGRADED, "down"))
    driver.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=VOLUME_ID), timeout=TIMEOUT)
    refused(driver.controller.ListVolumes, pb.ListVolumesRequest())
    first, second = driver.log(event="call")
    assert "volume_id" not in second
    assert first["request_id"] != second["request_id"]


def test_calls_are_measured_by_method_and_code(driver: Driver) -> None:
    """Failed ones too."""
    driver.volumes.answers["delete"] = DriverError(ErrorCode.BUSY, "later")
    refused(driver.controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=VOLUME_ID))
    refused(driver.controller.ControllerGetVolumeHealth, pb.ControllerGetVolumeHealthRequest())
    driver.identity.Probe(pb.ProbeRequest(), timeout=TIMEOUT)
    text = driver.metrics.render().decode()
    told = {"DeleteVolume": "ABORTED", "ControllerGetVolumeHealth": "INVALID_ARGUMENT", "Probe": "OK"}
    for method, code in told.items():
        assert f'csi_operation_seconds_count{{code="{code}",method="{method}"}} 1.0' in text
    assert VOLUME_ID not in text


def test_an_error_of_the_log_itself_is_told_truly(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume may have been made: never UNKNOWN, which says it was not."""
    driver.volumes.answers["create"] = volume()
    monkeypatch.setattr("csi_driver.csi.interceptors.redacted", lambda _message: 1 / 0)
    status, _ = refused(driver.controller.CreateVolume, create_request())
    assert status is grpc.StatusCode.UNAVAILABLE
