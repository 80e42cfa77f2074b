"""Host and user keys below DIR/ssh, made once by ssh-keygen, or by asyncssh where there is none."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keys:
    """Paths of private keys, and the host's public key as ``ssh-ed25519 AAAA…`` (no comment)."""

    directory: Path
    host_key: Path
    user_key: Path
    authorized_keys: Path
    host_public: str


def make_keys(root: Path) -> Keys:
    directory = root / "ssh"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    host, user = directory / "host_ed25519", directory / "id_ed25519"
    for path in (host, user):
        if not path.exists():
            _generate(path)
    authorized = directory / "authorized_keys"
    authorized.write_text(_public(user) + "\n", encoding="utf-8")
    return Keys(directory, host, user, authorized, _public(host))


def _public(private: Path) -> str:
    fields = private.with_suffix(".pub").read_text(encoding="utf-8").split()
    return " ".join(fields[:2])


def _generate(path: Path) -> None:
    keygen = shutil.which("ssh-keygen")
    if keygen is not None:
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", "simulator", "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        return
    asyncssh = importlib.import_module("asyncssh")
    key = asyncssh.generate_private_key("ssh-ed25519", comment="simulator")
    path.write_bytes(key.export_private_key())
    path.chmod(0o600)
    path.with_suffix(".pub").write_bytes(key.export_public_key())
