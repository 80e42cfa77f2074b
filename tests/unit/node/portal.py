"""A tiny iSCSI portal that speaks the login protocol of the simulated storage host."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path
from typing import Any


class Portal(socketserver.ThreadingTCPServer):
    """
    Exports sparse files: `exports` maps a target to (initiator allowed, LUN).

    `chap` has what an initiator has to say, by target, where it has to say something.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.directory = directory
        self.exports: dict[str, tuple[str, dict[str, Any]]] = {}
        self.chap: dict[str, dict[str, str]] = {}
        self.connections: dict[str, list[Any]] = {}
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def export(
        self,
        target: str,
        initiator: str,
        *,
        serial: str,
        size: int = 64 << 20,
        readonly: bool = False,
    ) -> Path:
        """Export a sparse file, named after the serial number, as LUN 0 of the target."""
        path = self.directory / serial
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(size)
        lun = {
            "lun": 0,
            "path": str(path),
            "size_bytes": path.stat().st_size,
            "blocksize": 512,
            "readonly": readonly,
            "serial": serial,
            "device_id": serial * 2,
        }
        self.exports[target] = (initiator, lun)
        return path

    def grow(self, target: str, size: int) -> None:
        """Let the LUN of the target be bigger; who has it sees that when it looks again."""
        lun = self.exports[target][1]
        with Path(lun["path"]).open("r+b") as file:
            file.truncate(size)
        lun["size_bytes"] = size

    def withdraw(self, target: str) -> None:
        """Remove the target and end its sessions."""
        del self.exports[target]
        for connection in self.connections.pop(target, []):
            connection.shutdown(2)

    def sessions(self, target: str) -> int:
        """How many sessions the target has."""
        return len(self.connections.get(target, []))

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: Portal

    def handle(self) -> None:
        target = ""
        for line in self.rfile:
            question = json.loads(line)
            if question["op"] == "login":
                target = question["target"]
                self._answer(self._login(question))
            elif question["op"] == "rescan":
                self._answer({"luns": [self.server.exports[target][1]]})
            else:
                raise AssertionError(question)
        connections = self.server.connections.get(target, [])
        if self.request in connections:
            connections.remove(self.request)

    def _login(self, question: dict[str, Any]) -> dict[str, Any]:
        if question["target"] not in self.server.exports:
            return {"ok": False, "class": 2, "detail": 3, "text": "Not found"}
        initiator, lun = self.server.exports[question["target"]]
        if question["initiator"] != initiator:
            return {"ok": False, "class": 2, "detail": 2, "text": "Authorization failure"}
        if question["chap"] != self.server.chap.get(question["target"]):
            return {"ok": False, "class": 2, "detail": 1, "text": "Authentication failure"}
        self.server.connections.setdefault(question["target"], []).append(self.request)
        return {"ok": True, "session": 1, "luns": [lun]}

    def _answer(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
