"""
One SSH process with an `agent` at its far end.

A script is sent in pieces: long base64 runs in it are sent once for all calls, because they hold the
payload, which is the same every time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import shlex
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from csi_driver.orchestrator.worker_process import TimeoutExpired, start_piped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLOB = re.compile(rb"[A-Za-z0-9+/=]{2048,}")
# Reads the agent's source, whose length comes first, from the channel and becomes it.
BOOT = "import sys;s=open(0,'rb',0);n=int(s.read(8));c=b''\nwhile len(c)<n:c+=s.read(n-len(c))\nexec(c)"
SOURCE = Path(__file__).with_name("agent.py").read_bytes()
STDERR_KEPT = 2000
END_SECONDS = 2.0
SSH_FAILED = 255
Answer = tuple[dict[str, Any], bytes]


class ChannelLost(Exception):
    """
    The channel ended, and what was asked of it may or may not have happened. Says what ssh said.

    `agent_refused` if ssh reached the host but the agent did not start there.
    """

    def __init__(self, text: str, *, agent_refused: bool = False) -> None:
        super().__init__(text)
        self.agent_refused = agent_refused


class NotSent(Exception):
    """The channel ended before the call was sent whole: nothing was done."""


@dataclass(frozen=True)
class Script:
    """A script taken apart: `pieces` are lengths of `text`, and names of blobs between them."""

    text: bytes
    pieces: tuple[int | str, ...]
    blobs: Mapping[str, bytes]

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
            pieces += [len(texts[-1].decode()), name]
            position = match.end()
        texts.append(script[position:])
        return cls(b"".join(texts), (*pieces, len(texts[-1].decode())), blobs)


class Channel:
    """Starts at once, in the background; safe to call from many threads."""

    def __init__(self, argv: Sequence[str], python: str) -> None:
        self._process = start_piped([*argv, f"exec {shlex.join([python, '-c', BOOT])}"])
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._pending: dict[int, Future[Answer]] = {}
        self._known: set[str] = set()
        self._stderr = b""
        self._greeted = False
        self._lost = False
        self._retired = False
        self._errors = threading.Thread(target=self._read_errors, daemon=True, name="channel-errors")
        self._errors.start()
        with contextlib.suppress(OSError):  # ssh has ended already, which the reader tells
            self._send_bytes(f"{len(SOURCE):8}".encode() + SOURCE)
        self._answers = threading.Thread(target=self._read_answers, daemon=True, name="channel-answers")
        self._answers.start()

    @property
    def lost(self) -> bool:
        """Whether the channel has ended."""
        return self._lost

    def prepare(self, blobs: Mapping[str, bytes]) -> None:
        """Have the agent learn these before a call needs them."""
        with self._lock, contextlib.suppress(OSError):
            self._send_blobs(blobs)

    def last_words(self) -> ChannelLost:
        """Wait until the channel, which takes no calls any more, has ended, and return what ended it."""
        self._answers.join(END_SECONDS)
        return self._why()

    def _why(self) -> ChannelLost:
        code = self._process.poll()
        text = self._stderr.decode(errors="replace").strip() or f"the SSH channel ended with status {code}"
        return ChannelLost(text, agent_refused=not self._greeted and code != SSH_FAILED)

    def call(self, script: Script) -> tuple[int, Future[Answer]]:
        """Start a script; the future holds its answer or `ChannelLost`. Raises `NotSent`."""
        number = next(self._numbers)
        future: Future[Answer] = Future()
        with self._lock:
            if self._lost or self._retired:
                raise NotSent
            self._pending[number] = future
            try:
                # A blob goes ahead of every call that names it, so both are sent under one lock.
                self._send_blobs(script.blobs)
                self._send({"call": number, "size": len(script.text), "pieces": script.pieces}, script.text)
            except OSError as error:
                self._pending.pop(number, None)
                raise NotSent from error
        return number, future

    def cancel(self, number: int) -> None:
        """Kill a call that nobody waits for."""
        with self._lock:
            self._pending.pop(number, None)
            with contextlib.suppress(OSError):
                self._send({"cancel": number}, b"")
            self._close_if_done()

    def retire(self) -> None:
        """Take no more calls, and end when those that run have ended."""
        with self._lock:
            self._retired = True
            self._close_if_done()

    def close(self) -> None:
        """End the channel; the agent then kills what runs, removes its traces and ends."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(END_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_if_done(self) -> None:
        if self._retired and not self._pending:
            with contextlib.suppress(OSError):
                _pipe(self._process.stdin).close()

    def _send_blobs(self, blobs: Mapping[str, bytes]) -> None:
        for name in blobs.keys() - self._known:
            self._send({"blob": name, "size": len(blobs[name])}, blobs[name])
            self._known.add(name)

    def _send(self, header: Mapping[str, Any], data: bytes) -> None:
        self._send_bytes(json.dumps(header).encode() + b"\n" + data)

    def _send_bytes(self, data: bytes) -> None:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(data)
            pipe.flush()
        except ValueError as error:
            raise BrokenPipeError("closed") from error

    def _read_answers(self) -> None:
        source = _pipe(self._process.stdout)
        try:
            while line := source.readline():
                self._hear(json.loads(line), source)
        finally:
            self._end()

    def _hear(self, frame: dict[str, Any], source: IO[bytes]) -> None:
        if "agent" in frame:
            self._greeted = True
            return
        output = source.read(frame["out"] + frame["err"])
        with self._lock:
            future = self._pending.pop(frame["call"], None)
            self._close_if_done()
        if future is not None:
            future.set_result((frame, output))

    def _end(self) -> None:
        self._process.wait()
        self._errors.join(END_SECONDS)
        with self._lock:
            self._lost = True
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.set_exception(self._why())
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                _pipe(stream).close()

    def _read_errors(self) -> None:
        source = _pipe(self._process.stderr)
        while data := source.read1(4096):  # type: ignore[attr-defined]
            self._stderr = (self._stderr + data)[-STDERR_KEPT:]


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("the process was started without pipes")
    return pipe
