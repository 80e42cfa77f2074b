"""An SSH server inside the daemon (asyncssh), for machines without sshd. Sessions are real processes of /bin/sh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from tests.simulator import processes
from tests.simulator.ssh.environment import login_name, session_environment
from tests.simulator.ssh.keys import Keys

_T = TypeVar("_T")
_CALL_SECONDS = 30.0
_CHUNK = 1 << 16


class EmbeddedSshServer:
    kind = "asyncssh"

    def __init__(self, root: Path, keys: Keys, user: str, port: int) -> None:
        self._root = root
        self._keys = keys
        self._user = user
        self.port = port
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._children: set[int] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="ssh").start()

    def start(self) -> None:
        self._call(self._listen())

    def stop(self) -> None:
        self._call(self._close())
        victims = {below for pid in self._children for below in (pid, *processes.descendants(pid))}
        processes.kill_at_once((*victims, *processes.of_host(self._root)))

    def cut(self, pid: int, env: Mapping[str, str]) -> None:
        del pid
        client_port = int(env["SSH_CONNECTION"].split()[1])
        self._loop.call_soon_threadsafe(self._abort, client_port)

    def cut_all(self) -> None:
        self._loop.call_soon_threadsafe(self._abort, None)

    def _abort(self, client_port: int | None) -> None:
        for connection in list(self._connections):
            peer = connection.get_extra_info("peername")
            if client_port is None or (peer and peer[1] == client_port):
                connection.abort()

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_SECONDS)

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.create_server(
            lambda: _Login(self._connections),
            "127.0.0.1",
            self.port,
            server_host_keys=[str(self._keys.host_key)],
            authorized_client_keys=str(self._keys.authorized_keys),
            process_factory=self._session,
            sftp_factory=True,
            allow_scp=True,
            encoding=None,
            line_editor=False,
            reuse_address=True,
        )
        self.port = self._acceptor.get_port()

    async def _close(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None
        self._abort(None)

    async def _session(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = ("/bin/sh", "-c", process.command) if process.command else ("/bin/sh",)
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(process),
            cwd=Path.home(),
            start_new_session=True,
        )
        self._children.add(child.pid)
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        try:
            await asyncio.gather(_drain(child.stdout, process.stdout), _drain(child.stderr, process.stderr))
            status = await child.wait()
        finally:
            feeding.cancel()
        self._children.discard(child.pid)
        process.exit(status if status >= 0 else 128 - status)

    def _environment(self, process: asyncssh.SSHServerProcess[bytes]) -> dict[str, str]:
        peer = process.get_extra_info("peername")
        here = process.get_extra_info("sockname")
        name = login_name()
        sent = {key: value for key, value in process.env.items() if key == "LANG" or key.startswith("LC_")}
        return {
            **sent,
            "HOME": str(Path.home()),
            "USER": name,
            "LOGNAME": name,
            "SHELL": "/bin/sh",
            "SSH_CONNECTION": f"{peer[0]} {peer[1]} {here[0]} {here[1]}",
            "SSH_CLIENT": f"{peer[0]} {peer[1]} {here[1]}",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            **session_environment(self._root, self._user),
        }


async def _feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
    """From the channel into the child until either has had enough."""
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _drain(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    """From the child into the channel; when the connection is gone the child still gets rid of its output."""
    gone = False
    while data := await source.read(_CHUNK):
        if gone:
            continue
        try:
            sink.write(data)
            await sink.drain()
        except (ConnectionError, asyncssh.Error):
            gone = True


class _Login(asyncssh.SSHServer):
    """Public keys only, and only for the user who runs the simulator."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        if username != login_name():
            raise asyncssh.PermissionDenied(f"no user {username}")
        return True
