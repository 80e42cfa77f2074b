"""
Keeps SSH channels to storage hosts open for the connection plugin `freebsd.storage.agent`.

The plugin asks over a unix socket: one JSON line `{op, argv, python, purpose, size}`, then a script of
that size. `argv` is the SSH command line up to the remote command, so a channel is made with exactly the
options that a plain run would use; `purpose` is the module. `op` is `run`, or `prepare`: then the channel is
opened, if it is not yet, and sent the large parts of the script, but not the script. The answer to `run`
is a JSON line `{rc, out, err}` and the two outputs, `{unreachable: why}`, or `{refused: why}` when the host was
reached but the agent does not run there. A client that goes away cancels its call.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

from csi_driver.orchestrator.warm.channel import Answer, Channel, ChannelLost, NotSent, Script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What is sent to a host of this name runs on this machine, without ssh.
THIS_MACHINE = "self-test"


class Broker:
    """Answers connection plugins on the unix socket `path`, in threads of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._channels: dict[tuple[str, ...], Channel] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True, name="broker").start()

    @property
    def environment(self) -> dict[str, str]:
        """What tells the connection plugin where the broker is."""
        return {"FREEBSD_STORAGE_BROKER": str(self._path)}

    def forget(self, host: str | None = None) -> None:
        """Retire the channels to one host (None: to all), as soon as nothing runs on them."""
        with self._lock:
            for key in [key for key in self._channels if host in (None, key[-3])]:
                self._channels.pop(key).retire()

    def close(self) -> None:
        """End all channels."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not connected, which is what wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True, name="broker-client").start()

    def _answer(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, contextlib.suppress(OSError):
            request = json.loads(stream.readline() or b"{}")
            script = Script.parse(stream.read(request.get("size", 0)))
            if request.get("op") == "prepare":
                self._channel(request)[0].prepare(script.blobs)
            elif request.get("op") == "run":
                self._run(client, stream, request, script)

    def _run(self, client: socket.socket, stream: IO[bytes], request: Mapping[str, Any], script: Script) -> None:
        try:
            channel, number, future = self._call(request, script)
        except ChannelLost as error:
            future = Future()
            future.set_exception(error)
            _reply(client, future)
            return
        future.add_done_callback(lambda done: _reply(client, done))
        # The client sends nothing more; its end is that it has its answer, or wants none.
        stream.read()
        if not future.done():
            channel.cancel(number)

    def _call(self, request: Mapping[str, Any], script: Script) -> tuple[Channel, int, Future[Answer]]:
        """Start a call, if need be on a new channel; raise `ChannelLost` if that is lost at once, too."""
        while True:
            channel, is_new = self._channel(request)
            try:
                return (channel, *channel.call(script))
            except NotSent as error:
                self._drop(channel)
                if is_new:
                    raise channel.last_words() from error

    def _channel(self, request: Mapping[str, Any]) -> tuple[Channel, bool]:
        """Return the channel for a request, and whether it was made just now."""
        *argv, host = request["argv"]
        key = (*argv, host, request["python"], request["purpose"])
        with self._lock:
            channel = self._channels.get(key)
            if channel is not None and not channel.lost:
                return channel, False
            start = ["/bin/sh", "-c"] if host == THIS_MACHINE else [*argv, host]
            channel = self._channels[key] = Channel(start, request["python"])
            return channel, True

    def _drop(self, channel: Channel) -> None:
        with self._lock:
            for key in [key for key, known in self._channels.items() if known is channel]:
                del self._channels[key]


def _reply(client: socket.socket, done: Future[Answer]) -> None:
    error = done.exception()
    if error is None:
        header, output = done.result()
    else:
        refused = isinstance(error, ChannelLost) and error.agent_refused
        header, output = {"refused" if refused else "unreachable": str(error)}, b""
    with contextlib.suppress(OSError):  # it has gone meanwhile
        client.sendall(json.dumps(header).encode() + b"\n" + output)
        client.shutdown(socket.SHUT_WR)
