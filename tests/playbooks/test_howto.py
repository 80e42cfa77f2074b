"""Every file and every command of docs/ansible.md, in their order, on a simulated default install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.play import REPOSITORY
from tests.playbooks.role import role_variables
from tests.simulator.host import SimulatedHost

pytestmark = pytest.mark.slow

HOWTO = REPOSITORY / "docs" / "ansible.md"
TIMEOUT = 500  # seconds: machines may be busy
FILE = re.compile(r"# ([\w-]+\.yml)\n")
PARENT = re.compile(r"^( *)parent: tank/vm$", re.MULTILINE)
LOOK = re.compile(r"^( *)freebsd\.storage\.ctl_info:$", re.MULTILINE)
DATABASE, MONDAY = "iqn.2026-01.org.example:database", "iqn.2026-01.org.example:monday"


@dataclass(frozen=True)
class Block:
    """An indented block: a file, or commands for a shell where `name` is empty."""

    name: str
    text: str


def blocks(text: str) -> list[Block]:
    """The blocks of the page in their order; each begins with a file's name in a comment, or has commands."""
    found = []
    for part in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        for each in re.split(r"\n(?=    # [\w-]+\.yml\n)|\n(?=    (?:ansible|head))", part):
            body = textwrap.dedent(each).strip("\n") + "\n"
            name = FILE.match(body)
            if body.strip():
                found.append(Block(name[1] if name else "", body))
    return found


def differing(text: str, settings_dir: str) -> str:
    """The text with the folder of the settings, which on a real host is the default."""
    text = PARENT.sub(rf"\1parent: tank/vm\n\1settings_dir: {settings_dir}", text)
    return LOOK.sub(rf"\g<0>\n\1  settings_dir: {settings_dir}", text)


def prepare(directory: Path, host: SimulatedHost) -> dict[str, str]:
    """Lay out a folder like the repository's; return the environment of a shell in it."""
    for name in ("playbooks", "roles", "collections"):
        (directory / name).symlink_to(REPOSITORY / name)
    info = host.info
    known_hosts = directory / "known_hosts"
    known_hosts.write_text(f"nas1 {info['host_key']}\n")
    real: dict[str, Any] = {
        **{key: value for key, value in role_variables(info).items() if key != "storage_host_parents"},
        "ansible_host": info["address"],
        "ansible_port": info["port"],
        "ansible_user": info["user"],
        "ansible_ssh_private_key_file": info["identity_file"],
        "ansible_python_interpreter": info["python"],
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o HostKeyAlias=nas1",
    }
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "nas1.json").write_text(json.dumps(real))
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **own,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_ROLES_PATH": "roles",
        "ANSIBLE_REMOTE_TMP": str(directory / "remote"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
        "ANSIBLE_PIPELINING": "1",
    }


def shell(commands: str, directory: Path, environment: dict[str, str]) -> str:
    """Run commands as a person would, and return what they say."""
    done = subprocess.run(
        ["sh", "-eu", "-c", commands],
        cwd=directory,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


def targets(host: SimulatedHost) -> list[str]:
    """The targets that the kernel shows."""
    ports = host.run("ctladm", "portlist", "-x")["out"]
    return re.findall(r"<target>(iqn.*)</target>", ports)


def size(host: SimulatedHost) -> int:
    """The bytes of the database's volume, 0 if there is none."""
    done = host.run("zfs", "get", "-Hp", "-o", "value", "volsize", "tank/vm/database")
    return int(done["out"]) if done["rc"] == 0 else 0


@pytest.mark.timeout(TIMEOUT + 60)
def test_the_page_does_what_it_says(directory: Path) -> None:
    """Each command succeeds; targets come, grow, and go; the secret shows nowhere."""
    shown: list[list[str]] = []
    sizes: list[int] = []
    said = ""
    with SimulatedHost(directory / "host", prepared=False) as host:
        environment = prepare(directory, host)
        for block in blocks(HOWTO.read_text(encoding="utf-8")):
            if block.name:
                (directory / block.name).write_text(differing(block.text, host.info["settings_dir"]))
                continue
            said += shell(block.text, directory, environment)
            if "collection install" in block.text:
                # From here on the installed collection is used; the tree's own must not stand in for it.
                (directory / "collections").unlink()
            shown += [targets(host)] if targets(host) not in shown[-1:] else []
            sizes += [size(host)] if size(host) not in sizes[-1:] else []
        left = host.run("zfs", "list", "-Hr", "-o", "name", "tank/vm")["out"].split()
    assert [sorted(each) for each in shown] == [[], [DATABASE], [DATABASE, MONDAY], []]
    assert sizes == [0, 10 << 30, 20 << 30, 0]
    assert left == ["tank/vm"]
    assert "change-me-soon" not in said
