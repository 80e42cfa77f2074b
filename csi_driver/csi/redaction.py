"""
Requests and responses as plain data for the log, with everything secret left out.

What is secret is said by the contract itself (the field option `csi_secret`), and by us for what
the contract cannot know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from csi_driver.proto import csi_pb2
from csi_driver.telemetry import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

_SECRET: Any = csi_pb2.csi_secret  # the generated types do not say what it extends

# By field and key: the target's name ends in the token that admits a node, and kubelet hands
# service account tokens to drivers that ask for them.
SECRET_KEYS = {
    "publish_context": frozenset({"target"}),
    "volume_context": frozenset({"csi.storage.k8s.io/serviceAccount.tokens"}),
}


def redacted(message: Message) -> dict[str, object]:
    """Return the fields that are set, by name, fit for a log."""
    return {field.name: _field(field, value) for field, value in message.ListFields()}


def _field(field: FieldDescriptor, value: object) -> object:
    if field.GetOptions().Extensions[_SECRET]:
        return MASK
    if field.message_type is None:
        return list(cast("list[object]", value)) if field.is_repeated else _scalar(field, value)
    if field.message_type.GetOptions().map_entry:
        return _map(field.name, cast("Mapping[str, str]", value))
    if field.is_repeated:
        return [redacted(item) for item in cast("list[Message]", value)]
    return redacted(cast("Message", value))


def _map(name: str, values: Mapping[str, str]) -> dict[str, object]:
    secret = SECRET_KEYS.get(name, frozenset())
    return {key: MASK if key in secret else value for key, value in values.items()}


def _scalar(field: FieldDescriptor, value: object) -> object:
    if field.enum_type is None:
        return value
    known = field.enum_type.values_by_number.get(cast("int", value))
    return known.name if known else value
