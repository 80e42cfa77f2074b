"""The daemon's side of the protocol described in ``client.c``."""

from __future__ import annotations

import os
import socket
import struct

from tests.simulator.registry import Call, Result

ROOT_USER = "root"
_USER_VARIABLE = "FREEBSD_SIMULATOR_USER"


class Incomplete(Exception):
    """The client went away before its request was complete."""


def receive_call(connection: socket.socket) -> Call:
    """Read one request; the call's descriptors belong to the caller, who must close them."""
    data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    try:
        while len(data) < 4 or len(data) < 4 + struct.unpack("!I", data[:4])[0]:
            more = connection.recv(1 << 16)
            if not more:
                raise Incomplete
            data += more
        return _decode(data[4:], descriptors)
    except BaseException:
        close_all(descriptors)
        raise


def _decode(body: bytes, descriptors: list[int]) -> Call:
    fields = [os.fsdecode(field) for field in body.split(b"\0")[:-1]]
    pid, parent, count = (int(field) for field in fields[:3])
    argv = tuple(fields[3 : 3 + count])
    env = dict(line.partition("=")[::2] for line in fields[4 + count :])
    stdin, stdout, stderr = descriptors
    return Call(argv, fields[3 + count], env, env.get(_USER_VARIABLE, ROOT_USER), pid, parent, stdin, stdout, stderr)


def peer(connection: socket.socket) -> int:
    """The user at the other end; where the system does not tell, our own."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return os.geteuid()
    _pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(uid)


def deliver(call: Call, result: Result) -> None:
    """Write the output to the client's descriptors; a reader that has gone is no error, as with any command."""
    for descriptor, text in ((call.stdout, result.out), (call.stderr, result.err)):
        data = text.encode("utf-8", "surrogateescape")
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except BrokenPipeError:
            continue


def answer(connection: socket.socket, rc: int) -> None:
    try:
        connection.sendall(struct.pack("!I", rc & 0xFF))
    except OSError:
        return  # the client was killed: nobody waits for the status


def close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
