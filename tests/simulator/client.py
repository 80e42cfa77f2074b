"""The client of ``client.c`` in Python, for machines without a compiler: same protocol, only slower."""

import os
import socket
import struct
import sys
from pathlib import Path

NAMES = ("LC_ALL=", "LANG=", "TZ=", "SSH_CONNECTION=", "FREEBSD_SIMULATOR_")


def request(argv: list[str]) -> bytes:
    """The request as ``client.c`` describes it."""
    environment = [f"{name}={value}" for name, value in os.environ.items()]
    fields = [str(os.getpid()), str(os.getppid()), str(len(argv)), *argv, str(Path.cwd())]
    fields += [line for line in environment if line.startswith(NAMES)]
    body = b"".join(os.fsencode(field) + b"\0" for field in fields)
    return struct.pack("!I", len(body)) + body


def main(root: str, argv: list[str]) -> int:
    message = request(argv)
    os.chdir(root)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.connect("command.sock")
        sent = socket.send_fds(daemon, [message], [0, 1, 2])
        daemon.sendall(message[sent:])
        answer = b""
        while len(answer) < 4:
            more = daemon.recv(4 - len(answer))
            if not more:
                sys.stderr.write("simulator: daemon died\n")
                return 125
            answer += more
    return int(struct.unpack("!I", answer)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
