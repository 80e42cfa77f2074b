"""The wire contract: our `csi.proto` says exactly what CSI 1.13 says, and the modules are made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from csi_driver.proto import csi_pb2, generate

WIRE: dict[str, Any] = json.loads(Path(__file__).with_name("csi-wire-1.13.json").read_text())
FILE = csi_pb2.DESCRIPTOR
SCALARS = {
    getattr(FieldDescriptor, name): name[5:].lower() for name in dir(FieldDescriptor) if name.startswith("TYPE_")
}
ALPHA: dict[str, Any] = {
    kind: getattr(csi_pb2, f"alpha_{kind}") for kind in ("enum", "enum_value", "field", "message", "method", "service")
}


def file_proto() -> FileDescriptorProto:
    proto = FileDescriptorProto()
    FILE.CopyToProto(proto)
    return proto


def type_name(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (type_name(field.message_type.fields_by_name[name]) for name in ("key", "value"))
        return f"map<{key},{value}>"
    named = field.message_type or field.enum_type
    return named.full_name if named else SCALARS[field.type]


def field_as_told(field: FieldDescriptor) -> dict[str, Any]:
    told: dict[str, Any] = {"name": field.name, "number": field.number, "type": type_name(field)}
    if field.is_repeated and not told["type"].startswith("map<"):
        told["repeated"] = True
    if field.containing_oneof is not None:
        told["oneof"] = field.containing_oneof.name
    extensions = field.GetOptions().Extensions
    options = [("csi_secret", csi_pb2.csi_secret), ("alpha", csi_pb2.alpha_field)]
    if given := [name for name, extension in options if extensions[extension]]:
        told["options"] = given
    return told


def enum_as_told(enum: EnumDescriptor) -> dict[str, Any]:
    return {
        "values": {value.name: value.number for value in enum.values},
        "alpha_values": [v.name for v in enum.values if v.GetOptions().Extensions[ALPHA["enum_value"]]],
    }


def message_as_told(message: Descriptor) -> dict[str, Any]:
    told: dict[str, Any] = {"fields": [field_as_told(field) for field in message.fields]}
    nested = [inner for inner in message.nested_types if not inner.GetOptions().map_entry]
    if nested:
        told["messages"] = {inner.name: message_as_told(inner) for inner in nested}
    if message.enum_types:
        told["enums"] = {enum.name: enum_as_told(enum) for enum in message.enum_types}
    proto = type(file_proto().message_type.add())()
    message.CopyToProto(proto)
    if proto.reserved_range:
        told["reserved"] = [list(range(one.start, one.end)) for one in proto.reserved_range]
    return told


def service_as_told(service: ServiceDescriptor) -> list[dict[str, Any]]:
    return [
        {
            "method": method.name,
            "request": method.input_type.full_name,
            "response": method.output_type.full_name,
            "server_streaming": method.server_streaming,
            "options": ["alpha"] if method.GetOptions().Extensions[ALPHA["method"]] else [],
        }
        for method in service.methods
    ]


def extension_as_told(extension: FieldDescriptor) -> dict[str, Any]:
    return {
        "name": extension.name,
        "number": extension.number,
        "extends": extension.containing_type.full_name,
        "type": type_name(extension),
    }


@pytest.mark.parametrize("name", sorted(WIRE["messages"].keys() | FILE.message_types_by_name.keys()))
def test_a_message_is_the_contracts(name: str) -> None:
    """Every field, number, type, label, oneof, option, reserved number, nested message and enum."""
    assert message_as_told(FILE.message_types_by_name[name]) == WIRE["messages"][name]


@pytest.mark.parametrize("name", sorted(WIRE["enums"].keys() | FILE.enum_types_by_name.keys()))
def test_an_enum_is_the_contracts(name: str) -> None:
    """Every value and its number."""
    assert enum_as_told(FILE.enum_types_by_name[name]) == WIRE["enums"][name]


@pytest.mark.parametrize("name", sorted(WIRE["services"].keys() | FILE.services_by_name.keys()))
def test_a_service_is_the_contracts(name: str) -> None:
    """Every method in its order, what goes in and out, and whether it streams."""
    assert service_as_told(FILE.services_by_name[name]) == WIRE["services"][name]


def test_the_extensions_are_the_contracts() -> None:
    """Every option of our own: name, number, what it extends, type."""
    told = [extension_as_told(extension) for extension in FILE.extensions_by_name.values()]
    assert sorted(told, key=str) == sorted(WIRE["extensions"], key=str)


def test_the_file_is_the_contracts() -> None:
    """Syntax, package and imports."""
    proto = file_proto()
    assert proto.syntax == WIRE["syntax"]
    assert proto.package == WIRE["package"]
    assert list(proto.dependency) == WIRE["imports"]


def test_presence_and_streaming_are_nowhere_more_than_the_contract_can_tell() -> None:
    """No `optional` field, no required one, no default and no streamed request: the data has no words for them."""
    pending = list(file_proto().message_type)
    while pending:
        message = pending.pop()
        pending.extend(message.nested_type)
        for field in message.field:
            assert not field.proto3_optional
            assert field.label != FieldDescriptorProto.LABEL_REQUIRED
            assert not field.HasField("default_value")
    assert not any(method.client_streaming for service in file_proto().service for method in service.method)


@pytest.mark.parametrize(
    ("message", "number"), [("ControllerServiceCapability", 11), ("NodeServiceCapability", 4)], ids=str
)
def test_a_capability_that_was_removed_keeps_its_number(message: str, number: int) -> None:
    """VOLUME_CONDITION is gone since 1.13; its numbers never mean anything else."""
    (found,) = [one for one in file_proto().message_type if one.name == message]
    (reserved,) = found.nested_type[0].enum_type[0].reserved_range
    assert (reserved.start, reserved.end) == (number, number)


def test_the_committed_modules_are_those_generated_from_the_contract(tmp_path: Path) -> None:
    """Nobody edited them, and nobody forgot to generate them anew."""
    assert generate.main([str(tmp_path)]) == 0
    fresh = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2*")}
    assert len(fresh) == 4
    committed = {path: (generate.ROOT / path).read_text() for path in fresh}
    for path, text in fresh.items():
        assert committed[path] == text, f"{path} is out of date: python -m csi_driver.proto.generate"
