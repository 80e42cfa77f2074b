"""
Stands in for `ansible-playbook`: hands its arguments, environment and standard streams to the fork
server, waits, and ends as the run ended.

Started by ansible-runner as any command is. Where the fork server does not answer it becomes the
real `ansible-playbook`, so that the run takes place all the same, only later.
"""

import json
import os
import socket
import sys

FORK_SERVER = "CSI_FORK_SERVER"
STATUS_BYTES = 16


def main() -> None:
    """Have the fork server do the run; the exit status is the run's."""
    job = {"argv": ["ansible-playbook", *sys.argv[1:]], "cwd": os.getcwd(), "env": dict(os.environ)}
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(os.environ[FORK_SERVER])
        socket.send_fds(server, [json.dumps(job).encode() + b"\n"], [0, 1, 2])
    except (KeyError, OSError):
        os.execvp("ansible-playbook", job["argv"])
    # The streams are the run's now: who reads them must see them end when the run does.
    for number in (0, 1, 2):
        os.close(number)
    status = server.recv(STATUS_BYTES)
    # Without a status the server died, and the run's end is not known.
    os._exit(int(status) if status else 1)


main()
