"""The host's SSH server: OpenSSH's sshd where there is one, else one embedded in the daemon."""

from collections.abc import Mapping
from typing import Protocol


class SshServer(Protocol):
    """One SSH server on the loopback address; the port stays the same over ``stop`` and ``start``."""

    kind: str
    port: int

    def start(self) -> None:
        """Listen; returns once connections are accepted."""

    def stop(self) -> None:
        """Stop listening, end every connection and every process that a session started."""

    def cut(self, pid: int, env: Mapping[str, str]) -> None:
        """Break the connection to which process ``pid`` (with environment ``env``) belongs; its processes live on."""

    def cut_all(self) -> None:
        """Break every connection; their processes live on."""
