"""Records of targets in open-iscsi's own form (idbm.c): whoever writes one by himself is understood."""

from __future__ import annotations

import os
from pathlib import Path

_IFACE, _TARGET = "iface.iscsi_ifacename", "node.name"
_ADDRESS, _PORT = "node.conn[0].address", "node.conn[0].port"
_BEGIN, _END = "# BEGIN RECORD 2.1.8", "# END RECORD"


def name(record: dict[str, str]) -> str:
    """The file of a record whose portal group is not known."""
    address, port = _split(record["portal"])
    return f"{address},{port}"


def write(path: Path, record: dict[str, str]) -> None:
    """Write a record, for root alone as iscsiadm does by its umask."""
    address, port = _split(record["portal"])
    said = {_TARGET: record["target"], _IFACE: record["iface"], _ADDRESS: address, _PORT: port}
    said.update((key, value) for key, value in record.items() if key.startswith("node."))
    text = "".join(f"{line}\n" for line in [_BEGIN, *(f"{key} = {value}" for key, value in said.items()), _END])
    staged = path.parent.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    staged.replace(path)


def read(path: Path) -> dict[str, str] | None:
    """The record in a file, or None; what is said twice counts as it was said last."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return None
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    said = {key.strip(): value.strip() for key, value in pairs}
    address = said.pop(_ADDRESS)
    portal = f"[{address}]:{said.pop(_PORT)}" if ":" in address else f"{address}:{said.pop(_PORT)}"
    return {"target": said.pop(_TARGET), "portal": portal, "iface": said.pop(_IFACE), **said}


def _split(portal: str) -> tuple[str, str]:
    address, _, port = portal.rpartition(":")
    return address.strip("[]"), port
