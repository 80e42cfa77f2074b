"""The host's accounts: /etc/master.passwd, /etc/passwd and /etc/group in FreeBSD's form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tests.simulator.machine import Machine

FIRST_UID = 1001

_USERS = """\
root::0:0::0:0:Charlie &:/root:/bin/sh
daemon:*:1:1::0:0:Owner of many system processes:/root:/usr/sbin/nologin
operator:*:2:5::0:0:System &:/:/usr/sbin/nologin
sshd:*:22:22::0:0:Secure Shell Daemon:/var/empty:/usr/sbin/nologin
nobody:*:65534:65534::0:0:Unprivileged user:/nonexistent:/usr/sbin/nologin
"""
_GROUPS = """\
wheel:*:0:root
daemon:*:1:
tty:*:4:
operator:*:5:root
sshd:*:22:
nogroup:*:65533:
nobody:*:65534:
"""


@dataclass(frozen=True)
class User:
    """One line of master.passwd(5), without the password's ageing."""

    name: str
    password: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str

    @property
    def master(self) -> str:
        return f"{self.name}:{self.password}:{self.uid}:{self.gid}::0:0:{self.gecos}:{self.home}:{self.shell}"

    @property
    def line(self) -> str:
        return f"{self.name}:*:{self.uid}:{self.gid}:{self.gecos}:{self.home}:{self.shell}"


@dataclass(frozen=True)
class Group:
    """One line of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return f"{self.name}:*:{self.gid}:{','.join(self.members)}"


class Accounts:
    """
    Reads the files anew each time, and writes into them instead of replacing them.

    The SSH server may have them mounted over the machine's own, which holds on to the file it was given.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def install(self) -> None:
        """The accounts of a default install; files that exist are left alone."""
        if not self._path("master.passwd").exists():
            self._write("group", _GROUPS)
            self._write("master.passwd", _USERS, mode=0o600)
            self._save_users(self.users())

    def users(self) -> list[User]:
        found = []
        for line in self._path("master.passwd").read_text(encoding="utf-8").splitlines():
            name, password, uid, gid, _class, _change, _expire, gecos, home, shell = line.split(":")
            found.append(User(name, password, int(uid), int(gid), gecos, home, shell))
        return found

    def groups(self) -> list[Group]:
        found = []
        for line in self._path("group").read_text(encoding="utf-8").splitlines():
            name, _password, gid, members = line.split(":")
            found.append(Group(name, int(gid), tuple(member for member in members.split(",") if member)))
        return found

    def user(self, name: str) -> User | None:
        return next((user for user in self.users() if user.name == name), None)

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups() if group.name == name), None)

    def name_of(self, uid: int) -> str:
        """Who that is, or the number where nobody is."""
        return next((user.name for user in self.users() if user.uid == uid), str(uid))

    def free_id(self) -> int:
        """The next number that is neither a user's nor a group's."""
        taken = {user.uid for user in self.users()} | {group.gid for group in self.groups()}
        return next(number for number in range(FIRST_UID, 32000) if number not in taken)

    def put(self, user: User) -> None:
        """Add a user, or change the one of that name."""
        others = [each for each in self.users() if each.name != user.name]
        self._save_users([*others, user])

    def put_group(self, group: Group) -> None:
        others = [each for each in self.groups() if each.name != group.name]
        self._save_groups([*others, group])

    def remove_group(self, name: str) -> None:
        self._save_groups([each for each in self.groups() if each.name != name])

    def remove(self, name: str) -> None:
        """Remove a user, his group if it has his name and no other members, and his memberships."""
        user = self.user(name)
        assert user is not None
        self._save_users([each for each in self.users() if each.name != name])
        left = [
            replace(each, members=tuple(member for member in each.members if member != name)) for each in self.groups()
        ]
        own = (name, user.gid, ())
        self._save_groups([each for each in left if (each.name, each.gid, each.members) != own])

    def _path(self, name: str) -> Path:
        return self._machine.path(f"/etc/{name}")

    def _save_users(self, users: list[User]) -> None:
        users = sorted(users, key=lambda user: user.uid)
        self._write("master.passwd", "".join(f"{user.master}\n" for user in users), mode=0o600)
        self._write("passwd", "".join(f"{user.line}\n" for user in users))

    def _save_groups(self, groups: list[Group]) -> None:
        self._write("group", "".join(f"{group.line}\n" for group in sorted(groups, key=lambda group: group.gid)))

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self._path(name)
        path.touch(mode)
        path.write_text(text, encoding="utf-8")
