"""Troubles with the target layer: ctld, its configuration, and the kernel's tables."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING

from tests.faults.troubles import disks
from tests.faults.troubles.scene import PUBLISHED
from tests.faults.troubles.trial import (
    CLASSIC,
    CREATE,
    DELETE,
    EXPAND,
    EXPAND_PUBLISHED,
    PUBLISH,
    REPUBLISH,
    SNAPSHOT,
    UCL,
    UNPUBLISH,
    Ask,
    Trouble,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.faults.troubles.scene import Scene

BROKEN = "target {\n"
BUILT_IN_PORTS = 3
EXPORTED = 2
PAUSE = 0.005


# ctld


@contextlib.contextmanager
def stopped(scene: Scene) -> Iterator[None]:
    """The administrator has stopped ctld."""
    scene.run("service", "ctld", "stop")
    yield
    scene.run("service", "ctld", "start")


@contextlib.contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """Ctld has crashed: what it exported is exported still."""
    scene.run("pkill", "-9", "ctld")
    yield
    scene.run("service", "ctld", "start")


def signals(action: str, times: int, **how: int) -> Callable[[Scene], AbstractContextManager[None]]:
    """Something happens to the signals with which ctld is told to reload; `times` 0: to all of them."""

    @contextlib.contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        scene.host.control("fault", point="ctld.reload", action=action, times=times, **how)
        yield
        scene.host.control("clear-faults")

    return cause


# The kernel's tables


@contextlib.contextmanager
def tunable(scene: Scene, name: str, value: int) -> Iterator[None]:
    """The host has booted with another limit; a node logs in again, as nodes do."""
    loader = scene.host.root / "boot" / "loader.conf"
    loader.parent.mkdir(exist_ok=True)
    before = loader.read_text() if loader.exists() else ""
    scene.log_out()
    loader.write_text(f'{before}{name}="{value}"\n')
    scene.host.control("reboot")
    scene.log_in()
    yield
    scene.log_out()
    loader.write_text(before)
    scene.host.control("reboot")


@contextlib.contextmanager
def ports_used_up(scene: Scene) -> Iterator[None]:
    """The kernel can hold no port more than there are."""
    with tunable(scene, "kern.cam.ctl.max_ports", BUILT_IN_PORTS + EXPORTED):
        yield


@contextlib.contextmanager
def luns_used_up(scene: Scene) -> Iterator[None]:
    """The administrator has LUNs of his own, and the kernel can hold no more."""
    most = 2 * EXPORTED
    with tunable(scene, "kern.cam.ctl.max_luns", most):
        for _ in range(most - EXPORTED):
            scene.run("ctladm", "create", "-b", "ramdisk", "-s", "1048576")
        yield


# The configuration


@contextlib.contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """The disks that hold ctl.conf, and with UCL the files that it includes, are full."""
    fillers = [place / ".filler" for place in disks.places(scene.stack)]
    for filler in fillers:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))
    yield
    for filler in fillers:
        filler.unlink()


@contextlib.contextmanager
def broken(scene: Scene) -> Iterator[None]:
    """The administrator has forgotten a brace in what is his."""
    with scene.edited(lambda text: BROKEN + text):
        yield


@contextlib.contextmanager
def portal_group_gone(scene: Scene) -> Iterator[None]:
    """The administrator has taken the portal group away, without a reload: what is exported is exported still."""
    with scene.edited(lambda text: text.replace(_block("portal-group", text), "")):
        yield


def _block(name: str, text: str) -> str:
    """What stands between the marker lines, and these."""
    begin, end = f"# BEGIN freebsd.storage {name}\n", f"# END freebsd.storage {name}\n"
    return begin + text.partition(begin)[2].partition(end)[0] + end


@contextlib.contextmanager
def conf_missing(scene: Scene) -> Iterator[None]:
    """Somebody has deleted ctl.conf."""
    before = scene.ctl_conf.read_text()
    scene.ctl_conf.unlink()
    yield
    scene.ctl_conf.write_text(before)


@contextlib.contextmanager
def edited_once(scene: Scene) -> Iterator[None]:
    """The administrator saves ctl.conf after it was read, and before it is written."""
    mine = "# a note of the administrator\n"
    scene.host.control("fault", command="ctld", match="-t", when="after", action="hang")
    over = threading.Event()
    editor = threading.Thread(target=_edit_when_tested, args=(scene, mine, over))
    editor.start()
    try:
        yield
    finally:
        over.set()
        editor.join()
    text = scene.ctl_conf.read_text()
    if mine not in text:
        raise AssertionError("the administrator's edit is lost")
    scene.ctl_conf.write_text(text.replace(mine, ""))


def _edit_when_tested(scene: Scene, text: str, over: threading.Event) -> None:
    while not scene.world.fired() and not over.wait(PAUSE):
        pass
    with scene.ctl_conf.open("a") as file:
        file.write(text)
    scene.world.disarm()


@contextlib.contextmanager
def edited_always(scene: Scene) -> Iterator[None]:
    """Something rewrites ctl.conf all the time."""
    over = threading.Event()
    before = scene.ctl_conf.read_text()
    editor = threading.Thread(target=_edit_until, args=(scene, over))
    editor.start()
    try:
        yield
    finally:
        over.set()
        editor.join()
    scene.ctl_conf.write_text(before)


def _edit_until(scene: Scene, over: threading.Event) -> None:
    number = 0
    while not over.wait(PAUSE):
        with scene.ctl_conf.open("a") as file:
            file.write(f"# {number}\n")
        number += 1


@contextlib.contextmanager
def block_changed(scene: Scene) -> Iterator[None]:
    """Somebody has changed what we have written: another initiator may log in to the published volume."""
    text = scene.own.read_text()
    scene.own.write_text(text.replace(":demo:node-1", ":demo:node-2"))
    yield
    if scene.exports().count(":demo:node-2"):
        raise AssertionError("what was changed stays changed")


@contextlib.contextmanager
def block_cut(scene: Scene) -> Iterator[None]:
    """Somebody has removed the line that ends our block."""
    with scene.edited(lambda text: text.replace("# END freebsd.storage demo\n", "")):
        yield


@contextlib.contextmanager
def block_deleted(scene: Scene) -> Iterator[None]:
    """Somebody has put back a ctl.conf from before, and reloaded it."""
    text = scene.ctl_conf.read_text()
    scene.ctl_conf.write_text(text.replace(_block("demo", text), ""))
    scene.run("service", "ctld", "restart")
    yield


@contextlib.contextmanager
def file_garbled(scene: Scene) -> Iterator[None]:
    """What is included is no configuration."""
    scene.own.write_text("what {\n")
    yield


@contextlib.contextmanager
def file_deleted(scene: Scene) -> Iterator[None]:
    """What is included is not there, and has been reloaded so."""
    scene.own.unlink()
    scene.run("service", "ctld", "restart")
    yield


def record(**changes: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """A publication is recorded with what cannot be exported."""

    @contextlib.contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        key, value = scene.record_of(PUBLISHED)
        with scene.set_property(PUBLISHED, key, json.dumps({**value, **changes}, separators=(",", ":"))):
            yield

    return cause


_ALL_WELL = tuple(Ask(request) for request in (CREATE, PUBLISH, UNPUBLISH, EXPAND, SNAPSHOT))
_SPOILED = ("csi", "what others have changed in ctl.conf", "role storage_host")
_NO_ROOM = ("No space left on device", "make room")
_LIMIT = (Ask(CREATE), Ask(EXPAND_PUBLISHED), Ask(DELETE))
_START = ("ctld does not run", "service ctld start")
_BROKEN = ("others have written in ctl.conf", "correct it and test it with ctld -t")
_CUT = ("'# END freebsd.storage demo'", "remove what lies between them")


def _refused(*words: str) -> tuple[Ask, ...]:
    """What is to be exported is refused, all else goes on."""
    return (Ask(PUBLISH, "UNAVAILABLE", words), Ask(CREATE), Ask(EXPAND), Ask(SNAPSHOT))


def _left_out(why: str) -> tuple[Ask, ...]:
    """What was published before cannot be any more, all else goes on."""
    words = ("ctld would refuse it", why, "publish it anew")
    return (Ask(REPUBLISH, "FAILED_PRECONDITION", words, ends=True), Ask(PUBLISH), Ask(CREATE))


TROUBLES = (
    Trouble("ctld does not run", stopped, (*_refused(*_START), Ask(UNPUBLISH)), spares=False),
    Trouble(
        "ctld has crashed",
        killed,
        (*_refused(*_START), Ask(UNPUBLISH, "UNAVAILABLE", ("service ctld start",), ends=True)),
    ),
    Trouble("a reload comes three seconds late", signals("late", 1, ms=3000), _ALL_WELL),
    Trouble("the signal to reload is lost", signals("lost", 1), _ALL_WELL),
    Trouble(
        "ctld hears no signal at all",
        signals("lost", 0),
        (*_refused("the kernel shows no port for it"), Ask(UNPUBLISH, "UNAVAILABLE", ("try again",), ends=True)),
    ),
    Trouble(
        "the kernel's ports are used up",
        ports_used_up,
        (Ask(PUBLISH, "RESOURCE_EXHAUSTED", ("kern.cam.ctl.max_ports", "/boot/loader.conf")), *_LIMIT),
        spares=False,
    ),
    Trouble(
        "the kernel's LUNs are used up",
        luns_used_up,
        (Ask(PUBLISH, "RESOURCE_EXHAUSTED", ("kern.cam.ctl.max_luns", "/boot/loader.conf")), *_LIMIT),
        spares=False,
    ),
    Trouble(
        "the administrator has broken ctl.conf",
        broken,
        (*_refused(*_BROKEN), Ask(UNPUBLISH, "UNAVAILABLE", _BROKEN, ends=True)),
    ),
    Trouble(
        "the portal group is gone from ctl.conf",
        portal_group_gone,
        (*_refused(*_SPOILED), Ask(UNPUBLISH, "UNAVAILABLE", _SPOILED, ends=True)),
    ),
    Trouble(
        "ctl.conf is missing",
        conf_missing,
        (*_refused("ctl.conf does not exist", "role storage_host"), Ask(UNPUBLISH, "UNAVAILABLE", ends=True)),
    ),
    Trouble(
        "there is no room on the disk to write ctl.conf",
        disk_full,
        (*_refused(*_NO_ROOM), Ask(UNPUBLISH, "UNAVAILABLE", _NO_ROOM, ends=True)),
        possible=disks.can_be,
    ),
    Trouble("ctl.conf is edited while it is being changed", edited_once, (Ask(PUBLISH), Ask(CREATE))),
    Trouble(
        "ctl.conf is edited all the time",
        edited_always,
        (Ask(PUBLISH, "ABORTED", ("ctl.conf was edited 5 times",)), Ask(CREATE)),
        CLASSIC,
    ),
    Trouble("what we wrote in ctl.conf was changed by hand", block_changed, _ALL_WELL),
    Trouble(
        "the end of our block in ctl.conf is missing",
        block_cut,
        (*_refused(*_CUT), Ask(UNPUBLISH, "UNAVAILABLE", _CUT, ends=True)),
    ),
    Trouble("our block is missing in ctl.conf", block_deleted, _ALL_WELL, spares=False),
    Trouble("our file is garbled", file_garbled, _ALL_WELL, UCL),
    Trouble("our file is missing", file_deleted, _ALL_WELL, UCL, spares=False),
    Trouble(
        "a publication is recorded that cannot be written in ctl.conf",
        record(portal_group='c"si'),
        (
            Ask(REPUBLISH, "FAILED_PRECONDITION", ("cannot be written in ctl.conf", "publish it anew"), ends=True),
            Ask(PUBLISH),
            Ask(CREATE),
        ),
    ),
    Trouble(
        "a publication is recorded that ctld does not take",
        record(portal_group="gone"),
        (
            Ask(REPUBLISH, "FAILED_PRECONDITION", ("ctld would refuse it", "gone", "publish it anew"), ends=True),
            Ask(PUBLISH),
            Ask(CREATE),
        ),
    ),
)
