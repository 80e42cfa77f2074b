"""
What somebody with bad intent, or a broken program, would put into a request.

Every injection tries to make the file `CANARY`, in the language of one of the layers a value passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

# What the injections would make; it must never exist.
CANARY = "/tmp/csi-fuzz-canary"
INJECTIONS = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"'; touch {CANARY}; '",
    f'"; touch {CANARY}; "',
    f"a\ntouch {CANARY}\n",
    f"{{{{ lookup('pipe', 'touch {CANARY}') }}}}",
    f"{{% for x in [lookup('pipe', 'touch {CANARY}')] %}}{{% endfor %}}",
    "{{ 7 * 7 }}",
    "!unsafe x",
    '"\n}\ntarget "iqn.2000-01.example:evil" { auth-group "no-authentication" lun 0 { path "/etc/master.passwd" } }\n',
    '"; .include "/etc/master.passwd"; "',
    "-o mountpoint=/etc",
    "--help",
    "-rf",
    "tank@x",
    "tank/csi/../../etc",
    "/dev/ada0",
    "on,org.freebsd.storage:owner=evil",
    "../../../etc/passwd",
    "%n%s%x%00",
    "\x00",
    "\u202e\ufeff\u2028",
    "😀" * 40,
    "x" * 4096,
    "-1",
    "18446744073709551616",
    "nan",
    "nas1:" + "0" * 32,
    "nas1:-rf",
    "nas9:" + "0" * 32,
    "node-1@127.0.0.1#00000000",
)
TEXTS = st.one_of(st.sampled_from(INJECTIONS), st.text(max_size=300), st.just(""))
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_INT64: st.one_of(
        st.sampled_from([0, 1, -1, 511, 1 << 20, (1 << 63) - 1, -(1 << 63)]), st.integers(-(1 << 63), (1 << 63) - 1)
    ),
    FieldDescriptor.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
}
MOST_ENTRIES = 3


def values(field: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """What a field may hold, as `Message(**fields)` takes it."""
    if _is_map(field):
        keys, contents = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return st.dictionaries(values(keys, texts), values(contents, texts), max_size=MOST_ENTRIES)
    single = _single(field, texts)
    return st.lists(single, max_size=MOST_ENTRIES) if field.is_repeated else single


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _single(field: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return fields(field.message_type, texts)
    if field.type == FieldDescriptor.TYPE_ENUM:
        known = [value.number for value in field.enum_type.values]
        return st.sampled_from([*known, max(known) + 1, (1 << 31) - 1])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=64)
    return _INTEGERS.get(field.type, texts)


def fields(message: Descriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of a message's fields with anything in them, at most one of each oneof."""
    return st.fixed_dictionaries(
        {}, optional={field.name: st.deferred(lambda field=field: values(field, texts)) for field in message.fields}
    ).map(lambda given: _one_of_each(message, given))


def _one_of_each(message: Descriptor, given: dict[str, Any]) -> dict[str, Any]:
    for oneof in message.oneofs:
        for name in [field.name for field in oneof.fields if field.name in given][1:]:
            del given[name]
    return given


def spoilt(valid: Message, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    """A request that is right but for one or two of its fields."""
    by_name = valid.DESCRIPTOR.fields_by_name

    def replaced(names: list[str]) -> st.SearchStrategy[Message]:
        return st.fixed_dictionaries({name: values(by_name[name], texts) for name in names}).map(
            lambda given: _with(valid, given)
        )

    return st.lists(st.sampled_from(sorted(by_name)), min_size=1, max_size=2, unique=True).flatmap(replaced)


def _with(valid: Message, given: dict[str, Any]) -> Message:
    request = type(valid)()
    request.CopyFrom(valid)
    for name in given:
        request.ClearField(name)
    request.MergeFrom(type(valid)(**given))
    return request
