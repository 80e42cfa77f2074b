"""
sudo(8), doas(1) and visudo(8), once their packages are installed.

What they run is a process of the simulator's own user, which is root on this host, with the caller's
descriptors and the environment that each of them makes: nothing of the caller's but TERM.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.simulator import packages, rules
from tests.simulator.accounts import Accounts
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options
from tests.simulator.rules import BadRule, Rule
from tests.simulator.ssh.environment import SYSTEM_PATH


@command("sudo", exclusive=False)
def sudo(machine: Machine, call: Call) -> Result:
    """`sudo -n [-u root] COMMAND ...`."""
    if not packages.installed(machine, "sudo"):
        return packages.missing("sudo")
    words = _words(call, "nHSu:", "AbBC:D:eEg:hHiKklNnPp:R:r:SsT:t:U:u:Vv")
    if not words:
        raise Unmodelled("sudo without a command")
    try:
        known = rules.sudoers(machine)
    except BadRule as error:
        return Result(1, err=f"{rules.SUDOERS}: syntax error near line {error.number}\n")
    # Who has no rule is asked for his password first, like everybody.
    denied = Result(1, err="sudo: a password is required\n")
    unknown = Result(1, err=f"sudo: {words[0]}: command not found\n")
    identity = Accounts(machine).user(call.user)
    own = {"SUDO_USER": call.user, "SUDO_COMMAND": " ".join(words)}
    if identity is not None:
        own |= {"SUDO_UID": str(identity.uid), "SUDO_GID": str(identity.gid)}
    return _run(machine, call, words, known, own, (denied, unknown))


@command("doas", exclusive=False)
def doas(machine: Machine, call: Call) -> Result:
    """`doas -n [-u root] COMMAND ...`, and `doas -C FILE`."""
    if not packages.installed(machine, "doas"):
        return packages.missing("doas")
    if call.args[:1] == ["-C"]:
        return _check_doas(machine, call)
    words = _words(call, "nu:", "C:Lnsu:")
    if not words:
        raise Unmodelled("doas without a command")
    if not machine.path(rules.DOAS_CONF).exists():
        return Result(1, err="doas: doas is not enabled, /usr/local/etc/doas.conf: No such file or directory\n")
    try:
        known = rules.doas_conf(machine)
    except BadRule as error:
        return Result(1, err=f"doas: syntax error at line {error.number}\n")
    denied = Result(1, err="doas: Operation not permitted\n")
    unknown = Result(1, err=f"doas: {words[0]}: command not found\n")
    return _run(machine, call, words, known, {"DOAS_USER": call.user}, (denied, unknown))


@command("visudo")
def visudo(machine: Machine, call: Call) -> Result:
    """`visudo -c [-s] [-q] [-f FILE]`."""
    if not packages.installed(machine, "sudo"):
        return packages.missing("visudo")
    found, operands = options(call.args, "cf:hIOPqsVx:", modelled="cfqs")
    given = dict(found)
    if operands or "c" not in given:
        raise Unmodelled("editing")
    file = given.get("f", rules.SUDOERS)
    path = Path(file) if "f" in given else machine.path(file)
    if not path.exists():
        return Result(1, err=f"visudo: unable to open {file}: No such file or directory\n")
    try:
        rules.sudoers(machine, path)
    except BadRule as error:
        return Result(1, err=f"{file}:{error.number}: syntax error\n")
    return Result(out="" if "q" in given else f"{file}: parsed OK\n")


def _check_doas(machine: Machine, call: Call) -> Result:
    if len(call.args) != 2:
        raise Unmodelled("matching a command")
    path = Path(call.args[1])
    if not path.exists():
        return Result(1, err=f"doas: could not open config file {path}: No such file or directory\n")
    try:
        rules.doas_conf(machine, path)
    except BadRule as error:
        return Result(1, err=f"doas: syntax error at line {error.number}\n")
    return Result()


def _words(call: Call, modelled: str, known: str) -> list[str]:
    """The command and its arguments."""
    try:
        found, words = options(call.args, known, modelled=modelled)
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    given = dict(found)
    if given.get("u", "root") != "root":
        raise Unmodelled("another user than root")
    if "n" not in given and not call.is_root:
        raise Unmodelled("asking for a password")
    return words


def _run(
    machine: Machine,
    call: Call,
    words: list[str],
    known: list[Rule],
    own: dict[str, str],
    answers: tuple[Result, Result],
) -> Result:
    denied, unknown = answers
    path = f"{machine.root}/bin:{SYSTEM_PATH}"
    named = str(machine.path(words[0])) if words[0].startswith("/") else shutil.which(words[0], path=path) or words[0]
    rule = rules.verdict(known, call.user, named, tuple(words[1:]))
    if not call.is_root and (rule is None or not rule.free):
        return denied
    if shutil.which(named) is None:
        return unknown
    environment = {"HOME": "/root", "LOGNAME": "root", "USER": "root", "SHELL": "/bin/sh", "PATH": path, **own}
    streams = {"stdin": call.stdin, "stdout": call.stdout, "stderr": call.stderr}
    if min(streams.values()) < 0:
        raise Unmodelled("without descriptors")
    done = subprocess.run([named, *words[1:]], check=False, env=environment, cwd=_folder(call.cwd), **streams)
    return Result(done.returncode if done.returncode >= 0 else 128 - done.returncode)


def _folder(path: str) -> str:
    return path if os.access(path, os.X_OK) else "/"
