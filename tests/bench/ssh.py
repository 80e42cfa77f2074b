"""The yardstick: the ssh client with a shared connection that is already up, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TIMEOUT = 60.0


class BareSsh:
    """A warm OpenSSH connection to the host that `info` describes; private files go to `directory`."""

    def __init__(self, info: dict[str, Any], directory: Path) -> None:
        known = directory / "known_hosts"
        known.write_text(f"[{info['address']}]:{info['port']} {info['host_key']}\n")
        options = {
            "BatchMode": "yes",
            "ControlMaster": "auto",
            "ControlPath": str(directory / "m"),
            "ControlPersist": "60",
            "IdentitiesOnly": "yes",
            "IdentityFile": info["identity_file"],
            "Port": str(info["port"]),
            "User": info["user"],
            "UserKnownHostsFile": str(known),
        }
        self._options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._address = info["address"]

    def run(self, command: str, *, script: str = "") -> None:
        """Run one command line on the host; `script` is its standard input."""
        subprocess.run(
            ["ssh", *self._options, self._address, command],
            check=True,
            input=script,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    def __enter__(self) -> Self:
        # The one that starts the shared connection must not be waited for by its streams.
        subprocess.run(
            ["ssh", *self._options, "-fN", "-M", self._address],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(
            ["ssh", *self._options, "-O", "exit", self._address], check=False, capture_output=True, timeout=TIMEOUT
        )
