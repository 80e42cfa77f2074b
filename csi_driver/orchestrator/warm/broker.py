"""
Keeps SSH channels to storage hosts open, each with an `agent` at its far end.

Connection plugins ask over a unix socket: one JSON line `{argv, python, size}`, then a script of
that size; the answer is one JSON line `{rc, out, err}` and the two outputs, or `{unreachable: why}`.
`argv` is the SSH command line up to the remote command, so that a channel is made with exactly the
options that a plain run would use. A client that goes away cancels its call.

Long base64 runs in a script are sent once: they hold the payload, which is the same every time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import shlex
import socket
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

BLOB = re.compile(rb"[A-Za-z0-9+/=]{2048,}")
BOOT = "import sys;s=open(0,'rb',0);n=int(s.read(8));c=b''\nwhile len(c)<n:c+=s.read(n-len(c))\nexec(c)"
SOURCE = Path(__file__).with_name("agent.py").read_bytes()
STDERR_KEPT = 2000
Answer = tuple[dict[str, Any], bytes]


class ChannelLost(Exception):
    """The channel ended; says what ssh said."""


@dataclass(frozen=True)
class Script:
    """A script taken apart: `pieces` are lengths of `text`, and names of blobs between them."""

    text: bytes
    pieces: tuple[int | str, ...]
    blobs: dict[str, bytes]

    @classmethod
    def parse(cls, script: bytes) -> Script:
        """Cut the long base64 runs out of a script."""
        texts: list[bytes] = []
        pieces: list[int | str] = []
        blobs: dict[str, bytes] = {}
        position = 0
        for match in BLOB.finditer(script):
            texts.append(script[position : match.start()])
            name = hashlib.sha256(match[0]).hexdigest()
            blobs[name] = match[0]
            pieces += [len(texts[-1]), name]
            position = match.end()
        texts.append(script[position:])
        return cls(b"".join(texts), (*pieces, len(texts[-1])), blobs)

    @property
    def payload(self) -> str:
        """The name of the largest blob: scripts that share it can share an agent."""
        return max(self.blobs, key=lambda name: len(self.blobs[name]), default="")


class Channel:
    """One SSH process with an agent, for one payload. Safe to call from many threads."""

    def __init__(self, argv: list[str], python: str) -> None:
        command = shlex.join(["exec", python, "-c", BOOT]).replace("'exec'", "exec", 1)
        self._process = subprocess.Popen(
            [*argv, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._pending: dict[int, Future[Answer]] = {}
        self._known: set[str] = set()
        self._stderr = b""
        self._lost = False
        threading.Thread(target=self._read_errors, daemon=True).start()
        threading.Thread(target=self._read_answers, daemon=True).start()
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).write(f"{len(SOURCE):8}".encode() + SOURCE)

    @property
    def lost(self) -> bool:
        """Whether the channel has ended."""
        return self._lost or self._process.poll() is not None

    def call(self, script: Script) -> tuple[int, Future[Answer]]:
        """Start a script; the future holds its answer or `ChannelLost`."""
        number = next(self._ids)
        future: Future[Answer] = Future()
        with self._lock:
            self._pending[number] = future
            # A blob goes ahead of every call that names it, so both are sent under one lock.
            for name in script.blobs.keys() - self._known:
                self._known.add(name)
                self._send({"blob": name, "size": len(script.blobs[name])}, script.blobs[name])
            self._send({"call": number, "size": len(script.text), "pieces": script.pieces}, script.text)
        if self._lost:
            self._end()
        return number, future

    def cancel(self, number: int) -> None:
        """Kill a call that nobody waits for."""
        with self._lock:
            self._pending.pop(number, None)
            self._send({"cancel": number}, b"")

    def close(self) -> None:
        """End the channel; the agent then removes its traces and ends."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, header: dict[str, Any], data: bytes) -> None:
        # A channel that broke is noticed by its reader, which tells everyone who waits.
        with contextlib.suppress(OSError):
            pipe = _pipe(self._process.stdin)
            pipe.write(json.dumps(header).encode() + b"\n" + data)
            pipe.flush()

    def _read_answers(self) -> None:
        source = _pipe(self._process.stdout)
        try:
            while line := source.readline():
                frame = json.loads(line)
                output = source.read(frame["out"] + frame["err"])
                future = self._pending.pop(frame["call"], None)
                if future is not None:
                    future.set_result((frame, output))
        finally:
            self._end()

    def _end(self) -> None:
        self._process.wait()
        self._lost = True
        with self._lock:
            pending, self._pending = self._pending, {}
        why = self._stderr.decode(errors="replace").strip() or "the SSH channel ended"
        for future in pending.values():
            future.set_exception(ChannelLost(why))

    def _read_errors(self) -> None:
        while data := _pipe(self._process.stderr).read1(4096):  # type: ignore[attr-defined]
            self._stderr = (self._stderr + data)[-STDERR_KEPT:]


class Broker:
    """Answers connection plugins on a unix socket."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._channels: dict[tuple[str, ...], Channel] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self._serve, daemon=True, name="broker").start()

    def close(self) -> None:
        """End all channels."""
        self._listener.close()
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream:
            request = json.loads(stream.readline())
            script = Script.parse(stream.read(request["size"]))
            channel = self._channel(request["argv"], request["python"], script)
            number, future = channel.call(script)
            future.add_done_callback(lambda done: _reply(client, done))
            # The client sends nothing more; its end is that it has its answer, or wants none.
            stream.read()
            if not future.done():
                channel.cancel(number)

    def _channel(self, argv: list[str], python: str, script: Script) -> Channel:
        key = (*argv, python, script.payload)
        with self._lock:
            channel = self._channels.get(key)
            if channel is None or channel.lost:
                channel = self._channels[key] = Channel(argv, python)
            return channel


def _reply(client: socket.socket, done: Future[Answer]) -> None:
    error = done.exception()
    header, output = ({"unreachable": str(error)}, b"") if error else done.result()
    with contextlib.suppress(OSError):
        client.sendall(json.dumps(header).encode() + b"\n" + output)
        client.shutdown(socket.SHUT_WR)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # all three were asked for
    return pipe
