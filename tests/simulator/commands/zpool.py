"""zpool(8): list, get, status, version. Pools come and go by the simulator's control requests, not by commands."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator.accounting import Accounting
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, Unmodelled, command, options
from tests.simulator.state import Pool
from tests.simulator.zfs.numbers import nice_bytes, nice_number
from tests.simulator.zfs.properties import Property, PropertyTable, properties_of

_LIST_COLUMNS = "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot"
_FIELDS = ("name", "property", "value", "source")
_SIZES = ("size", "allocated", "free", "freeing", "leaked", "bcloneused", "bclonesaved")
_OPTIONAL_SIZES = ("expandsize", "checkpoint")
_PERCENTAGES = ("capacity", "fragmentation")
_RATIOS = ("dedupratio", "bcloneratio")
_STATUS = """  pool: {name}
 state: {state}
{explanation}config:

\t{heading}
\t{pool}
\t{device}
{errors}"""
_NO_ERRORS = "\nerrors: No known data errors\n"
_DAMAGE = "\nerrors: Permanent errors have been detected in the following files:\n\n"
_CORRUPT = """status: One or more devices has experienced an error resulting in data
\tcorruption.  Applications may be affected.
action: Restore the file in question if possible.  Otherwise restore the
\tentire pool from backup.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-8A
"""
_SUSPENDED = """status: One or more devices are faulted in response to IO failures.
action: Make sure the affected devices are connected, then run 'zpool clear'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-HC
"""
_UNAVAILABLE = "errors: List of errors unavailable: pool I/O is currently suspended\n"
_DEGRADED = """status: One or more devices could not be opened.  Sufficient replicas exist for
\tthe pool to continue functioning in a degraded state.
action: Attach the missing device and online it using 'zpool online'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-2Q
"""


class _Failed(Exception):
    """Text on stderr; ``usage`` adds the subcommand's usage and exits 2."""

    def __init__(self, text: str, *, usage: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.usage = usage


class _Pools:
    """What one zpool command sees."""

    def __init__(self, machine: Machine) -> None:
        self.tree = machine.storage.tree
        self.table = properties_of(machine.release, "zpool")
        self.space = Accounting(machine.storage)
        self.version = machine.release.zfs_version

    def chosen(self, names: list[str]) -> tuple[list[Pool], str]:
        """The pools (all when none is named), by name, and the errors of those that are not there."""
        if not names:
            return [self.tree.pools[root.name] for root in self.tree.pool_roots()], ""
        found, errors = [], ""
        for name in names:
            pool = self.tree.pools.get(name)
            if pool is None or not pool.imported:
                errors += f"cannot open '{name}': no such pool\n"
            else:
                found.append(pool)
        return found, errors

    def value(self, pool: Pool, prop: Property, *, literal: bool) -> tuple[str, str]:
        """(value, source) as zpool_get_prop gives them."""
        name = prop.name
        if name in ("name", "health"):
            return pool.name if name == "name" else pool.health, "-"
        if prop.attr == "readonly" or name in _PERCENTAGES:
            return _shown(name, self._number(pool, name), literal=literal), "-"
        if name in pool.properties:
            return pool.properties[name], "local"
        return "-" if name == "version" or prop.default is None else prop.default, "default"

    def _number(self, pool: Pool, name: str) -> int:
        allocated = self.space.allocated[pool.name]
        known = {
            "size": pool.size_bytes,
            "allocated": allocated,
            "free": pool.size_bytes - allocated,
            "capacity": 100 * allocated // pool.size_bytes,
            "guid": pool.guid,
            "load_guid": pool.guid ^ 0x5A5A5A5A,
            "maxblocksize": 16 << 20,
            "maxdnodesize": 16384,
        }
        return known.get(name, 0)


def _shown(name: str, number: int, *, literal: bool) -> str:
    if name in _RATIOS:
        return "1.00" if literal else "1.00x"
    if name in _OPTIONAL_SIZES and not number:
        return "-"
    if literal or name not in (*_SIZES, *_OPTIONAL_SIZES, *_PERCENTAGES):
        return str(number)
    if name in _PERCENTAGES:
        return f"{number}%"
    return nice_bytes(number) if name in _OPTIONAL_SIZES else nice_number(number)


def _columns(table: PropertyTable, text: str) -> list[Property]:
    found = []
    for name in text.split(","):
        prop = table.find(name)
        if prop is None:
            if ":" in name or "@" in name or name == "all":
                raise Unmodelled(f"pool property {name}")
            raise _Failed(f"bad property list: invalid property '{name}'\n", usage=True)
        found.append(prop)
    return found


def _parse(args: list[str], accepted: str, modelled: str) -> tuple[dict[str, str], list[str]]:
    try:
        found, operands = options(args, accepted, modelled=modelled)
    except BadOption as error:
        if error.missing_argument:
            raise _Failed(f"missing argument for '{error.option}' option\n", usage=True) from error
        raise _Failed(f"invalid option '{error.option}'\n", usage=True) from error
    return dict(found), operands


def _list(pools: _Pools, args: list[str]) -> Result:
    given, operands = _parse(args, "gHLo:pPT:v", "Hop")
    columns = _columns(pools.table, given.get("o", _LIST_COLUMNS))
    chosen, errors = pools.chosen(operands)
    rows = [[pools.value(pool, prop, literal="p" in given)[0] for prop in columns] for pool in chosen]
    if "H" in given:
        out = "".join("\t".join(row) + "\n" for row in rows)
    elif not rows:
        out = "" if operands else "no pools available\n"
    else:
        out = _table(columns, [[prop.column for prop in columns], *rows])
    return Result(int(bool(errors)), out, errors)


def _table(columns: list[Property], rows: list[list[str]]) -> str:
    widths = []
    for position, prop in enumerate(columns):
        least = 8 if prop.name == "health" else max(5, len(prop.column)) if prop.kind == "number" else 0
        widths.append(max([least, *(len(row[position]) for row in rows)]))
    return "".join(_line(columns, row, widths) for row in rows)


def _line(columns: list[Property], row: list[str], widths: list[int]) -> str:
    cells = []
    for position, (prop, text, width) in enumerate(zip(columns, row, widths, strict=True)):
        if prop.kind == "number":
            cells.append(text.rjust(width))
        else:
            cells.append(text if position == len(columns) - 1 else text.ljust(width))
    return "  ".join(cells) + "\n"


def _get(pools: _Pools, args: list[str]) -> Result:
    given, operands = _parse(args, "Hpo:", "Hpo")
    if not operands:
        raise _Failed("missing property argument\n", usage=True)
    fields = list(_FIELDS) if given.get("o", "all") == "all" else given["o"].split(",")
    for field in fields:
        if field not in _FIELDS:
            raise _Failed(f"invalid column name '{field}'\n", usage=True)
    names = operands[1:]
    chosen, errors = pools.chosen(names)
    if errors:
        return Result(1, err=f"Cannot get properties of {names[0]}: no such pool available.\n")
    columns = _columns(pools.table, operands[0])
    rows = []
    for pool in chosen:
        for prop in columns:
            value, source = pools.value(pool, prop, literal="p" in given)
            cells = {"name": pool.name, "property": prop.name, "value": value, "source": source}
            rows.append([cells[field] for field in fields])
    if "H" in given:
        return Result(out="".join("\t".join(row) + "\n" for row in rows))
    table = [[field.upper() for field in fields], *rows]
    widths = [max(len(row[position]) for row in table) for position in range(len(fields))]
    lines = ["  ".join([*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=False)), row[-1]]) for row in table]
    return Result(out="".join(line + "\n" for line in lines))


def _status(pools: _Pools, args: list[str]) -> Result:
    given, operands = _parse(args, "c:DegiLpPstT:vx", "pPvx")
    chosen, errors = pools.chosen(operands)
    out = []
    for pool in chosen:
        if "x" in given and pool.health == "ONLINE" and not pool.damaged:
            out += [f"pool '{pool.name}' is healthy\n"] if operands else []
            continue
        out.append(_describe(pool, verbose="v" in given))
        errors += _UNAVAILABLE if pool.health == "SUSPENDED" else ""
    if "x" in given and not operands and not out:
        out.append("all pools are healthy\n" if chosen else "no pools available\n")
    elif not chosen and not operands:
        out.append("no pools available\n")
    return Result(int(len(chosen) < len(operands)), "\n".join(out), errors)


def _describe(pool: Pool, *, verbose: bool) -> str:
    width = max(10, len(pool.name))

    def row(name: str, state: str, *counts: str) -> str:
        return f"{name:<{width}s}  {state:<8s} {counts[0]:>5s} {counts[1]:>5s} {counts[2]:>5s}"

    suspended = pool.health == "SUSPENDED"
    return _STATUS.format(
        name=pool.name,
        state=pool.health,
        explanation=_explanation(pool),
        heading=row("NAME", "STATE", "READ", "WRITE", "CKSUM"),
        pool=f"{row(pool.name, 'UNAVAIL', '0', '0', '0')}  insufficient replicas"
        if suspended
        else row(pool.name, pool.health, "0", "0", "0"),
        device=f"{row('  ada1', 'FAULTED', '3', '3', '0')}  too many errors"
        if suspended
        else row("  ada1", "ONLINE", "0", "0", "0"),
        errors=_errors(pool, verbose=verbose),
    )


def _explanation(pool: Pool) -> str:
    """The first that applies, in the order in which zpool_get_status asks."""
    if pool.health == "SUSPENDED":
        return _SUSPENDED
    if pool.damaged:
        return _CORRUPT
    return _DEGRADED if pool.health == "DEGRADED" else ""


def _errors(pool: Pool, *, verbose: bool) -> str:
    if pool.health == "SUSPENDED":
        if not verbose:
            raise Unmodelled("how many errors a suspended pool counts")
        return "\n"
    if not pool.damaged:
        return _NO_ERRORS
    if not verbose:
        return f"\nerrors: {len(pool.damaged)} data errors, use '-v' for a list\n"
    return _DAMAGE + "".join(f"{'':7s} {path}\n" for path in pool.damaged)


def _version(pools: _Pools, args: list[str]) -> Result:
    if args:
        raise Unmodelled(f"version {' '.join(args)}")
    return Result(out=f"zfs-{pools.version}\nzfs-kmod-{pools.version}\n")


_SUBCOMMANDS: dict[str, Callable[[_Pools, list[str]], Result]] = {
    "get": _get,
    "list": _list,
    "status": _status,
    "version": _version,
}


@command("zpool")
def zpool(machine: Machine, call: Call) -> Result:
    pools = _Pools(machine)
    if not call.args:
        return Result(2, err="missing command\n" + _usage(pools.table, None))
    name, args = call.args[0], call.args[1:]
    if name not in {entry[0] for entry in pools.table.usage if entry}:
        return Result(2, err=f"unrecognized command '{name}'\n" + _usage(pools.table, None))
    if name not in _SUBCOMMANDS:
        raise Unmodelled(f"subcommand {name}")
    try:
        return _SUBCOMMANDS[name](pools, args)
    except _Failed as error:
        return Result(2 if error.usage else 1, err=error.text + (_usage(pools.table, name) if error.usage else ""))


def _usage(table: PropertyTable, name: str | None) -> str:
    if name is None:
        listing = "".join(entry[1] if entry else "\n" for entry in table.usage)
        return (
            f"usage: zpool command args ...\nwhere 'command' is one of the following:\n\n{listing}"
            "\nFor further help on a command or topic, run: zpool help [<topic>]\n"
        )
    text = next(entry[1] for entry in table.usage if entry and entry[0] == name)
    if name not in ("set", "get", "list"):
        return f"usage:\n{text}"
    lines = ["", "the following properties are supported:", "", f"\t{'PROPERTY':<19s}  EDIT   VALUES", ""]
    ordered = sorted(table.visible(), key=lambda prop: (prop.attr != "readonly", prop.name))
    lines += [f"\t{p.name:<19s}  {' NO' if p.attr == 'readonly' else 'YES'}   {p.values or '-'}" for p in ordered]
    lines.append(f"\t{'feature@...':<19s}   YES   disabled | enabled | active")
    note = "\nThe feature@ properties must be appended with a feature name.\nSee zpool-features(7).\n"
    return f"usage:\n{text}" + "\n".join(lines) + "\n" + note
