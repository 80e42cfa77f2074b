"""What any host tells of itself: uname, freebsd-version, hostname, ps, kldstat, kldload; pgrep, pkill."""

from __future__ import annotations

from tests.simulator.ctl.part import ctl_part
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options

_KERNEL_MODULES = frozenset(("cam", "ctl", "cfiscsi", "icl", "zfs", "zfsctrl", "opensolaris"))
_SYSTEM_PROCESSES = (
    (1, "/sbin/init"),
    (689, "/usr/sbin/syslogd -s"),
    (842, "sshd: /usr/sbin/sshd"),
)


@command("uname")
def uname(machine: Machine, call: Call) -> Result:
    """`uname [-aKUimnoprsv]`: the parts in FreeBSD's fixed order."""
    release = machine.release
    version = f"FreeBSD {release.uname_release} releng/{release.name} GENERIC"
    parts = {
        "s": "FreeBSD",
        "n": machine.hostname,
        "r": release.uname_release,
        "v": version,
        "m": "amd64",
        "p": "amd64",
        "i": "GENERIC",
        "K": str(release.osreldate),
        "U": str(release.osreldate),
    }
    try:
        found, operands = options(call.args, "abiKmnoprsUv", modelled="aiKmnoprsUv")
    except BadOption as error:
        return Result(1, err=f"uname: illegal option -- {error.option}\nusage: uname [-abiKmnoprsUv]\n")
    if operands:
        return Result(1, err="usage: uname [-abiKmnoprsUv]\n")
    wanted = {"s" if flag == "o" else flag for flag, _ in found} or {"s"}
    if "a" in wanted:
        wanted = (wanted | set("snrvm")) - {"a"}
    return Result(out=" ".join(text for flag, text in parts.items() if flag in wanted) + "\n")


@command("freebsd-version")
def freebsd_version(machine: Machine, call: Call) -> Result:
    """`freebsd-version [-kru]`: installed kernel, running kernel, userland: all the same here."""
    try:
        found, operands = options(call.args, "hj:kru", modelled="kru")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    if operands:
        raise Unmodelled("operands")
    return Result(out=f"{machine.release.uname_release}\n" * max(1, len({f for f, _ in found})))


@command("hostname")
def hostname(machine: Machine, call: Call) -> Result:
    """`hostname [-s]`: printing only."""
    if call.args not in ([], ["-s"], ["-f"]):
        raise Unmodelled("setting the name")
    name = machine.hostname.split(".")[0] if call.args == ["-s"] else machine.hostname
    return Result(out=f"{name}\n")


@command("kldstat")
def kldstat(_machine: Machine, call: Call) -> Result:
    """`kldstat -q -m MODULE | -q -n FILE`: the status only."""
    try:
        found, operands = options(call.args, "dhi:m:n:qv", modelled="m:n:q")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    values = dict(found)
    name = values.get("m", values.get("n", "").removesuffix(".ko"))
    if operands or "q" not in values or not name:
        raise Unmodelled("listing modules")
    return Result(0 if name in _KERNEL_MODULES else 1)


@command("kldload")
def kldload(_machine: Machine, call: Call) -> Result:
    """`kldload [-n] MODULE ...` of modules that are there already."""
    try:
        found, names = options(call.args, "nqv", modelled="n")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    quiet = any(flag == "n" for flag, _ in found)
    errors = ""
    for name in (n.removesuffix(".ko") for n in names):
        if name not in _KERNEL_MODULES:
            raise Unmodelled(f"the module {name}")
        if not quiet:
            errors += f"kldload: can't load {name}: module already loaded or in kernel\n"
    return Result(1 if errors else 0, err=errors)


@command("pkill")
def pkill(machine: Machine, call: Call) -> Result:
    """`pkill [-HUP|-TERM|-KILL] [-x] ctld`; status 1 when no such process runs."""
    names = {
        "-HUP": "HUP",
        "-1": "HUP",
        "-TERM": "TERM",
        "-15": "TERM",
        "-KILL": "KILL",
        "-9": "KILL",
    }
    arguments = [argument for argument in call.args if argument != "-x"]
    signal = names.get(arguments.pop(0), "") if arguments and arguments[0] in names else "TERM"
    if arguments != ["ctld"] or not call.is_root:
        raise Unmodelled("other processes than ctld")
    part = ctl_part(machine)
    if part.ctld.process is None:
        return Result(1)
    actions = {"HUP": part.hangup, "TERM": part.ctld.terminate, "KILL": part.ctld.kill}
    actions[signal]()
    return Result()


@command("pgrep")
def pgrep(machine: Machine, call: Call) -> Result:
    """
    `pgrep -f -l -L -U UID -F PIDFILE`: the process whose locked pidfile it is, with its arguments (bin/pkill/pkill.c).

    pgrep's own limit of 99999 for a pid is not kept: ctld's are beyond it here.
    """
    try:
        found, operands = options(call.args, "DF:G:ILM:N:P:SU:ac:d:fg:ij:lnoqs:t:u:vx", modelled="F:LU:fl")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    values = dict(found)
    if operands or set(values) != set("FLUfl") or not values["U"].isdigit():
        raise Unmodelled("this selection of processes")
    path, part = values["F"], ctl_part(machine)
    file = part.path(path)
    if not file.exists():
        return Result(3, err=f"pgrep: Cannot open pidfile `{path}': No such file or directory\n")
    if not call.is_root:
        return Result(3, err=f"pgrep: Cannot open pidfile `{path}': Permission denied\n")
    process = part.ctld.process
    if process is None:
        return Result(3, err=f"pgrep: File '{path}' can be locked\n")
    if file.read_text(encoding="utf-8") != str(process.pid):
        raise Unmodelled("another pidfile than ctld's")
    if int(values["U"]) != 0:
        return Result(1)
    return Result(out=f"{process.pid} {' '.join(process.invocation.argv)}\n")


@command("ps")
def ps(machine: Machine, call: Call) -> Result:
    """
    `ps -ax[ww] -o pid= -o args=` and the like.

    In an `-o` list an item with `=` takes all that follows as its header (bin/ps/keyword.c), so
    `-o pid=,args=` is one column headed `,args=`.
    """
    try:
        found, operands = options(call.args, "aCcde::fG:gHhjLlM:mN:O:o:p:rSTt:U:uvwXxZ", modelled="axwo")
    except BadOption as error:
        raise Unmodelled(f"option -{error.option}") from error
    columns = [column for flag, value in found if flag == "o" for column in _columns(value)]
    flags = {flag for flag, _ in found}
    if operands or not columns or not {"a", "x"} <= flags:
        raise Unmodelled("this selection of processes or columns")
    return Result(out=_table(columns, _processes(machine)))


_HEADERS = {"pid": "PID", "args": "COMMAND", "comm": "COMMAND"}


def _columns(text: str) -> list[tuple[str, str]]:
    """Return (keyword, header) of one -o argument."""
    before, equals, header = text.partition("=")
    names = [_keyword(name) for name in before.split(",") if name]
    columns = [(name, _HEADERS[name]) for name in names]
    if equals:
        columns[-1] = (names[-1], header)
    return columns


def _keyword(text: str) -> str:
    keyword = "args" if text == "command" else text
    if keyword not in _HEADERS:
        raise Unmodelled(f"the column {text}")
    return keyword


def _processes(machine: Machine) -> list[dict[str, str]]:
    running = list(_SYSTEM_PROCESSES)
    process = ctl_part(machine).ctld.process
    if process is not None:
        running.append((process.pid, " ".join(process.invocation.argv)))
    return [
        {"pid": str(pid), "args": args, "comm": args.split()[0].rpartition("/")[2].rstrip(":")} for pid, args in running
    ]


def _table(columns: list[tuple[str, str]], rows: list[dict[str, str]]) -> str:
    lines = [[row[keyword] for keyword, _ in columns] for row in rows]
    if any(header for _, header in columns):
        lines.insert(0, [header for _, header in columns])
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    text = ""
    for line in lines:
        cells = [
            cell.rjust(width) if keyword == "pid" else cell.ljust(width)
            for cell, width, (keyword, _) in zip(line, widths, columns, strict=True)
        ]
        text += " ".join(cells).rstrip() + "\n"
    return text
