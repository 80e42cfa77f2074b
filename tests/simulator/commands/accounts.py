"""pw(8): users and groups. Source: usr.sbin/pw."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace

from tests.simulator.accounts import Accounts, Group, User
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options

EX_DATAERR = 65
EX_NOUSER = 67
EX_NOPERM = 77
_USER_OPTIONS = "R:V:C:qn:u:c:d:e:p:g:G:mM:k:K:oL:s:h:H:NPYb:D:F:w:x:y:r"
_GROUP_OPTIONS = "R:V:C:qn:g:h:H:M:m:d:oNPYp"


@command("pw")
def pw(machine: Machine, call: Call) -> Result:
    """`pw useradd|usermod|userdel|groupadd|groupdel NAME`."""
    if not call.args or call.args[0] not in _VERBS:
        raise Unmodelled("this use of pw")
    if not call.is_root:
        return Result(EX_NOPERM, err="pw: you must be root to run this program\n")
    verb, known, modelled = _VERBS[call.args[0]]
    words = call.args[1:]
    # The name may come first, or as -n.
    first = [words.pop(0)] if words and not words[0].startswith("-") else []
    try:
        found, operands = options(words, known, modelled=modelled)
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    given = dict(found)
    names = [*first, *operands, *([given["n"]] if "n" in given else [])]
    if len(names) != 1:
        raise Unmodelled("none or several names")
    return verb(machine, names[0], given)


def _useradd(machine: Machine, name: str, given: dict[str, str]) -> Result:
    accounts = Accounts(machine)
    if accounts.user(name) is not None:
        return Result(EX_DATAERR, err=f"pw: login name `{name}' already exists\n")
    number = int(given.get("u", accounts.free_id()))
    gid = number
    if "g" in given:
        group = accounts.group(given["g"])
        if group is None:
            return Result(EX_NOUSER, err=f"pw: group `{given['g']}' does not exist\n")
        gid = group.gid
    else:
        accounts.put_group(Group(name, number))
    home = given.get("d", f"/home/{name}")
    # -w no is the default: no password, so that nobody logs in with one.
    accounts.put(User(name, "*", number, gid, given.get("c", "User &"), home, given.get("s", "/bin/sh")))
    if "m" in given:
        _make_home(machine, home, number, gid)
    return Result()


def _make_home(machine: Machine, home: str, uid: int, gid: int) -> None:
    path = machine.path(home)
    path.mkdir(0o755, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, uid, gid)


def _usermod(machine: Machine, name: str, given: dict[str, str]) -> Result:
    accounts = Accounts(machine)
    user = accounts.user(name)
    if user is None:
        return Result(EX_NOUSER, err=f"pw: no such user `{name}'\n")
    accounts.put(
        replace(
            user,
            home=given.get("d", user.home),
            shell=given.get("s", user.shell),
            gecos=given.get("c", user.gecos),
        )
    )
    return Result()


def _userdel(machine: Machine, name: str, given: dict[str, str]) -> Result:
    accounts = Accounts(machine)
    user = accounts.user(name)
    if user is None:
        return Result(EX_NOUSER, err=f"pw: no such user `{name}'\n")
    accounts.remove(name)
    if "r" in given:
        shutil.rmtree(machine.path(user.home), ignore_errors=True)
    return Result()


def _groupadd(machine: Machine, name: str, given: dict[str, str]) -> Result:
    accounts = Accounts(machine)
    if accounts.group(name) is not None:
        return Result(EX_DATAERR, err=f"pw: group name `{name}' already exists\n")
    accounts.put_group(Group(name, int(given.get("g", accounts.free_id()))))
    return Result()


def _groupdel(machine: Machine, name: str, _given: dict[str, str]) -> Result:
    accounts = Accounts(machine)
    if accounts.group(name) is None:
        return Result(EX_DATAERR, err=f"pw: unknown group `{name}'\n")
    accounts.remove_group(name)
    return Result()


_Verb = Callable[[Machine, str, dict[str, str]], Result]
_VERBS: dict[str, tuple[_Verb, str, str]] = {
    "useradd": (_useradd, _USER_OPTIONS, "nucdgms"),
    "usermod": (_usermod, _USER_OPTIONS, "ncds"),
    "userdel": (_userdel, _USER_OPTIONS, "nr"),
    "groupadd": (_groupadd, _GROUP_OPTIONS, "ng"),
    "groupdel": (_groupdel, _GROUP_OPTIONS, "n"),
}
