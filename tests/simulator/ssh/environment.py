"""What a session on the simulated host sees: the simulated commands first, then the machine's own tools."""

from __future__ import annotations

import getpass
import os
import shutil
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT_VARIABLE = "FREEBSD_SIMULATOR_ROOT"
USER_VARIABLE = "FREEBSD_SIMULATOR_USER"
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")


def session_environment(root: Path, user: str) -> dict[str, str]:
    """Variables of every session; ``user`` is who the simulated commands take the caller for."""
    return {"PATH": f"{root}/bin:{SYSTEM_PATH}", ROOT_VARIABLE: str(root), USER_VARIABLE: user}


def login_name() -> str:
    """Who logs in for SSH: the user who runs the simulator, the only one an unprivileged sshd can serve."""
    return getpass.getuser()


def sftp_server() -> str | None:
    return next((path for path in _SFTP_SERVERS if Path(path).exists()), None)


_SCRIPT = """#!/bin/sh
{exports}
[ "$(id -u)" = {uid} ] || unset {user}
case "$SSH_ORIGINAL_COMMAND" in
'') exec /bin/sh ;;
{sftp}*) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""


def write_session_script(root: Path, user: str) -> Path:
    """
    The command OpenSSH's sshd is forced to run, so that start-up files of the login shell cannot change PATH.

    Only who runs the simulator is taken for the simulated ``user``; other logins are known by their own ids.
    """
    lines = [f"{name}='{value}'; export {name}" for name, value in session_environment(root, user).items()]
    server = sftp_server()
    sftp = f"'{server}') exec '{server}' ;;\n" if server else ""
    path = root / "libexec" / "session"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _SCRIPT.format(exports="\n".join(lines), sftp=sftp, uid=os.geteuid(), user=USER_VARIABLE)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def sshd_path() -> str | None:
    return shutil.which("sshd", path=f"{SYSTEM_PATH}:/usr/local/sbin")
