"""zfs(8): finds the subcommand and turns its errors into output and exit status."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tests.simulator.machine import Machine
from tests.simulator.registry import Call, Result, Unmodelled, command
from tests.simulator.zfs import (
    clones,
    create,
    delegation,
    destroy,
    getting,
    keys,
    listing,
    program,
    receive,
    send,
    setting,
    snapshots,
)
from tests.simulator.zfs.errors import UsageError, ZfsError
from tests.simulator.zfs.session import Session
from tests.simulator.zfs.usage import usage_text

Subcommand = Callable[[Session, list[str]], int]

_ALIASES = {"umount": "unmount", "recv": "receive", "snap": "snapshot"}
_SUBCOMMANDS: dict[str, Subcommand] = {
    "allow": delegation.allow,
    "bookmark": snapshots.bookmark,
    "clone": clones.clone,
    "create": create.create,
    "destroy": destroy.destroy,
    "get": getting.get,
    "hold": snapshots.hold,
    "holds": snapshots.holds,
    "inherit": setting.inherit,
    "list": listing.list_datasets,
    "load-key": keys.load_key,
    "program": program.program,
    "promote": clones.promote,
    "release": snapshots.release,
    "receive": receive.receive,
    "rename": clones.rename,
    "rollback": snapshots.rollback,
    "send": send.send,
    "set": setting.set_properties,
    "snapshot": snapshots.snapshot,
    "unallow": delegation.unallow,
    "unload-key": keys.unload_key,
}


_STREAMING = ("send", "receive")
"""They lock for themselves, for data may flow for long."""


@command("zfs", exclusive=False)
def zfs(machine: Machine, call: Call) -> Result:
    session = Session(machine, call)
    args = call.args
    if not args:
        return Result(2, err="missing command\n" + usage_text(session.table, None))
    name = _ALIASES.get(args[0], args[0])
    if name in ("-?", "--help"):
        return Result(0, out=usage_text(session.table, None))
    if name in ("-V", "--version", "version"):
        return _version(machine, args[1:])
    known = {entry[0] for entry in session.table.usage if entry}
    if name not in known:
        return Result(2, err=f"unrecognized command '{name}'\n" + usage_text(session.table, None))
    if name not in _SUBCOMMANDS:
        raise Unmodelled(f"subcommand {name}")
    if name != "get" and any(pool.health == "SUSPENDED" for pool in session.tree.pools.values()):
        raise Unmodelled(f"subcommand {name} while a pool is suspended")
    return _run(session, name, args[1:])


def _run(session: Session, name: str, args: list[str]) -> Result:
    lock = contextlib.nullcontext() if name in _STREAMING else session.storage.transaction()
    try:
        with lock:
            rc = _SUBCOMMANDS[name](session, args)
    except ZfsError as error:
        session.complain(error.message)
        rc = error.rc
    except UsageError as error:
        if error.message:
            session.complain(error.message)
        session.err.append(usage_text(session.table, name))
        rc = 2
    return Result(rc, "".join(session.out), "".join(session.err))


def _version(machine: Machine, args: list[str]) -> Result:
    if args:
        raise Unmodelled(f"version {' '.join(args)}")
    version = machine.release.zfs_version
    return Result(0, out=f"zfs-{version}\nzfs-kmod-{version}\n")
