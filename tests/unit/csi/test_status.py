"""Which status an error becomes, and what of it a caller gets to read."""

from __future__ import annotations

import grpc
import pytest

from csi_driver.csi.status import MESSAGE_MAX_BYTES, READ_ONLY, STATUS
from csi_driver.errors import DriverError, ErrorCode
from csi_driver.proto import csi_pb2 as pb
from tests.unit.csi.fakes import TARGET, TOKEN, VOLUME_ID, Driver, create_request, refused, stage_request

EXPECTED = {
    "invalid": "INVALID_ARGUMENT",
    "not_found": "NOT_FOUND",
    "source_not_found": "NOT_FOUND",
    "exists_differently": "ALREADY_EXISTS",
    "published_differently": "ALREADY_EXISTS",
    "foreign_name": "ALREADY_EXISTS",
    "out_of_range": "OUT_OF_RANGE",
    "out_of_space": "RESOURCE_EXHAUSTED",
    "limit_reached": "RESOURCE_EXHAUSTED",
    "in_use": "FAILED_PRECONDITION",
    "published_elsewhere": "FAILED_PRECONDITION",
    "unsupported": "FAILED_PRECONDITION",
    "denied": "FAILED_PRECONDITION",
    "host_retired": "FAILED_PRECONDITION",
    "busy": "ABORTED",
    "copying": "ABORTED",
    "stale_token": "ABORTED",
    "degraded": "UNAVAILABLE",
    "uncertain": "UNAVAILABLE",
    "internal": "INTERNAL",
}
SERVICES = pb.DESCRIPTOR.services_by_name
OWN_METHODS = {
    "Identity": {"GetPluginInfo", "GetPluginCapabilities", "Probe"},
    "Controller": {
        "CreateVolume",
        "DeleteVolume",
        "ControllerPublishVolume",
        "ControllerUnpublishVolume",
        "ValidateVolumeCapabilities",
        "ListVolumes",
        "GetCapacity",
        "ControllerGetCapabilities",
        "ControllerGetVolume",
        "ControllerExpandVolume",
        "ControllerModifyVolume",
        "CreateSnapshot",
        "DeleteSnapshot",
        "ListSnapshots",
        "GetSnapshot",
        "ControllerGetVolumeHealth",
        "ControllerListVolumeHealth",
    },
    "Node": {
        "NodeStageVolume",
        "NodeUnstageVolume",
        "NodePublishVolume",
        "NodeUnpublishVolume",
        "NodeGetVolumeStats",
        "NodeGetVolumeHealth",
        "NodeGetStorageHealth",
        "NodeExpandVolume",
        "NodeGetCapabilities",
        "NodeGetInfo",
    },
    "GroupController": {
        "CreateVolumeGroupSnapshot",
        "DeleteVolumeGroupSnapshot",
        "GetVolumeGroupSnapshot",
        "GroupControllerGetCapabilities",
    },
    "SnapshotMetadata": set(),
}


def test_every_code_has_a_status() -> None:
    """The table is total."""
    assert STATUS.keys() == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode, ids=str)
def test_an_understood_error_reaches_the_caller(driver: Driver, code: ErrorCode) -> None:
    """With the status of its code and its own message."""
    driver.volumes.answers["create"] = DriverError(code, "what is wrong, and what to do")
    status, message = refused(driver.controller.CreateVolume, create_request())
    assert (status.name, message) == (EXPECTED[code.value], "what is wrong, and what to do")


def test_an_unexpected_error_of_a_change_leaves_the_outcome_open(driver: Driver) -> None:
    """UNAVAILABLE makes the caller ask again; the text stays in the log, found by the request id."""
    driver.volumes.answers["create"] = ValueError("the innermost secret")
    status, message = refused(driver.controller.CreateVolume, create_request())
    assert status is grpc.StatusCode.UNAVAILABLE
    assert "innermost" not in message
    assert "Traceback" not in message
    (record,) = driver.log(event="call")
    assert record["request_id"] in message
    assert "ValueError: the innermost secret" in record["exception"]


def test_an_unexpected_error_of_a_question_changed_nothing(driver: Driver) -> None:
    """INTERNAL, because the outcome is known: nothing happened."""
    driver.volumes.answers["get"] = OSError("gone")
    status, message = refused(driver.controller.ControllerGetVolume, pb.ControllerGetVolumeRequest(volume_id=VOLUME_ID))
    assert status is grpc.StatusCode.INTERNAL
    assert driver.log(event="call")[0]["request_id"] in message
    assert "gone" not in message


def test_an_unexpected_error_on_the_node_leaves_the_outcome_open(driver: Driver) -> None:
    """Staging may have got half way."""
    driver.on_node.answers["stage"] = RuntimeError("boom")
    status, _ = refused(driver.node.NodeStageVolume, stage_request())
    assert status is grpc.StatusCode.UNAVAILABLE


def test_an_unimplemented_part_inside_is_not_an_unimplemented_method(driver: Driver) -> None:
    """UNIMPLEMENTED would tell the caller never to ask again."""
    driver.volumes.answers["create"] = NotImplementedError("later")
    status, _ = refused(driver.controller.CreateVolume, create_request())
    assert status is grpc.StatusCode.UNAVAILABLE


def test_only_real_methods_count_as_questions() -> None:
    """A misspelt name would turn a question's error into UNAVAILABLE."""
    assert {method.name for service in SERVICES.values() for method in service.methods} >= READ_ONLY
    changes = ("Create", "Delete", "NodeStage", "NodePublish", "NodeExpand", "ControllerExpand")
    assert not {name for name in READ_ONLY if name.startswith(changes)}
    assert not {name for name in READ_ONLY if name.startswith("ControllerModify")}
    assert {"ListSnapshots", "GetSnapshot", "GetVolumeGroupSnapshot"} <= READ_ONLY


@pytest.mark.parametrize(
    ("service", "method"),
    [
        (service.name, method.name)
        for service in SERVICES.values()
        for method in service.methods
        if method.name not in OWN_METHODS[service.name]
    ],
)
def test_what_is_not_there_says_so(driver: Driver, service: str, method: str) -> None:
    """Every other method of the contract, streams too, answers UNIMPLEMENTED and a message."""
    path = f"/csi.v1.{service}/{method}"
    if SERVICES[service].methods_by_name[method].server_streaming:
        call = driver.channel.unary_stream(path)
        status, message = refused(lambda request, timeout: list(call(request, timeout=timeout)), b"")
    else:
        status, message = refused(driver.channel.unary_unary(path), b"")
    assert status is grpc.StatusCode.UNIMPLEMENTED
    assert message


def test_a_targets_token_never_leaves_in_a_message(driver: Driver) -> None:
    """It admits a node to the volume, and messages end up in events that anybody reads."""
    driver.on_node.answers["stage"] = DriverError(ErrorCode.UNCERTAIN, f"login to {TARGET} failed")
    _, message = refused(driver.node.NodeStageVolume, stage_request())
    assert message == "login to iqn.1994-09.org.freebsd.csi:demo.*** failed"
    assert TOKEN not in driver.log_text


@pytest.mark.parametrize("letter", ["x", "é", "💾"])
def test_a_long_message_is_cut_so_that_it_arrives(driver: Driver, letter: str) -> None:
    """A client answers headers above its limit with a code of its own."""
    driver.volumes.answers["create"] = DriverError(ErrorCode.DEGRADED, letter * 50_000)
    status, message = refused(driver.controller.CreateVolume, create_request())
    assert status is grpc.StatusCode.UNAVAILABLE
    assert message.startswith(letter * 100)
    assert message.endswith("...")
    assert len(message.encode()) <= MESSAGE_MAX_BYTES


@pytest.mark.parametrize("text", ["two\nlines", "tab\t", "über", "\udcff", ""])
def test_odd_text_arrives(driver: Driver, text: str) -> None:
    """Line feeds, other letters, undecodable bytes; and never an empty message."""
    driver.volumes.answers["create"] = DriverError(ErrorCode.IN_USE, text)
    status, message = refused(driver.controller.CreateVolume, create_request())
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert message == {"\udcff": "\\udcff", "": "in_use"}.get(text, text)
