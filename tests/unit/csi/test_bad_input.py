"""What is refused by looking at the request alone: its code, the field it names, and what is asked first."""

from __future__ import annotations

from typing import Any

import pytest

from csi_driver.proto import csi_pb2 as pb
from tests.unit.csi.fakes import (
    NODE_ID,
    PUBLISH_CONTEXT,
    TARGET,
    TIMEOUT,
    VOLUME_ID,
    Driver,
    block,
    create_request,
    mount,
    node_publish_request,
    publish_request,
    refused,
    sized,
    stage_request,
    volume,
)

VALIDATE = pb.ValidateVolumeCapabilitiesRequest
UNPUBLISH = pb.ControllerUnpublishVolumeRequest
STATS = pb.NodeGetVolumeStatsRequest
EXPAND = pb.ControllerExpandVolumeRequest
SNAPSHOT = pb.CreateSnapshotRequest
MODIFY = pb.ControllerModifyVolumeRequest
GROUP = pb.CreateVolumeGroupSnapshotRequest
GROW = pb.NodeExpandVolumeRequest

LEGAL_NAMES = [
    "a",
    "a/b",
    "a b",
    "a@b",
    "it's",
    'say "hi"',
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "..",
    "-rf",
    "%2F",
    "#",
    "two\nlines",
    "cr\r",
    "tab\t",
    "storage 💾",
    "\u00a0",
    "x" * 128,
    "é" * 64,
    "{{ lookup('pipe', 'touch /tmp/x') }}",
    "{% set x = 1 %}",
    "{# comment #}",
]
FORBIDDEN_CHARACTERS = [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)]


@pytest.mark.parametrize("name", LEGAL_NAMES)
def test_whatever_the_specification_allows_is_a_name(driver: Driver, name: str) -> None:
    """It reaches the domain as it was sent."""
    driver.volumes.answers["create"] = volume()
    driver.controller.CreateVolume(create_request(name=name), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1][0].name == name


def test_forbidden_control_characters_are_refused(driver: Driver) -> None:
    """Each is named by its code point, never repeated."""
    for number in FORBIDDEN_CHARACTERS:
        status, message = refused(driver.controller.CreateVolume, create_request(name=f"a{chr(number)}b"))
        assert status.name == "INVALID_ARGUMENT"
        assert message == f"name: holds the control character U+{number:04X}; leave it out"


CONTROLLER_CASES: list[tuple[str, str, Any, str]] = [
    ("no name", "CreateVolume", create_request(name=""), "name: required"),
    ("129 bytes", "CreateVolume", create_request(name="x" * 129), "name: 129 bytes long, the limit is 128"),
    ("129 bytes in fewer letters", "CreateVolume", create_request(name="é" * 64 + "x"), "name: 129 bytes long"),
    ("no capabilities", "CreateVolume", create_request(volume_capabilities=[]), "volume_capabilities: required"),
    (
        "no access type",
        "CreateVolume",
        create_request(volume_capabilities=[mount(), pb.VolumeCapability(access_mode=mount().access_mode)]),
        "volume_capabilities[1].access_type: required",
    ),
    (
        "no access mode",
        "CreateVolume",
        create_request(volume_capabilities=[pb.VolumeCapability(mount=mount().mount)]),
        "volume_capabilities[0].access_mode: required",
    ),
    (
        "unknown mode",
        "CreateVolume",
        create_request(volume_capabilities=[block(mode=99)]),
        "volume_capabilities[0].access_mode: 99 is not",
    ),
    (
        "filesystem on many nodes",
        "CreateVolume",
        create_request(volume_capabilities=[block(mode=5), mount(mode=5)]),
        "volume_capabilities[1]: a filesystem",
    ),
    (
        "unknown filesystem",
        "CreateVolume",
        create_request(volume_capabilities=[mount("ext4"), mount("ntfs")]),
        "volume_capabilities[1]: filesystem 'ntfs' is not known; use one of ext4, xfs",
    ),
    (
        "long filesystem name",
        "CreateVolume",
        create_request(volume_capabilities=[mount("x" * 129)]),
        "volume_capabilities[0].mount.fs_type: 129 bytes",
    ),
    (
        "too many mount flags",
        "CreateVolume",
        create_request(volume_capabilities=[mount(flags=("x" * 64,) * 65)]),
        "volume_capabilities[0].mount.mount_flags: 4160 bytes long, the limit is 4096",
    ),
    (
        "line feed in a mount flag",
        "CreateVolume",
        create_request(volume_capabilities=[mount(flags=("ro\n",))]),
        "mount_flags: holds the control character U+000A",
    ),
    (
        "mount group",
        "CreateVolume",
        create_request(
            volume_capabilities=[
                pb.VolumeCapability(mount={"volume_mount_group": "7"}, access_mode=mount().access_mode)
            ]
        ),
        "volume_mount_group: this driver does not offer",
    ),
    ("size 0", "CreateVolume", sized(), "capacity_range: neither"),
    ("negative size", "CreateVolume", sized(-1), "capacity_range.required_bytes: -1 is negative"),
    ("most negative size", "CreateVolume", sized(-(2**63)), "capacity_range.required_bytes: -9223372036854775808"),
    ("negative limit", "CreateVolume", sized(5, -1), "capacity_range.limit_bytes: -1 is negative"),
    ("required over limit", "CreateVolume", sized(9, 8), "required_bytes 9 is above limit_bytes 8"),
    (
        "parameters over 4 KiB",
        "CreateVolume",
        create_request(parameters={"a" * 97: "b" * 4000}),
        "parameters: 4097 bytes in all, the limit is 4096",
    ),
    (
        "source of no kind",
        "CreateVolume",
        create_request(volume_content_source={}),
        "volume_content_source: neither a snapshot nor a volume",
    ),
    (
        "source without snapshot",
        "CreateVolume",
        create_request(volume_content_source={"snapshot": {}}),
        "volume_content_source.snapshot.snapshot_id: required",
    ),
    (
        "source with a long id",
        "CreateVolume",
        create_request(volume_content_source={"volume": {"volume_id": "x" * 129}}),
        "volume_content_source.volume.volume_id: 129 bytes",
    ),
    (
        "mutable parameters over 4 KiB",
        "CreateVolume",
        create_request(mutable_parameters={"a" * 97: "b" * 4000}),
        "mutable_parameters: 4097 bytes in all, the limit is 4096",
    ),
    ("no id", "DeleteVolume", pb.DeleteVolumeRequest(), "volume_id: required"),
    ("long id", "DeleteVolume", pb.DeleteVolumeRequest(volume_id="x" * 129), "volume_id: 129 bytes"),
    ("no volume", "ControllerPublishVolume", pb.ControllerPublishVolumeRequest(), "volume_id: required"),
    ("no node", "ControllerPublishVolume", publish_request(node_id=""), "node_id: required"),
    ("long node", "ControllerPublishVolume", publish_request(node_id="x" * 257), "node_id: 257 bytes"),
    (
        "no capability",
        "ControllerPublishVolume",
        pb.ControllerPublishVolumeRequest(volume_id="fake-vol-id", node_id="fake-node-id"),
        "volume_capability: required",
    ),
    (
        "filesystem on many nodes",
        "ControllerPublishVolume",
        publish_request(volume_capability=mount(mode=5)),
        "volume_capability: a filesystem",
    ),
    ("no volume", "ControllerUnpublishVolume", UNPUBLISH(node_id=str(NODE_ID)), "volume_id: required"),
    ("long node", "ControllerUnpublishVolume", UNPUBLISH(volume_id="v", node_id="x" * 257), "node_id: 257"),
    ("no volume", "ValidateVolumeCapabilities", VALIDATE(volume_capabilities=[mount()]), "volume_id: required"),
    ("no capabilities", "ValidateVolumeCapabilities", VALIDATE(volume_id=VOLUME_ID), "volume_capabilities: req"),
    ("negative page", "ListVolumes", pb.ListVolumesRequest(max_entries=-1), "max_entries: -1 is negative"),
    (
        "filesystem on many nodes",
        "GetCapacity",
        pb.GetCapacityRequest(volume_capabilities=[mount(mode=5)]),
        "volume_capabilities[0]: a filesystem",
    ),
    ("no volume", "ControllerGetVolume", pb.ControllerGetVolumeRequest(), "volume_id: required"),
    ("no volume", "ControllerExpandVolume", EXPAND(capacity_range={"required_bytes": 1}), "volume_id: required"),
    ("no range", "ControllerExpandVolume", EXPAND(volume_id="v"), "capacity_range: required"),
    ("size 0", "ControllerExpandVolume", EXPAND(volume_id="v", capacity_range={}), "capacity_range: neither"),
    (
        "negative size",
        "ControllerExpandVolume",
        EXPAND(volume_id="v", capacity_range={"required_bytes": -1}),
        "capacity_range.required_bytes: -1 is negative",
    ),
    (
        "filesystem on many nodes",
        "ControllerExpandVolume",
        EXPAND(volume_id="v", capacity_range={"required_bytes": 1}, volume_capability=mount(mode=5)),
        "volume_capability: a filesystem",
    ),
    ("no volume", "ControllerModifyVolume", MODIFY(mutable_parameters={"sync": "always"}), "volume_id: required"),
    ("long id", "ControllerModifyVolume", MODIFY(volume_id="x" * 129), "volume_id: 129 bytes"),
    (
        "mutable parameters over 4 KiB",
        "ControllerModifyVolume",
        MODIFY(volume_id="v", mutable_parameters={"a" * 97: "b" * 4000}),
        "mutable_parameters: 4097 bytes in all, the limit is 4096",
    ),
    ("no name", "CreateVolumeGroupSnapshot", GROUP(source_volume_ids=["v"]), "name: required, but not given; name"),
    ("129 bytes", "CreateVolumeGroupSnapshot", GROUP(name="x" * 129, source_volume_ids=["v"]), "name: 129 bytes"),
    ("bell", "CreateVolumeGroupSnapshot", GROUP(name="a\x07", source_volume_ids=["v"]), "control character U+0007"),
    ("no volumes", "CreateVolumeGroupSnapshot", GROUP(name="n"), "source_volume_ids: required"),
    (
        "empty volume",
        "CreateVolumeGroupSnapshot",
        GROUP(name="n", source_volume_ids=["v", ""]),
        "source_volume_ids[1]: required",
    ),
    (
        "long volume",
        "CreateVolumeGroupSnapshot",
        GROUP(name="n", source_volume_ids=["x" * 129]),
        "source_volume_ids[0]: 129 bytes",
    ),
    (
        "one volume twice",
        "CreateVolumeGroupSnapshot",
        GROUP(name="n", source_volume_ids=["v", "w", "v"]),
        "source_volume_ids[2]: 'v' is given twice",
    ),
    (
        "unknown parameter",
        "CreateVolumeGroupSnapshot",
        GROUP(name="n", source_volume_ids=["v"], parameters={"csi.storage.k8s.io/a": "b", "quick": "yes"}),
        "parameters: a VolumeGroupSnapshotClass has none here; leave out 'quick'",
    ),
    *(
        (what, method, request(**given), says)
        for method, request in (
            ("DeleteVolumeGroupSnapshot", pb.DeleteVolumeGroupSnapshotRequest),
            ("GetVolumeGroupSnapshot", pb.GetVolumeGroupSnapshotRequest),
        )
        for what, given, says in (
            ("no id", {"snapshot_ids": ["s"]}, "group_snapshot_id: required"),
            ("long id", {"group_snapshot_id": "x" * 129}, "group_snapshot_id: 129 bytes"),
            ("empty snapshot", {"group_snapshot_id": "g", "snapshot_ids": [""]}, "snapshot_ids[0]: required"),
            ("one snapshot twice", {"group_snapshot_id": "g", "snapshot_ids": ["s", "s"]}, "snapshot_ids[1]: 's' is"),
        )
    ),
    ("no volume", "CreateSnapshot", SNAPSHOT(name="n"), "source_volume_id: required"),
    ("no name", "CreateSnapshot", SNAPSHOT(source_volume_id="v"), "name: required, but not given; name the snap"),
    ("129 bytes", "CreateSnapshot", SNAPSHOT(source_volume_id="v", name="x" * 129), "name: 129 bytes"),
    ("bell", "CreateSnapshot", SNAPSHOT(source_volume_id="v", name="a\x07"), "control character U+0007"),
    ("long id", "CreateSnapshot", SNAPSHOT(source_volume_id="x" * 129, name="n"), "source_volume_id: 129 bytes"),
    ("no id", "DeleteSnapshot", pb.DeleteSnapshotRequest(), "snapshot_id: required"),
    ("no id", "GetSnapshot", pb.GetSnapshotRequest(), "snapshot_id: required"),
    ("long id", "GetSnapshot", pb.GetSnapshotRequest(snapshot_id="x" * 129), "snapshot_id: 129 bytes"),
    ("negative page", "ListSnapshots", pb.ListSnapshotsRequest(max_entries=-1), "max_entries: -1 is negative"),
    ("long id", "ListSnapshots", pb.ListSnapshotsRequest(snapshot_id="x" * 129), "snapshot_id: 129 bytes"),
    ("long source", "ListSnapshots", pb.ListSnapshotsRequest(source_volume_id="x" * 129), "source_volume_id: 129"),
]


@pytest.mark.parametrize(
    ("method", "request_", "says"),
    [case[1:] for case in CONTROLLER_CASES],
    ids=[f"{case[1]}: {case[0]}" for case in CONTROLLER_CASES],
)
def test_the_controller_refuses_what_is_malformed(driver: Driver, method: str, request_: Any, says: str) -> None:
    """INVALID_ARGUMENT, the field and the remedy; the domain is not even asked."""
    service = driver.controller if hasattr(driver.controller, method) else driver.group_controller
    status, message = refused(getattr(service, method), request_)
    assert status.name == "INVALID_ARGUMENT", message
    assert says in message
    assert "; " in message, "no remedy"
    assert not driver.volumes.calls
    assert not driver.groups.calls
    assert not driver.snapshots.calls


@pytest.mark.parametrize("size", [1, 4097, 2**63 - 1])
@pytest.mark.parametrize("limit", [0, 2**63 - 1])
def test_any_other_size_is_for_the_domain_to_judge(driver: Driver, size: int, limit: int) -> None:
    """It knows the block size, the largest size and the room there is."""
    driver.volumes.answers["create"] = volume()
    driver.controller.CreateVolume(sized(size, limit), timeout=TIMEOUT)
    wanted = driver.volumes.calls[0][1][0]
    assert (wanted.required_bytes, wanted.limit_bytes) == (size, limit)


def context(**changes: str | None) -> dict[str, str]:
    merged = {**PUBLISH_CONTEXT, **changes}
    return {key: value for key, value in merged.items() if value is not None}


NODE_CASES: list[tuple[str, str, Any, str]] = [
    ("no volume", "NodeStageVolume", pb.NodeStageVolumeRequest(), "volume_id: required"),
    ("no path", "NodeStageVolume", stage_request(staging_target_path=""), "staging_target_path: required"),
    ("no capability", "NodeStageVolume", stage_request(volume_capability=None), "volume_capability: required"),
    ("long path", "NodeStageVolume", stage_request(staging_target_path="/" * 4096), "staging_target_path: 4096"),
    (
        "filesystem on many nodes",
        "NodeStageVolume",
        stage_request(volume_capability=mount(mode=5)),
        "volume_capability: a filesystem",
    ),
    (
        "unknown filesystem",
        "NodeStageVolume",
        stage_request(volume_capability=mount("zfs")),
        "volume_capability: filesystem 'zfs' is not known",
    ),
    *(
        (
            f"no {key}",
            "NodeStageVolume",
            stage_request(publish_context=context(**{key: None})),
            f"publish_context.{key}: required",
        )
        for key in PUBLISH_CONTEXT
    ),
    (
        "unknown protocol",
        "NodeStageVolume",
        stage_request(publish_context=context(protocol="floppy")),
        "publish_context.protocol: 'floppy' is not known",
    ),
    *(
        (
            f"malformed {key} {value!r}",
            "NodeStageVolume",
            stage_request(publish_context=context(**{key: value})),
            f"publish_context.{key}: not of the form",
        )
        for key, value in [
            ("portals", "nas"),
            ("portals", "192.0.2.1:3260,"),
            ("portals", "-D:3260"),
            ("target", "--logout"),
            ("target", TARGET + " "),
            ("target", "iqn.x"),
            ("lun", "-1"),
            ("lun", "0x1"),
            ("lun", "\u0661"),
            ("serial", "x"),
            ("serial", "../../dev/sda"),
        ]
    ),
    ("no volume", "NodeUnstageVolume", pb.NodeUnstageVolumeRequest(staging_target_path="/s"), "volume_id: req"),
    ("no path", "NodeUnstageVolume", pb.NodeUnstageVolumeRequest(volume_id="v"), "staging_target_path: required"),
    ("no volume", "NodePublishVolume", pb.NodePublishVolumeRequest(), "volume_id: required"),
    ("no path", "NodePublishVolume", node_publish_request(target_path=""), "target_path: required"),
    (
        "no capability, no staging path",
        "NodePublishVolume",
        node_publish_request(volume_capability=None, staging_target_path=""),
        "volume_capability: required",
    ),
    ("no volume", "NodeUnpublishVolume", pb.NodeUnpublishVolumeRequest(target_path="/t"), "volume_id: required"),
    ("no path", "NodeUnpublishVolume", pb.NodeUnpublishVolumeRequest(volume_id="v"), "target_path: required"),
    ("NUL", "NodeUnpublishVolume", pb.NodeUnpublishVolumeRequest(volume_id="v", target_path="/a\0b"), "U+0000"),
    ("no volume", "NodeGetVolumeStats", STATS(volume_path="some/path"), "volume_id: required"),
    ("no path", "NodeGetVolumeStats", STATS(volume_id="v"), "volume_path: required"),
    ("no volume", "NodeExpandVolume", GROW(volume_path="some/path"), "volume_id: required"),
    ("no path", "NodeExpandVolume", GROW(volume_id="v"), "volume_path: required"),
    (
        "negative size",
        "NodeExpandVolume",
        GROW(volume_id="v", volume_path="/p", capacity_range={"limit_bytes": -1}),
        "capacity_range.limit_bytes: -1 is negative",
    ),
    (
        "no access mode",
        "NodeExpandVolume",
        GROW(volume_id="v", volume_path="/p", volume_capability=pb.VolumeCapability(mount=mount().mount)),
        "volume_capability.access_mode: required",
    ),
    (
        "NUL",
        "NodeExpandVolume",
        GROW(volume_id="v", volume_path="/p", staging_target_path="/a\0"),
        "staging_target_path: holds",
    ),
]


@pytest.mark.parametrize(
    ("method", "request_", "says"),
    [case[1:] for case in NODE_CASES],
    ids=[f"{case[1]}: {case[0]!a}" for case in NODE_CASES],
)
def test_the_node_refuses_what_is_malformed(driver: Driver, method: str, request_: Any, says: str) -> None:
    """INVALID_ARGUMENT, the field and the remedy, never the target; nothing is tried."""
    status, message = refused(getattr(driver.node, method), request_)
    assert status.name == "INVALID_ARGUMENT", message
    assert says in message
    assert "; " in message, "no remedy"
    assert TARGET not in message
    assert not driver.on_node.calls


def test_publishing_what_cannot_be_staged_is_a_failed_precondition(driver: Driver) -> None:
    """No staging path, although this driver stages."""
    status, message = refused(driver.node.NodePublishVolume, node_publish_request(staging_target_path=""))
    assert status.name == "FAILED_PRECONDITION"
    assert "stage the volume first" in message


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("CreateVolume", pb.CreateVolumeRequest(), ["name", "volume_capabilities"]),
        (
            "ControllerPublishVolume",
            pb.ControllerPublishVolumeRequest(),
            ["volume_id", "node_id", "volume_capability"],
        ),
        ("ValidateVolumeCapabilities", VALIDATE(), ["volume_id", "volume_capabilities"]),
        ("NodeStageVolume", pb.NodeStageVolumeRequest(), ["volume_id", "staging_target_path", "volume_capability"]),
        ("NodePublishVolume", pb.NodePublishVolumeRequest(), ["volume_id", "target_path", "volume_capability"]),
        ("NodeUnstageVolume", pb.NodeUnstageVolumeRequest(), ["volume_id", "staging_target_path"]),
        ("NodeUnpublishVolume", pb.NodeUnpublishVolumeRequest(), ["volume_id", "target_path"]),
        ("NodeGetVolumeStats", STATS(), ["volume_id", "volume_path"]),
        ("NodeExpandVolume", GROW(), ["volume_id", "volume_path"]),
        ("ControllerExpandVolume", EXPAND(), ["volume_id", "capacity_range"]),
        ("CreateSnapshot", SNAPSHOT(), ["source_volume_id", "name"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_missing_fields_are_named_in_the_contracts_order(
    driver: Driver, method: str, request_: Any, fields: list[str]
) -> None:
    """One at a time, each before anything is looked up."""
    call = getattr(driver.node if method.startswith("Node") else driver.controller, method)
    for field in fields:
        status, message = refused(call, request_)
        assert status.name == "INVALID_ARGUMENT"
        assert message.startswith(f"{field}: required, but not given; ")
        fill(request_, field)
    assert not driver.volumes.calls
    assert not driver.on_node.calls


def fill(request: Any, field: str) -> None:
    if field == "volume_capabilities":
        request.volume_capabilities.append(mount())
    elif field == "capacity_range":
        request.capacity_range.required_bytes = 1
    elif field == "volume_capability":
        request.volume_capability.CopyFrom(mount())
    else:
        setattr(request, field, "fake")
