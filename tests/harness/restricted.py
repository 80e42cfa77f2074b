"""A host on which the driver is not root: the role makes it of a bare one, with a user for the driver."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.playbooks.play import play
from tests.playbooks.role import role_variables

if TYPE_CHECKING:
    from tests.simulator.host import SimulatedHost

USER = "csi"
OWNER = "demo"


def possible() -> str | None:
    """Why this machine cannot have logins of its own on a simulated host; None if it can."""
    from tests.simulator.ssh.environment import sshd_path
    from tests.simulator.ssh.openssh import own_accounts

    if sshd_path() is None:
        return "there is no sshd"
    return None if own_accounts(Path("/")) else "users of its own take root and mount namespaces"


def key(directory: Path) -> Path:
    """The user's private key, made at the first call."""
    path = directory / "csi_ed25519"
    if not path.exists():
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", str(path)]
        subprocess.run(argv, check=True, capture_output=True)
    return path


def variables(host: SimulatedHost, directory: Path, privilege: str) -> dict[str, Any]:
    """What the role is told."""
    root = Path(host.info["control"]).parent
    user = {
        "name": USER,
        "owners": [OWNER],
        "keys_allowed": [key(directory).with_suffix(".pub").read_text().strip()],
        "addresses": ["127.0.0.1"],
        "home": str(root / "home" / USER),
    }
    return {
        **role_variables(host.info),
        "storage_host_privilege": privilege,
        "storage_host_users": [user],
    }


def bootstrap(host: SimulatedHost, directory: Path, privilege: str) -> None:
    """Run the role on the host; `directory` is for the key and Ansible's files."""
    # Others than root have to get to the host's files, as far as these let them.
    for folder in (directory, host.root):
        folder.chmod(0o711)
    run = play("storage_host", host, directory, variables(host, directory, privilege))
    if not run.ok:
        raise RuntimeError(run.output)


def request(**what: Any) -> str:
    """One line for the program."""
    return json.dumps({"owner": OWNER, "seconds": 20, **what}) + "\n"
