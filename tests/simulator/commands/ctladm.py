"""ctladm(8): listing and changing the kernel's CTL tables. Source: usr.sbin/ctladm/ctladm.c."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl import listing, xml
from tests.simulator.ctl.kernel import UNMAPPED, CtlError, CtlKernel, NoSuchPort
from tests.simulator.ctl.lexer import expand_number
from tests.simulator.ctl.part import ctl_part
from tests.simulator.ctl.tables import LunRequest, Session
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options

_USAGE = """Usage:
Primary commands:
         ctladm create      <-b backend> [-B blocksize] [-d device_id]
                            [-l lun_id] [-o name=value] [-s size_bytes]
                            [-S serial_num] [-t dev_type]
         ctladm remove      <-b backend> <-l lun_id> [-o name=value]
         ctladm modify      <-b backend> <-l lun_id> <-s size_bytes>
         ctladm devlist     [-b backend] [-v] [-x]
         ctladm lunmap      -p targ_port [-l pLUN] [-L cLUN]
         ctladm portlist    [-f frontend] [-i] [-p targ_port] [-q] [-v] [-x]
         ctladm islist      [-v | -x]
         ctladm islogout    <-a | -c connection-id | -i name | -p portal>
         ctladm isterminate <-a | -c connection-id | -i name | -p portal>
"""
_ENXIO = "Device not configured"


class Failure(Exception):
    """The command ends with status 1 and this text after `ctladm: `."""


@dataclass(frozen=True)
class Arguments:
    """The options of one verb: flags given, last value of each, and every -o."""

    flags: frozenset[str]
    values: dict[str, str]
    options: tuple[str, ...]

    def number(self, flag: str, default: int) -> int:
        """Return a numeric value as strtol(3) with base 0 reads it."""
        text = self.values.get(flag)
        return default if text is None else int(text, 0)


Verb = Callable[[CtlKernel, Arguments], Result]


def _devlist(kernel: CtlKernel, given: Arguments) -> Result:
    if "x" in given.flags:
        return Result(out=xml.device_list(kernel))
    backend, verbose = given.values.get("b"), "v" in given.flags
    return Result(out=listing.devices(kernel, backend=backend, verbose=verbose))


def _portlist(kernel: CtlKernel, given: Arguments) -> Result:
    if "x" in given.flags:
        return Result(out=xml.port_list(kernel))
    verbose = "v" in given.flags
    details = listing.PortDetails(
        header="q" not in given.flags,
        initiators=verbose or "i" in given.flags,
        luns=verbose or "l" in given.flags,
        options=verbose,
    )
    text = listing.ports(
        kernel,
        details,
        frontend=given.values.get("f"),
        port_id=given.number("p", 0) if "p" in given.flags else None,
    )
    return Result(out=text)


def _islist(kernel: CtlKernel, given: Arguments) -> Result:
    if "x" in given.flags:
        return Result(out=xml.session_list(kernel))
    return Result(out=listing.sessions(kernel, verbose="v" in given.flags))


def _selected(kernel: CtlKernel, given: Arguments, name: str) -> list[Session]:
    """Return the sessions named by exactly one of -a, -c, -i, -p."""
    selectors = given.flags & set("acip")
    if not selectors:
        raise Failure(msg.SELECTOR_REQUIRED.format(name))
    if len(selectors) > 1:
        raise Failure(msg.ONE_SELECTOR.format(name))
    return kernel.matching_sessions(
        everything="a" in given.flags,
        session_id=given.number("c", -1),
        initiator=given.values.get("i", ""),
        address=given.values.get("p", ""),
    )


def _end_sessions(kernel: CtlKernel, given: Arguments, name: str, failed: str, done: str) -> Result:
    try:
        found = _selected(kernel, given, name)
    except CtlError as error:
        raise Failure(failed.format(error)) from error
    for session in found:
        kernel.end_session(session)
    return Result(out=done)


def _isterminate(kernel: CtlKernel, given: Arguments) -> Result:
    return _end_sessions(kernel, given, "cctl_isterminate", msg.TERMINATE_FAILED, msg.TERMINATED)


def _islogout(kernel: CtlKernel, given: Arguments) -> Result:
    """The initiator is asked to log out: modelled as one that complies at once."""
    return _end_sessions(kernel, given, "cctl_islogout", msg.LOGOUT_FAILED, msg.LOGOUT_SUBMITTED)


def _lunmap(kernel: CtlKernel, given: Arguments) -> Result:
    try:
        kernel.map_lun(given.number("p", UNMAPPED), given.number("l", UNMAPPED), given.number("L", UNMAPPED))
    except NoSuchPort as error:
        raise Failure(msg.LUN_MAP_IOCTL_FAILED.format(_ENXIO)) from error
    return Result()


def _port(kernel: CtlKernel, given: Arguments) -> Result:
    state = given.values.get("o", "").lower()
    if given.flags != {"o", "p"}:
        raise Unmodelled("port without exactly -o and -p")
    if state not in ("on", "off"):
        raise Failure(msg.BAD_ON_OFF.format(given.values["o"]))
    try:
        kernel.set_online(given.number("p", -1), online=state == "on")
    except NoSuchPort as error:
        raise Unmodelled("switching a port that does not exist") from error
    return Result(out=f"Front End Ports {'enabled' if state == 'on' else 'disabled'}\n")


def _option_list(given: Arguments) -> dict[str, str]:
    pairs = [text.partition("=") for text in given.options]
    if any(not equals for _, equals, _ in pairs):
        raise Unmodelled("-o without =")
    return {name: value for name, _, value in pairs}


def _size(given: Arguments) -> int:
    text = given.values.get("s", "0")
    size = 0 if text == "auto" else expand_number(text)
    if size is None:
        raise Unmodelled(f"the size {text}")
    return size


def _backend(given: Arguments, name: str) -> str:
    if "b" not in given.flags:
        raise Failure(msg.BACKEND_REQUIRED.format(name))
    return given.values["b"]


def _lun_id(given: Arguments, name: str) -> int:
    if "l" not in given.flags:
        raise Failure(msg.LUN_ID_REQUIRED.format(name))
    return given.number("l", 0)


def _create(kernel: CtlKernel, given: Arguments) -> Result:
    request = LunRequest(
        backend=_backend(given, "cctl_create_lun"),
        options=_option_list(given),
        size_bytes=_size(given),
        blocksize=given.number("B", 0),
        serial=given.values.get("S"),
        device_id=given.values.get("d"),
        device_type=given.number("t", 0),
        lun_id=given.number("l", 0) if "l" in given.flags else None,
    )
    try:
        lun, warning = kernel.create_lun(request)
    except CtlError as error:
        raise Failure(msg.LUN_CREATION_ERROR.format(error)) from error
    text = (
        "LUN created successfully\n"
        f"backend:       {lun.backend}\n"
        f"device type:   {lun.device_type}\n"
        f"LUN size:      {lun.size_bytes} bytes\n"
        f"blocksize      {lun.blocksize} bytes\n"
        f"LUN ID:        {lun.id}\n"
        f"Serial Number: {lun.serial}\n"
        f"Device ID;     {lun.device_id}\n"
    )
    said = f"ctladm: {msg.LUN_CREATION_WARNING.format(warning)}\n" if warning else ""
    return Result(0, text, said)


def _modify(kernel: CtlKernel, given: Arguments) -> Result:
    """Modify a LUN. The whole option list is replaced by the -o given, as in the kernel."""
    name = "cctl_modify_lun"
    backend, lun_id = _backend(given, name), _lun_id(given, name)
    if not given.flags & {"s", "o"}:
        raise Failure(msg.SIZE_OR_OPTIONS_REQUIRED)
    try:
        warning = kernel.modify_lun(backend, lun_id, _option_list(given), _size(given))
    except CtlError as error:
        raise Failure(msg.LUN_MODIFICATION_ERROR.format(error)) from error
    said = f"ctladm: {msg.LUN_MODIFICATION_WARNING.format(warning)}\n" if warning else ""
    return Result(0, f"LUN {lun_id} modified successfully\n", said)


def _remove(kernel: CtlKernel, given: Arguments) -> Result:
    name = "cctl_rm_lun"
    backend, lun_id = _backend(given, name), _lun_id(given, name)
    try:
        kernel.remove_lun(backend, lun_id)
    except CtlError as error:
        raise Failure(msg.LUN_REMOVAL_ERROR.format(error)) from error
    return Result(out=f"LUN {lun_id} removed successfully\n")


def _nvlist(_kernel: CtlKernel, _given: Arguments) -> Result:
    frontend = msg.FRONTEND_NOT_FOUND.format("nvmf")
    raise Failure(f"cctl_nvlist: error returned from ioctl: {frontend}")


VERBS: dict[str, tuple[str, Verb]] = {
    "create": ("b:B:d:l:o:s:S:t:", _create),
    "devlist": ("b:vx", _devlist),
    "islist": ("vx", _islist),
    "islogout": ("ac:i:p:", _islogout),
    "isterminate": ("ac:i:p:", _isterminate),
    "lunmap": ("p:l:L:", _lunmap),
    "modify": ("b:l:o:s:", _modify),
    "port": ("lo:p:", _port),
    "portlist": ("f:ilp:qvx", _portlist),
    "remove": ("b:l:o:", _remove),
}
_SINCE_15: dict[str, tuple[str, Verb]] = {"nvlist": ("vx", _nvlist)}
_UNMODELLED = frozenset(
    [
        "adddev",
        "delay",
        "devid",
        "dumpooa",
        "dumpstructs",
        "help",
        "inject",
        "inquiry",
        "lunlist",
        "modesense",
        "prin",
        "prout",
        "read",
        "readcapacity",
        "reportluns",
        "reqsense",
        "rtpg",
        "start",
        "stop",
        "synccache",
        "tur",
        "write",
    ]
)


@command("ctladm")
def ctladm(machine: Machine, call: Call) -> Result:
    """`ctladm VERB [OPTIONS]`; a verb may be shortened as long as it stays unambiguous."""
    if not call.args:
        return Result(1, err=_USAGE)
    verbs = VERBS if machine.release.major < 15 else VERBS | _SINCE_15
    asked = call.args[0]
    name, complaint = _find(asked, verbs)
    if complaint:
        return Result(1, out=_USAGE, err=f"ctladm: {complaint}\n")
    if name not in verbs:
        raise Unmodelled(f"the verb {name}")
    if not call.is_root:
        return Result(1, err=msg.CTLADM_OPEN_FAILED.format("Permission denied"))
    accepted, verb = verbs[name]
    try:
        return verb(ctl_part(machine).kernel, _parse(call.args[1:], accepted))
    except Failure as failure:
        return Result(1, err=f"ctladm: {failure}\n")


def _find(asked: str, verbs: dict[str, tuple[str, Verb]]) -> tuple[str, str | None]:
    """Return the verb that ASKED means, or what ctladm complains about."""
    known = sorted(verbs.keys() | _UNMODELLED)
    matches = [name for name in known if name.startswith(asked)]
    if asked in matches or len(matches) == 1:
        return (asked if asked in matches else matches[0]), None
    text = msg.OPTION_AMBIGUOUS if matches else msg.OPTION_NOT_FOUND
    return "", text.format(asked)


def _parse(arguments: list[str], accepted: str) -> Arguments:
    try:
        found, operands = options(arguments, accepted)
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    if operands:
        raise Unmodelled("operands")
    return Arguments(
        frozenset(flag for flag, _ in found),
        dict(found),
        tuple(value for flag, value in found if flag == "o"),
    )
