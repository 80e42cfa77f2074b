"""The classic grammar of ctl.conf(5): what ctld refuses, in which words, and what it only warns of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.ctl.load import Loaded, load
from tests.simulator.registry import Unmodelled
from tests.unit.simulator_ctl.host import PREFIX

T = f'target "{PREFIX}x"'
NAME = f'target "{PREFIX}x"'
LUN = 'lun "v" { path /dev/zvol/tank/v }\n'
AG = "auth-group ag { auth-type none }\n"
PG = "portal-group pg { listen 192.0.2.1 }\n"
S12 = "secretsecret"


def read(tmp_path: Path, text: str | bytes, *, mode: int = 0o600, release: str = "14.3") -> Loaded:
    path = tmp_path / "ctl.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return load("/etc/ctl.conf", release=release, resolve=lambda _path: path)


def syntax(line: int, near: str, what: str = "syntax error") -> str:
    return f"error in configuration file at line {line} near '{near}': {what}"


SYNTAX = [
    ("unknown word", "nonsense\n", syntax(1, "nonsense")),
    ("value missing", "\n\nlun x {\n  path }\n", syntax(4, "}")),
    ("block not closed", "lun x {\n  path /a\n", syntax(3, "")),
    ("block not opened", "lun x\npath /a\n", syntax(2, "path")),
    ("two semicolons", "debug 1;;\n", syntax(1, ";")),
    ("keyword as a name", "lun size { path /a }\n", syntax(1, "size")),
    ("keyword as a value", "lun x { path target }\n", syntax(1, "target")),
    ("comment without newline", LUN + "# last", syntax(2, "#")),
    ("empty string is two quotes", 'lun "" {\n', syntax(1, '"')),
    ("quoted newlines are not counted", 'lun "a\nb" { bad }\n', syntax(1, "bad")),
    ("stray equals sign", "debug = 1\n", syntax(1, "=", "invalid numeric value")),
    ("bad number", "timeout 5x\n", syntax(1, "5x", "invalid numeric value")),
    ("octal that is none", "timeout 08\n", syntax(1, "08", "invalid numeric value")),
    ("number too large", "timeout 99999999999999999999\n", None),
    ("overflow by suffix", "lun x { size 16777216T }\n", None),
    ("bad number in quotes", 'maxproc "a b"\n', syntax(1, '"a b"', "invalid numeric value")),
    (
        "inline lun's number is told late",
        f"{NAME} {{ lun 0x {{\n",
        syntax(1, "{", "invalid numeric value"),
    ),
    (
        "named lun's number is told at its name",
        LUN + f'{NAME} {{\nlun z "v" }}\n',
        syntax(3, '"v"', "invalid numeric value"),
    ),
    ("auth-type chap wants quotes", "auth-group a { auth-type chap }\n", syntax(1, "chap")),
    ("entry of another block", f"{NAME} {{ listen 1.2.3.4 }}\n", syntax(1, "listen")),
    ("keyword of dscp elsewhere", "lun be { path /a }\n", syntax(1, "be")),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in SYNTAX], ids=[c[0] for c in SYNTAX])
def test_syntax_errors_name_line_and_token(tmp_path: Path, text: str, message: str | None) -> None:
    loaded = read(tmp_path, text)
    assert loaded.config is None
    assert len(loaded.messages) == 1
    if message is None:
        assert loaded.messages[0].endswith(": invalid numeric value")
    else:
        assert loaded.messages == (message,)


REFUSED = [
    ("pidfile /a pidfile /b", "pidfile specified more than once"),
    ("isns-server nowhere", "invalid iSNS address nowhere"),
    (AG + "auth-group ag { }", 'duplicated auth-group "ag"'),
    ("auth-group default { } auth-group default { }", 'duplicated auth-group "default"'),
    ("auth-group no-access { }", 'duplicated auth-group "no-access"'),
    ("auth-group a { auth-type open }", 'invalid auth-type "open" for auth-group "a"'),
    (
        'auth-group a { auth-type none; auth-type "chap" }',
        'cannot set auth-type to "chap" for auth-group "a"; already has a different type',
    ),
    (
        f"auth-group a {{ chap-mutual u {S12} m {S12} chap u2 {S12} }}",
        'cannot mix "chap" authentication with other types for auth-group "a"',
    ),
    (
        f"auth-group a {{ chap u {S12} chap-mutual u2 {S12} m {S12} }}",
        'cannot mix "chap-mutual" authentication with other types for auth-group "a"',
    ),
    (
        f"auth-group a {{ chap u {S12} chap u {S12} }}",
        'duplicate credentials for user "u" for auth-group "a"',
    ),
    (
        "auth-group a { initiator-portal 10.0.0.0/33 }",
        'invalid initiator portal "10.0.0.0/33" for auth-group "a"',
    ),
    (PG + "portal-group pg { }", 'duplicated portal-group "pg"'),
    (
        "portal-group default { } portal-group default { }",
        'duplicated portal-group "default"',
    ),
    ("portal-group p { listen example }", "invalid listen address example"),
    ("portal-group p { listen 10.0.0.1:99999 }", "invalid listen address 10.0.0.1:99999"),
    ("portal-group p { listen [::1 }", "invalid listen address [::1"),
    (
        "portal-group p { discovery-auth-group x }",
        'unknown discovery-auth-group "x" for portal-group "p"',
    ),
    (
        AG + "portal-group p { discovery-auth-group ag; discovery-auth-group ag }",
        'discovery-auth-group for portal-group "p" specified more than once',
    ),
    (
        "portal-group p { discovery-filter all }",
        (
            'invalid discovery-filter "all" for portal-group "p"; valid values are "none", "portal", '
            '"portal-name", and "portal-name-auth"'
        ),
    ),
    (
        "portal-group p { discovery-filter none; discovery-filter portal }",
        'cannot set discovery-filter to "portal" for portal-group "p"; already has a different value',
    ),
    (
        "portal-group p { offload a; offload b }",
        'cannot set offload to "b" for portal-group "p"; already defined',
    ),
    (
        "portal-group p { redirect a; redirect b }",
        'cannot set redirection to "b" for portal-group "p"; already defined',
    ),
    ("portal-group p { dscp 64 }", 'invalid DSCP value 64 for portal-group "p"'),
    ("portal-group p { pcp 8 }", 'invalid PCP value 8 for portal-group "p"'),
    ("portal-group p { option a b option a c }", 'duplicated option "a"'),
    (f"{NAME} {{ }} {NAME} {{ }}", f'duplicated target "{PREFIX}x"'),
    (f"{NAME} {{ }} {NAME.upper().replace('TARGET', 'target')} {{ }}", None),
    (f'target "{"iqn." + "a" * 219}" {{ }}', None),
    (f"{NAME} {{ alias a alias b }}", f"alias for {T} specified more than once"),
    (f"{NAME} {{ auth-group x }}", f'unknown auth-group "x" for {T}'),
    (
        AG + f"{NAME} {{ auth-group ag auth-group ag }}",
        f"auth-group for {T} specified more than once",
    ),
    (
        AG + f"{NAME} {{ auth-type none auth-group ag }}",
        f"cannot use both auth-group and explicit authorisations for {T}",
    ),
    *(
        (
            AG + f"{NAME} {{ auth-group ag {entry} }}",
            f"cannot use both auth-group and {entry.split()[0]} for {T}",
        )
        for entry in (
            "auth-type none",
            f"chap u {S12}",
            f"chap-mutual u {S12} m {S12}",
            "initiator-name n",
            "initiator-portal 10.0.0.1",
        )
    ),
    (f"{NAME} {{ portal-group x }}", f'unknown portal-group "x" for {T}'),
    (PG + f"{NAME} {{ portal-group pg x }}", f'unknown auth-group "x" for {T}'),
    (f"{NAME} {{ redirect a redirect b }}", None),
    (f"{NAME} {{ port a port b }}", f"cannot set multiple physical ports for {T}"),
    (LUN + f"{NAME} {{ lun 1024 v }}", f"LUN 1024 too big for {T}"),
    (f"{NAME} {{ lun 1K {{ path /a }} }}", f"LUN 1024 too big for {T}"),
    (LUN + f"{NAME} {{ lun 0 v lun 0 v }}", f"duplicate LUN 0 for {T}"),
    (f"{NAME} {{ lun 0 v }}", f"unknown LUN named v used for {T}"),
    (LUN + LUN, 'duplicated lun "v"'),
    ("lun v { backend block; backend block }", 'backend for lun "v" specified more than once'),
    ("lun v { path /a; path /a }", 'path for lun "v" specified more than once'),
    ("lun v { serial a; serial a }", 'serial for lun "v" specified more than once'),
    ("lun v { device-id a; device-id a }", 'device_id for lun "v" specified more than once'),
    ("lun v { ctl-lun 1; ctl-lun 1 }", 'ctl_lun for lun "v" specified more than once'),
    ("lun v { blocksize 512; blocksize 512 }", 'blocksize for lun "v" specified more than once'),
    ("lun v { size 1G; size 1G }", 'size for lun "v" specified more than once'),
    ("lun v { option a b; option a b }", 'duplicated option "a"'),
    ("lun v { device-type tape }", 'invalid device-type "tape" for lun "v"'),
    ("lun v { device-type 16 }", 'invalid device-type "16" for lun "v"'),
    ("lun v { }", 'missing path for lun "v"'),
    ("lun v { backend ramdisk }", 'missing size for ramdisk-backed lun "v"'),
    (
        "lun v { backend ramdisk; size 1M; path /a }",
        'path must not be specified for ramdisk-backed lun "v"',
    ),
    (
        "lun v { path /a; blocksize 4294967295 }",
        'invalid blocksize -1 for lun "v"; must be larger than 0',
    ),
    ("lun v { path /a; size 1000 }", 'invalid size for lun "v"; must be multiple of blocksize'),
]


# What FreeBSD 14 says of the same texts; None: it takes them.
OTHERWISE_ON_14: dict[str, str | None] = {
    f"auth-group a {{ chap u {S12} chap u {S12} }}": None,
    "auth-group a { initiator-portal 10.0.0.0/33 }": 'incorrect initiator portal "10.0.0.0/33"',
    "portal-group p { dscp 64 }": syntax(1, "64", "invalid dscp value"),
    "portal-group p { pcp 8 }": syntax(1, "8", "invalid pcp value"),
    LUN + f"{NAME} {{ lun 1024 v }}": syntax(2, "v", "LU number is too big"),
    f"{NAME} {{ lun 1K {{ path /a }} }}": syntax(1, "{", "LU number is too big"),
    LUN + f"{NAME} {{ lun 0 v lun 0 v }}": None,
    "lun v { device-type tape }": syntax(1, "tape", "invalid numeric value"),
    "lun v { device-type 16 }": syntax(1, "16", "invalid numeric value"),
    "lun v { path /a; blocksize 4294967295 }": 'invalid blocksize for lun "v"; must be larger than 0',
    f'target "{"iqn." + "a" * 219}" {{ }}': f'target name "{"iqn." + "a" * 219}" is invalid',
    f"{NAME} {{ lun 0 v }}": None,
}


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_semantic_refusals(tmp_path: Path, text: str, message: str | None) -> None:
    loaded = read(tmp_path, text + "\n", release="15.0")
    assert loaded.config is None
    if message is not None:
        assert loaded.messages[-1] == message
    if text not in OTHERWISE_ON_14:
        assert read(tmp_path, text + "\n", release="14.3") == loaded


@pytest.mark.parametrize(("text", "message"), OTHERWISE_ON_14.items())
def test_what_freebsd_14_checks_otherwise(tmp_path: Path, text: str, message: str | None) -> None:
    assert text in dict(REFUSED)
    loaded = read(tmp_path, text + "\n", release="14.3")
    if message is not None:
        assert loaded.config is None
        assert loaded.messages[-1] == message


def test_freebsd_14_refuses_an_unknown_lun_without_a_word(tmp_path: Path) -> None:
    assert read(tmp_path, f"{NAME} {{ lun 0 v }}\n") == Loaded(None, ())


def test_freebsd_14_believes_the_first_secret_and_the_last_lun(tmp_path: Path) -> None:
    chap = read(tmp_path, f"auth-group a {{ chap u {S12} chap u {S12[::-1]} }}\n")
    assert chap.config is not None
    assert chap.config.auth_groups["a"].users["u"].secret == S12
    luns = read(tmp_path, LUN + LUN.replace("v", "w") + f"{NAME} {{ lun 0 v lun 0 w }}\n")
    assert luns.config is not None
    assert luns.config.targets[f"{PREFIX}x"].luns[0].name == "w"


def test_a_port_can_be_linked_once(tmp_path: Path) -> None:
    loaded = read(tmp_path, PG + f"{NAME} {{ portal-group pg portal-group pg }}\n")
    assert loaded.messages == (
        f'duplicate port "pg-{PREFIX}x"',
        f'can\'t link portal-group "pg" to {T}',
    )


def test_names_of_targets_are_compared_without_case(tmp_path: Path) -> None:
    upper = f'target "{PREFIX}X"'
    assert read(tmp_path, f"{NAME} {{ }}\n{upper} {{ }}\n").messages == (f"duplicated {upper}",)


def test_a_target_name_has_at_most_222_bytes(tmp_path: Path) -> None:
    name = "iqn." + "a" * 219
    assert read(tmp_path, f'target "{name}" {{ }}\n', release="15.0").messages == (
        f'overlong name for target "{name}"; max length allowed by iSCSI specification is 223 characters',
    )
    assert read(tmp_path, f'target "{name[:-1]}" {{ }}\n').config is not None


WARNED = [
    (
        f"{AG}{NAME} {{ auth-group ag }}",
        [f"no LUNs defined for {T}"],
    ),
    (LUN + AG + f"{NAME} {{ lun 0 v }}", ['auth-group "ag" not assigned to any target']),
    (PG, ['portal-group "pg" not assigned to any target']),
    (AG + "portal-group default { discovery-auth-group ag }", []),
    (LUN + PG + AG + f"{NAME} {{ lun 0 v portal-group pg ag }}", []),
    (f"{NAME} {{ redirect 192.0.2.9 }}", []),
    (
        "auth-group a { chap u short }",
        [
            'secret for user "u", auth-group "a", is too short; it should be at least 12 characters long',
            'auth-group "a" not assigned to any target',
        ],
    ),
    (
        LUN + f"{NAME} {{ lun 0 v chap-mutual u {S12} m {'x' * 17} }}",
        [
            f'mutual secret for user "u", {T}, is too long; it should be at most 16 characters long',
        ],
    ),
    (
        LUN + 'target "iqn.a_b" { lun 0 v }',
        [
            (
                'invalid character "_" in target name "iqn.a_b"; allowed characters are letters, '
                "digits, '-', '.', and ':'"
            )
        ],
    ),
    (
        LUN + 'target "disk" { lun 0 v }',
        ['invalid target name "disk"; should start with either "iqn.", "eui.", or "naa."'],
    ),
    (
        LUN + 'target "eui.0" { lun 0 v }',
        ['invalid target name "eui.0"; the "eui." should be followed by exactly 16 hexadecimal digits'],
    ),
    (LUN + 'lun "w" { path /dev/zvol/tank/v }', []),
]


@pytest.mark.parametrize(("text", "messages"), WARNED)
def test_warnings_do_not_refuse_the_file(tmp_path: Path, text: str, messages: list[str]) -> None:
    loaded = read(tmp_path, text + "\n")
    assert loaded.config is not None
    assert list(loaded.messages) == messages


@pytest.mark.parametrize(
    ("mode", "word"),
    [(0o602, "writable"), (0o666, "writable"), (0o644, "readable"), (0o601, "executable")],
)
def test_permissions_for_the_world_are_warned_of(tmp_path: Path, mode: int, word: str) -> None:
    assert read(tmp_path, LUN, mode=mode).messages == (f"/etc/ctl.conf is world-{word}",)


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    loaded = read(tmp_path, "")
    assert loaded == Loaded(loaded.config, ())
    assert loaded.config is not None
    assert loaded.config.auth_groups["default"].type == "deny"


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        f"""debug 1; timeout 30; maxproc 0x10 pidfile "/var/run/x.pid"
isns-server 192.0.2.7:3205 isns-period 100; isns-timeout 1
auth-group "a b" {{ auth-type "chap"; chap "u 1" "{S12}"; initiator-portal [2001:db8::]/32 }}
portal-group pg {{
  discovery-auth-group no-access; discovery-filter portal-name-auth
  listen 192.0.2.1; listen [2001:db8::1]:3261; listen-iser 192.0.2.1
  option "a" "b"; tag 300; foreign; dscp af21; pcp 3; offload x; redirect 192.0.2.2
}}
lun "v" {{
  backend block; path "/dev/zvol/tank/v"; blocksize 4K; size 1M; serial "s"; device-id "d"
  device-type cdrom; ctl-lun 7; option naa 0x1
}} ;
{NAME} {{ alias "x" auth-group "a b" portal-group pg no-access lun 0 "v" lun 5 {{ path /b }} }}
""",
    )
    assert loaded.messages == ()
    config = loaded.config
    assert config is not None
    assert (config.debug, config.timeout, config.maxproc) == (1, 30, 16)
    group, lun = config.portal_groups["pg"], config.luns["v"]
    assert [(p.host, p.port) for p in group.portals] == [
        ("192.0.2.1", 3260),
        ("2001:db8::1", 3261),
        ("192.0.2.1", 3260),
    ]
    assert (group.tag, group.dscp, group.pcp, group.foreign) == (300, 18, 3, True)
    assert (lun.blocksize, lun.size, lun.device_type, lun.ctl_lun) == (4096, 1 << 20, 5, 7)
    target = config.targets[f"{PREFIX}x"]
    assert {n: lun.name for n, lun in target.luns.items()} == {0: "v", 5: f"{PREFIX}x,lun,5"}


def test_carriage_returns_before_newlines_are_blank(tmp_path: Path) -> None:
    assert read(tmp_path, "debug 1\r\n# note\r\nbad\r\n").messages == (syntax(3, "bad"),)


def test_quoted_strings_may_hold_any_utf8(tmp_path: Path) -> None:
    loaded = read(tmp_path, 'lun "é 🐡" { path "/a b" }\n')
    assert loaded.config is not None
    assert list(loaded.config.luns) == ["é 🐡"]


@pytest.mark.parametrize("text", ["controller x { }\n", "transport-group t { }\n"])
def test_nvme_blocks_of_15_are_never_guessed_at(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unmodelled):
        read(tmp_path, text, release="15.0")
    assert read(tmp_path, text).messages == (syntax(1, text.split(maxsplit=1)[0]),)
