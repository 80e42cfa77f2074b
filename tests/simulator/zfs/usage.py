"""Usage texts: of one subcommand, or of zfs itself."""

from __future__ import annotations

from tests.simulator.zfs.properties import Property, PropertyTable

_WITH_PROPERTIES = ("set", "get", "inherit", "list")
_EXTRA = (
    *(f"{who}{what}used@..." for what in ("", "obj") for who in ("user", "group", "project")),
    *(f"{who}{what}quota@..." for what in ("", "obj") for who in ("user", "group", "project")),
)
_SIZES = """
Sizes are specified in bytes with standard units such as K, M, G, etc.

User-defined properties can be specified by using a name containing a colon (:).

The {user|group|project}[obj]{used|quota}@ properties must be appended with
a user|group|project specifier of one of these forms:
    POSIX name      (eg: "matt")
    POSIX id        (eg: "126829")
    SMB name@domain (eg: "matt@sun")
    SMB SID         (eg: "S-1-234-567-89")
"""
_HINTS = """
For the property list, run: zfs set|get

For the delegated permission list, run: zfs allow|unallow

For further help on a command or topic, run: zfs help [<topic>]
"""


def usage_text(table: PropertyTable, subcommand: str | None) -> str:
    """What ``usage()`` in zfs_main.c prints for this subcommand (None: no command was recognised)."""
    if subcommand is None:
        listing = "".join(entry[1] if entry else "\n" for entry in table.usage)
        head = f"usage: zfs command args ...\nwhere 'command' is one of the following:\n\n{listing}"
        return f"{head}\nEach dataset is of the form: pool/[dataset/]*dataset[@name]\n{_HINTS}"
    text = next(entry[1] for entry in table.usage if entry and entry[0] == subcommand)
    if subcommand not in _WITH_PROPERTIES:
        return f"usage:\n{text}{_HINTS}"
    return f"usage:\n{text}{_property_list(table)}{_SIZES}"


def _property_list(table: PropertyTable) -> str:
    lines = ["", "The following properties are supported:", "", f"\t{'PROPERTY':<21s} EDIT  INHERIT   VALUES", ""]
    ordered = sorted(table.visible(), key=lambda prop: (not (prop.readonly and not prop.set_once), prop.name))
    lines += [_property_line(prop) for prop in ordered]
    for name in _EXTRA:
        editable = "YES" if "quota" in name else " NO"
        lines.append(f"\t{name:<22s} {editable}       NO   <size>{' | none' if 'quota' in name else ''}")
    lines += [f"\t{name:<22s}  NO       NO   <size>" for name in ("written@<snap>", "written#<bookmark>")]
    return "\n".join(lines) + "\n"


def _property_line(prop: Property) -> str:
    edit = " NO    " if prop.readonly else "YES    "
    inherit = "  YES   " if prop.inheritable else "   NO   "
    return f"\t{prop.name:<15s} {edit}{inherit}{prop.values or '-'}"
