"""What is on the host's disk when it first comes up: a default FreeBSD install, or one the driver can use."""

from __future__ import annotations

import json
from pathlib import Path

from tests.simulator.accounts import Accounts
from tests.simulator.dispatch import execute
from tests.simulator.machine import Machine
from tests.simulator.registry import Call

PARENT = "tank/csi"
SETTINGS_DIR = "/usr/local/etc/freebsd-storage"
PORTAL_GROUP = "csi"
_PARENT_OPTIONS = ("-ocanmount=off", "-omountpoint=none", "-ovolmode=dev")
_DIRECTORIES = ("etc", "etc/zfs", "boot", "var/log", "var/run", "var/db", "usr/local/etc", "dev/zvol", "root", "tmp")

_RC_CONF = """hostname="{hostname}"
sshd_enable="YES"
zfs_enable="YES"
ctld_flags="{flags}-f {ctl_conf}"
"""
_CTL_CONF = """# BEGIN freebsd.storage portal-group
portal-group "{group}" {{
  discovery-auth-group "no-access"
  listen "{portal}"
}}
# END freebsd.storage portal-group
"""
# Merged, and at the end: of two sections of one name ctld 14 sees the first only.
_CTL_CONF_UCL = """# BEGIN freebsd.storage portal-group
.include(try=true,duplicate=merge) "{file}"
# END freebsd.storage portal-group
"""
_UCL_DIRECTORY = f"{SETTINGS_DIR}/ctl"
# No owner's name has an underscore, so no owner's file can be called that.
_UCL_PORTAL_GROUP = f"{_UCL_DIRECTORY}/portal-group_.conf"
CLASSIC = "classic"
UCL = "ucl"
GRAMMARS = (CLASSIC, UCL)


def install(machine: Machine, grammar: str = CLASSIC) -> None:
    """The files of a default install with ZFS and sshd; those that exist are left alone."""
    for name in _DIRECTORIES:
        machine.path(name).mkdir(parents=True, exist_ok=True)
    Accounts(machine).install()
    flags = "-u " if grammar == UCL else ""
    rc_conf = _RC_CONF.format(hostname=machine.hostname, flags=flags, ctl_conf=machine.path("/etc/ctl.conf"))
    for name, text in (("etc/rc.conf", rc_conf), ("boot/loader.conf", 'zfs_load="YES"\n'), ("var/log/messages", "")):
        path = machine.path(name)
        if not path.exists():
            path.write_text(text, encoding="utf-8")


def prepare(machine: Machine, portal: str, grammar: str = CLASSIC) -> None:
    """What the role storage_host leaves behind: parent dataset, registry of parents, portal group, ctld enabled."""
    if machine.storage.tree.get(PARENT) is None:
        _run(machine, "zfs", "create", "-p", *_PARENT_OPTIONS, PARENT)
    settings = machine.path(SETTINGS_DIR)
    settings.mkdir(mode=0o755, parents=True, exist_ok=True)
    (settings / "lock").touch(mode=0o640)
    (settings / "ctl.lock").touch(mode=0o600)
    parent = machine.storage.tree.get(PARENT)
    assert parent is not None
    (settings / "parents.json").write_text(json.dumps({PARENT: str(parent.guid)}, indent=4) + "\n", encoding="utf-8")
    if grammar == UCL:
        _write_ucl(machine, portal)
    else:
        _write_private(machine.path("/etc/ctl.conf"), _CTL_CONF.format(group=PORTAL_GROUP, portal=portal))
    rc_conf = machine.path("/etc/rc.conf")
    text = rc_conf.read_text(encoding="utf-8")
    if "ctld_enable" not in text:
        rc_conf.write_text(f'{text}ctld_enable="YES"\n', encoding="utf-8")


def _write_ucl(machine: Machine, portal: str) -> None:
    directory = machine.path(_UCL_DIRECTORY)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = machine.path(_UCL_PORTAL_GROUP)
    group = {PORTAL_GROUP: {"discovery-auth-group": "no-access", "listen": [portal]}}
    _write_private(file, f'"portal-group": {json.dumps(group)};\n')
    _write_private(machine.path("/etc/ctl.conf"), _CTL_CONF_UCL.format(file=file))


def _write_private(path: Path, text: str) -> None:
    if not path.exists():
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")


def _run(machine: Machine, *argv: str) -> None:
    result = execute(machine, Call(argv))
    if result.rc:
        raise RuntimeError(f"{' '.join(argv)}: {result.err}")
