# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Stand-ins that fail loudly on whatever they were not told to expect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional, Union

from ansible_collections.freebsd.storage.plugins.module_utils import _names
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Parameters, Record
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed, Running

PARENT = "tank/csi"
GUID = "1234567890123456789"
OWNER = "demo"
UUIDS = [f"{number:032x}" for number in range(0xA0, 0x1A0)]
TOKENS = [f"{number:032x}" for number in range(0xF00, 0x1000)]


class Call(NamedTuple):
    """A command that is expected: its words (a trailing "…" stands for any more), and its answer."""

    words: str
    out: str = ""
    err: str = ""
    rc: int = 0
    late: bool = False
    stdin: Optional[bytes] = None


class _Done:
    def __init__(self, done: Completed) -> None:
        self._done = done

    def wait(self) -> Completed:
        return self._done


class ScriptedCommands:
    """Answers the expected calls in order; anything else fails the test."""

    def __init__(self, *calls: Call, seconds: float = 100.0) -> None:
        self.calls = list(calls)
        self.done: list[list[str]] = []
        self.count = 0
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds

    def hold(self, descriptor: int) -> None:
        assert descriptor >= 0

    def start(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Running:
        said = " ".join(argv)
        assert self.calls, f"unexpected command: {said}"
        call = self.calls.pop(0)
        assert stdin == call.stdin
        if call.words.endswith("…"):
            assert said.startswith(call.words[:-1].rstrip()), f"{said}\nis not {call.words}"
        else:
            assert said == call.words
        self.done.append(list(argv))
        self.count += 1
        return _Done(Completed(tuple(argv), call.rc, call.out, call.err, late=call.late))

    def run(self, argv: Sequence[str], stdin: Optional[bytes] = None) -> Completed:
        return self.start(argv, stdin).wait()

    def run_all(self, argvs: Sequence[Sequence[str]], stdins: Sequence[Optional[bytes]] = ()) -> list[Completed]:
        return [self.run(argv, stdin) for argv, stdin in zip(argvs, stdins or [None] * len(argvs))]

    def finished(self) -> None:
        assert not self.calls, f"never run: {[call.words for call in self.calls]}"


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds


class Choices:
    """Chooses from known lists."""

    def __init__(self) -> None:
        self._uuids = iter(UUIDS)
        self._tokens = iter(TOKENS)

    def uuid(self) -> str:
        return next(self._uuids)

    def token(self) -> str:
        return next(self._tokens)


def parameters(**changes: object) -> Parameters:
    made = Parameters(16384, True, 512, {}, {})
    return made._replace(**changes)  # type: ignore[arg-type]


def record(node: str = "node1", token: str = TOKENS[0], **changes: object) -> Record:
    initiator = f"iqn.1994-09.org.freebsd.csi:demo:{node}"
    made = Record(node, "single_node_writer", False, "iscsi", token, initiator, "csi")
    return made._replace(**changes)  # type: ignore[arg-type]


def dataset_text(name: str, values: Mapping[str, Union[str, tuple[str, str]]]) -> str:
    """Return what zfs get prints of one dataset; a plain value is a native property."""
    lines = []
    for key, value in values.items():
        text, source = (value, "-") if isinstance(value, str) else value
        lines.append(f"{name}\t{key}\t{text}\t{source}\n")
    return "".join(lines)


def parent_text(guid: str = GUID, available: int = 100 << 30) -> str:
    return dataset_text(
        PARENT,
        {"type": "filesystem", "guid": guid, "available": str(available), "used": "98304"},
    )


def volume_text(
    name: str = "pvc-1",
    uuid: str = UUIDS[0],
    *,
    size: int = 1 << 30,
    owner: str = f"{OWNER}:{GUID}",
    source: str = "local",
    records: Sequence[Record] = (),
    wanted: Optional[Parameters] = None,
    dataset: Optional[str] = None,
) -> str:
    """Return what zfs get prints of one of our volumes."""
    made = wanted or parameters()
    prefix = _names.PREFIX
    values: dict[str, Union[str, tuple[str, str]]] = {
        "type": "volume",
        "creation": "1767225600",
        "used": "57344",
        "volsize": (str(size), "local"),
        f"{prefix}schema": ("1", source),
        f"{prefix}uuid": (uuid, source),
        f"{prefix}owner": (owner, source),
        f"{prefix}name": (_names.encoded(name), source),
        f"{prefix}parameters": (made.to_json(), source),
        f"{prefix}hash": (made.digest(), source),
    }
    values.update({each.property_name: (each.to_json(), source) for each in records})
    return dataset_text(dataset or f"{PARENT}/{_names.leaf_of(name)}", values)


def snapshot_text(
    dataset: str = f"{PARENT}/pvc-1@s",
    uuid: Optional[str] = UUIDS[9],
    *,
    name: Optional[str] = None,
    owner: str = f"{OWNER}:{GUID}",
    source: str = "local",
    **native: str,
) -> str:
    """Return what zfs get prints of a snapshot; without a uuid it is not ours."""
    values: dict[str, Union[str, tuple[str, str]]] = {
        "type": "snapshot",
        "creation": "1767225600",
        "volsize": str(1 << 30),
        "createtxg": "42",
        "defer_destroy": "off",
        "userrefs": "0",
        "clones": "",
        **native,
    }
    if uuid is not None:
        prefix = _names.PREFIX
        values[f"{prefix}schema"] = ("1", source)
        values[f"{prefix}snapshot-uuid"] = (uuid, source)
        values[f"{prefix}owner"] = (owner, source)
        values[f"{prefix}snapshot-name"] = (_names.encoded(name or dataset.partition("@")[2]), source)
    return dataset_text(dataset, values)


def member_text(dataset: str, group: str = UUIDS[8], *, name: str = "g", size: object = 2, **native: str) -> str:
    """Return what zfs get prints of a snapshot that was taken with others."""
    values = {
        "schema": "1",
        "owner": f"{OWNER}:{GUID}",
        "group-uuid": group,
        "group-name": _names.encoded(name),
        "group-size": str(size),
    }
    own = {f"{_names.PREFIX}{key}": (value, "local") for key, value in values.items()}
    return snapshot_text(dataset, None, **native) + dataset_text(dataset, own)


def settings(directory: object, guid: str = GUID) -> str:
    """Make a settings directory that registers the parent."""
    path = f"{directory}"
    with open(f"{path}/parents.json", "w", encoding="utf-8") as file:
        json.dump({PARENT: guid}, file)
    return path


def ports_text(*targets: tuple[str, int], initiators: Optional[Mapping[str, str]] = None) -> str:
    """Return what ctladm portlist -x prints, each target leading to the LUN of that id."""
    lines = ["<ctlportlist>"]
    for number, name in enumerate(("camsim", "ioctl", "tpc")):
        lines += [
            f'<targ_port id="{number}">',
            f"\t<frontend_type>{name}</frontend_type>",
            f"\t<online>YES</online>\n\t<port_name>{name}</port_name>\n</targ_port>",
        ]
    for number, (target, lun) in enumerate(targets, 3):
        lines += [
            f'<targ_port id="{number}">',
            "\t<frontend_type>iscsi</frontend_type>\n\t<port_type>16</port_type>\n\t<online>YES</online>",
            f"\t<ctld_portal_group_name>csi</ctld_portal_group_name>\n\t<target>{target}</target>\n\t<port>{target},t,0x0101</port>",
            f'\t<lun_map>on</lun_map>\n\t<lun id="0">{lun}</lun>',
        ]
        if initiators and target in initiators:
            lines.append(f'\t<initiator id="0">{initiators[target]}</initiator>')
        lines.append("</targ_port>")
    return "\n".join([*lines, "</ctlportlist>", ""])


def luns_text(*uuids: str, size: int = 2097152, owner: str = OWNER, dataset: str = "tank/csi/pvc-1") -> str:
    """Return what ctladm devlist -x prints, ids from 0 up."""
    lines = ["<ctllunlist>"]
    for number, uuid in enumerate(uuids):
        lines += [
            f'<lun id="{number}">',
            f"\t<backend_type>block</backend_type>\n\t<lun_type>0</lun_type>\n\t<size>{size}</size>",
            f"\t<blocksize>512</blocksize>\n\t<serial_number>{uuid[:16]}</serial_number>",
            f"\t<device_id>{uuid}</device_id>\n\t<num_threads>32</num_threads>",
            f"\t<file>/dev/zvol/{dataset}</file>",
            f"\t<ctld_name>{owner}:{uuid}</ctld_name>\n\t<scsiname>{owner}:{uuid}</scsiname>",
            "</lun>",
        ]
    return "\n".join([*lines, "</ctllunlist>", ""])


def sessions_text(*targets: str) -> str:
    """Return what ctladm islist -x prints."""
    lines = [
        f'<connection id="{number}"><initiator>iqn.x</initiator><target>{target}</target></connection>'
        for number, target in enumerate(targets, 1)
    ]
    return "\n".join(["<ctlislist>", *lines, "</ctlislist>", ""])
