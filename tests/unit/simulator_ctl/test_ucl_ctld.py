"""What ctld makes of a file in UCL: what it refuses, what it only mentions, what it does not notice at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.simulator.ctl.config import Config
from tests.simulator.ctl.load import Loaded, load
from tests.simulator.registry import Unmodelled
from tests.unit.simulator_ctl.host import PREFIX

T = f"{PREFIX}x"
OTHER = f"{PREFIX}other"
S12 = "secretsecret"
LUN = "lun { v { path = /dev/zvol/tank/v } }\n"
LUNS = "lun { v { path = /v }; w { path = /w } }\n"
AG = "auth-group { ag { auth-type = none } }\n"
PG = "portal-group { pg { listen = 192.0.2.1 } }\n"
BOTH = ("14.3", "15.0")


def read(tmp_path: Path, text: str, *, release: str, mode: int = 0o600, **others: str) -> Loaded:
    """Read TEXT as /etc/ctl.conf of a host that has the files OTHERS too (`b` is /etc/b.conf)."""
    for name, content in {"ctl": text, **others}.items():
        path = tmp_path / f"{name}.conf"
        path.write_text(content)
        path.chmod(mode if name == "ctl" else 0o666)
    return load("/etc/ctl.conf", release=release, ucl=True, resolve=lambda path: tmp_path / Path(path).name)


def same(one: Loaded, other: Loaded) -> bool:
    """Tell whether two files say the same (a target and its ports name each other, so == would not end)."""
    return repr(one) == repr(other)


def config_of(loaded: Loaded) -> Config:
    assert loaded.config is not None, loaded.messages
    return loaded.config


def configs(tmp_path: Path, text: str, b: str = "") -> tuple[Config, Config]:
    """Return what 14 and what 15 make of TEXT; B is what /etc/b.conf holds."""
    old, new = (config_of(read(tmp_path, text, release=release, b=b)) for release in BOTH)
    return old, new


def target(body: str, *before: str) -> str:
    return "".join(before) + f'target "{T}" {{ {body} }}\n'


def group(entries: str) -> str:
    return f"portal-group {{ pg {{ {entries} }} }}\n"


def auth(entries: str) -> str:
    return f"auth-group {{ ag {{ {entries} }} }}\n"


FULL = target('auth-group = ag; portal-group { name = pg }; lun = [{number = 0, name = "v"}]', AG, PG, LUN)
UNUSED_PG = 'portal-group "pg" not assigned to any target'
UNUSED_AG = 'auth-group "ag" not assigned to any target'
NO_LUNS = f'no LUNs defined for target "{T}"'


@pytest.mark.parametrize("release", BOTH)
def test_the_form_that_is_right_everywhere(tmp_path: Path, release: str) -> None:
    loaded = read(tmp_path, FULL, release=release)
    assert loaded.messages == ()
    made = config_of(loaded).targets[T]
    assert made.auth_group is not None
    assert made.auth_group.name == "ag"
    assert [port.portal_group.name for port in made.ports] == ["pg"]
    assert {number: lun.name for number, lun in made.luns.items()} == {0: "v"}


# --- what 14 takes and only mentions, and 15 refuses ---


def missing(section: str, where: str, key: str) -> str:
    return f'{section} section in {where} is missing "{key}" string key'


def not_string(key: str, where: str = 'portal-group "pg"') -> str:
    return f'"{key}" property of {where} is not a string'


INSIDE_SECTIONS = [
    ("unknown auth-group", target("auth-group = ag"), f'unknown auth-group "ag" for target "{T}"'),
    ("unknown portal-group", target("portal-group { name = pg }"), f'unknown portal-group "pg" for target "{T}"'),
    (
        "auth-group of a port",
        target("portal-group { name = pg, auth-group-name = ag }", PG),
        f'unknown auth-group "ag" for target "{T}"',
    ),
    ("portal-group without name", target("portal-group { x = 1 }"), missing("portal-group", f'target "{T}"', "name")),
    ("alias", target("alias = 5"), not_string("alias", f'target "{T}"')),
    ("redirect", target("redirect = 5"), not_string("redirect", f'target "{T}"')),
    (
        "lun without number",
        target("lun = [{name = v}]", LUN),
        f'lun section in target "{T}" is missing "number" integer property',
    ),
    ("auth-type", auth("auth-type = open"), 'invalid auth-type "open" for auth-group "ag"'),
    ("predefined group", "auth-group { no-access { } }", 'duplicated auth-group "no-access"'),
    ("chap", auth("chap = [{ secret = x }]"), missing("chap", 'auth-group "ag"', "user")),
    ("mutual chap", auth("chap-mutual = [{ user = x }]"), missing("chap-mutual", 'auth-group "ag"', "secret")),
    ("listen", group("listen = 3260"), not_string("listen")),
    ("listen-iser", group("listen-iser { }"), not_string("listen")),
    ("address", group("listen = nowhere"), "invalid listen address nowhere"),
    ("filter", group("discovery-filter = 1"), not_string("discovery-filter")),
    ("redirection", group("redirect = 1"), not_string("listen")),
    ("group's options", group("options = x"), '"options" property of portal group "pg" is not an object'),
    ("pcp", group("pcp = high"), '"pcp" property of portal group "pg" is not an integer'),
    ("dscp", group("dscp = [1]"), '"dscp" property of portal group "pg" is not a string or integer'),
    (
        "discovery group",
        group("discovery-auth-group = ag"),
        'unknown discovery-auth-group "ag" for portal-group "pg"',
    ),
]


@pytest.mark.parametrize(("text", "message"), [c[1:] for c in INSIDE_SECTIONS], ids=[c[0] for c in INSIDE_SECTIONS])
def test_what_is_wrong_inside_a_section_stops_15_and_not_14(tmp_path: Path, text: str, message: str) -> None:
    assert read(tmp_path, text, release="15.0") == Loaded(None, (message,))
    loaded = read(tmp_path, text, release="14.3")
    assert loaded.config is not None
    assert loaded.messages[0] == message


def test_on_14_a_target_whose_portal_group_is_unknown_appears_everywhere(tmp_path: Path) -> None:
    text = target('auth-group = ag; portal-group { name = pgg }; lun = [{number = 0, name = "v"}]', AG, PG, LUN)
    loaded = read(tmp_path, text, release="14.3")
    assert loaded.messages == (f'unknown portal-group "pgg" for target "{T}"', NO_LUNS, UNUSED_PG)
    assert [port.portal_group.name for port in config_of(loaded).targets[T].ports] == ["default"]


# --- wrong types, told in both releases ---

LUN_TYPES = [
    ("blocksize = big", '"blocksize" property of lun "v" is not an integer'),
    ("blocksize = 512.5", '"blocksize" property of lun "v" is not an integer'),
    ("size = 1t", '"size" property of lun "v" is not an integer'),
    ("serial = 12345", '"serial" property of lun "v" is not a string'),
    ("backend = on", '"backend" property of lun "v" is not a string'),
    ("device-id = 1", '"device-id" property of lun "v" is not an integer'),
    ("options = x", '"options" property of lun "v" is not an object'),
]


@pytest.mark.parametrize(("entry", "message"), LUN_TYPES)
def test_wrong_types_of_a_luns_properties(tmp_path: Path, entry: str, message: str) -> None:
    text = f"lun {{ v {{ path = /a; {entry} }} }}\n"
    assert read(tmp_path, text, release="15.0") == Loaded(None, (message,))
    loaded = read(tmp_path, text, release="14.3")
    assert loaded.messages == (message,)
    assert config_of(loaded).luns["v"].path == "/a"


SECTIONS = ("auth-group", "portal-group", "lun", "target")
SECTION_TYPES = [
    *((f"{name} = x", f'"{name}" section is not an object') for name in SECTIONS),
    ("lun = [{path = /a}]", '"lun" section is not an object'),
    ("debug = high", '"debug" property value is not integer'),
    ("timeout = 5s", '"timeout" property value is not integer'),
    ("maxproc = [1]", '"maxproc" property value is not integer'),
    ("isns-period = x", '"isns-period" property value is not integer'),
    ("isns-timeout = x", '"isns-timeout" property value is not integer'),
    ("pidfile = 1", '"pidfile" property value is not string'),
    ("isns-server = 192.0.2.7", '"isns-server" property value is not an array'),
    ("isns-server = [nowhere]", "invalid iSNS address nowhere"),
    ("lun { v { } }", 'missing path for lun "v"'),
    ("lun { v { path = /a; size = 1000 } }", 'invalid size for lun "v"; must be multiple of blocksize'),
    ("lun { v { backend = ramdisk } }", 'missing size for ramdisk-backed lun "v"'),
]


@pytest.mark.parametrize("release", BOTH)
@pytest.mark.parametrize(("text", "message"), SECTION_TYPES)
def test_what_refuses_the_file_in_both_releases(tmp_path: Path, release: str, text: str, message: str) -> None:
    assert read(tmp_path, text, release=release) == Loaded(None, (message,))


@pytest.mark.parametrize("release", BOTH)
def test_an_isns_server_that_is_no_string_refuses_the_file_without_a_word(tmp_path: Path, release: str) -> None:
    assert read(tmp_path, "isns-server = [5]", release=release) == Loaded(None, ())


# --- arrays and scalars ---

ARRAYS_14 = [
    ("initiator-name", '"iqn.a"', "string"),
    ("initiator-portal", "192.0.2.0/24", "string"),
    ("chap", f"{{ user = u, secret = {S12} }}", "object"),
    ("chap-mutual", f"{{ user = u, secret = {S12}, mutual-user = m, mutual-secret = {S12} }}", "object"),
]


@pytest.mark.parametrize(("key", "value", "one"), ARRAYS_14)
def test_what_may_be_one_since_15_must_be_an_array_before(tmp_path: Path, key: str, value: str, one: str) -> None:
    alone, several, wrong = (auth(f"{key} = {written}") for written in (value, f"[{value}]", "5"))
    not_array = f'"{key}" property of auth-group "ag" is not an array'
    assert read(tmp_path, alone, release="14.3").messages == (not_array, UNUSED_AG)
    assert read(tmp_path, wrong, release="15.0").messages == (f"{not_array} or {one}",)
    right = ((several, "14.3"), (several, "15.0"), (alone, "15.0"))
    found = [read(tmp_path, text, release=release) for text, release in right]
    assert [loaded.messages for loaded in found] == [(UNUSED_AG,)] * 3
    groups = [config_of(loaded).auth_groups["ag"] for loaded in found]
    assert groups[0] == groups[1] == groups[2]
    assert groups[0].users or groups[0].initiator_names or groups[0].initiator_portals


def test_a_targets_portal_group_that_is_a_plain_string_means_nothing_before_15(tmp_path: Path) -> None:
    text = target("portal-group = pg; lun = [{number = 0, name = v}]", PG, LUN)
    assert [read(tmp_path, text, release=release).messages for release in BOTH] == [(UNUSED_PG,), ()]
    old, new = configs(tmp_path, text)
    assert [port.name for port in old.targets[T].ports] == [f"default-{T}"]
    assert [port.name for port in new.targets[T].ports] == [f"pg-{T}"]


WAYS = [
    ("array", "lun = [{number = 0, name = v}, {number = 3, name = w}]", {0: "v", 3: "w"}, {0: "v", 3: "w"}),
    ("names by number", "lun { 0 = v, 3 = w }", {}, {0: "v", 3: "w"}),
    ("sections by number", "lun { 5 { path = /a } }", {}, {5: f"{T},lun,5"}),
    ("sections with a name by number", "lun { 0x10 { name = v } }", {}, {16: "v"}),
    ("repeated sections", "lun 0 { name = v }\n lun 1 { name = w }\n", {}, {0: "v", 1: "w"}),
    ("unknown name", "lun = [{number = 0, name = gone}]", {}, None),
    ("no numbers", "lun { a = v }", {}, None),
    ("one plain name", "lun = v", {}, None),
    ("number too large", "lun = [{number = 1024, name = v}]", {}, None),
    ("number twice", "lun = [{number = 0, name = v}, {number = 0, name = w}]", {0: "w"}, None),
]


@pytest.mark.parametrize(("body", "before_15", "since_15"), [case[1:] for case in WAYS], ids=[case[0] for case in WAYS])
def test_the_ways_to_give_a_target_its_luns(
    tmp_path: Path, body: str, before_15: dict[int, str], since_15: dict[int, str] | None
) -> None:
    old, new = (read(tmp_path, target(body, LUNS), release=release) for release in BOTH)
    assert {number: lun.name for number, lun in config_of(old).targets[T].luns.items()} == before_15
    assert (NO_LUNS in old.messages) == (not before_15)
    if since_15 is None:
        assert new.config is None
    else:
        assert {number: lun.name for number, lun in config_of(new).targets[T].luns.items()} == since_15


LUN_WORDS = [
    ("lun = [{number = 0, name = gone}]", (NO_LUNS,), f'unknown LUN named gone used for target "{T}"'),
    ("lun { a = v }", (NO_LUNS,), f'lun key "a" in target "{T}" is invalid'),
    ("lun = [v]", (NO_LUNS,), f'lun section entries in target "{T}" must be objects'),
    (
        "lun = [{number = 2000, name = v}]",
        (f'LU number 2000 in target "{T}" is too big', NO_LUNS),
        f'LUN 2000 too big for target "{T}"',
    ),
    (
        "lun = [{number = 0, name = 5}]",
        (f'lun section in target "{T}" is missing "name" string property', NO_LUNS),
        f'"name" property for lun 0 for target "{T}" is not a string',
    ),
    (
        "lun { 5 { path = 1 } }",
        (f'lun section in target "{T}" is missing "number" integer property', NO_LUNS),
        f'"path" property of lun 5 for target "{T}" is not a string',
    ),
]


@pytest.mark.parametrize(("body", "before_15", "since_15"), LUN_WORDS)
def test_what_is_said_of_wrong_luns(tmp_path: Path, body: str, before_15: tuple[str, ...], since_15: str) -> None:
    text = target(body, LUN)
    assert read(tmp_path, text, release="14.3").messages == before_15
    assert read(tmp_path, text, release="15.0") == Loaded(None, (since_15,))


def test_on_14_an_array_of_portal_groups_hides_as_many_luns(tmp_path: Path) -> None:
    body = "portal-group = [{name = pg}]; lun = [{number = 0, name = v}, {number = 1, name = w}]"
    old, new = configs(tmp_path, target(body, PG, LUNS))
    assert list(old.targets[T].luns) == [1]
    assert list(new.targets[T].luns) == [0, 1]


# --- blindness ---

REPEATED = [
    ("targets", target("alias = a") + f'target "{OTHER}" {{ alias = b }}\n', [T], [T, OTHER]),
    ("luns", "lun a { path = /a }\nlun b { path = /b }\n", ["a"], ["a", "b"]),
]


@pytest.mark.parametrize(("what", "text", "before_15", "since_15"), REPEATED)
def test_of_repeated_sections_14_sees_only_the_first(
    tmp_path: Path, what: str, text: str, before_15: list[str], since_15: list[str]
) -> None:
    old, new = configs(tmp_path, text)
    assert list(getattr(old, what)) == before_15
    assert list(getattr(new, what)) == since_15


def test_repeated_groups_are_seen_as_sections_are(tmp_path: Path) -> None:
    text = "auth-group a { }\nauth-group b { }\nportal-group p { }\nportal-group q { }\n"
    old, new = (read(tmp_path, text, release=release).messages for release in BOTH)
    assert [message.split('"')[1] for message in old] == ["p", "a"]
    assert [message.split('"')[1] for message in new] == ["p", "q", "a", "b"]


def test_a_section_that_comes_twice_is_two_on_14_and_one_on_15(tmp_path: Path) -> None:
    text = f'target {{ "{T}" {{ alias = a }}; "{T}" {{ lun = [{{number = 0, name = v}}] }} }}\n' + LUN
    old, new = configs(tmp_path, text)
    assert (old.targets[T].alias, list(old.targets[T].luns)) == ("a", [])
    assert (new.targets[T].alias, list(new.targets[T].luns)) == ("a", [0])


@pytest.mark.parametrize("release", BOTH)
def test_of_repeated_plain_values_only_the_first_is_seen(tmp_path: Path, release: str) -> None:
    loaded = read(tmp_path, group("listen = 192.0.2.1; listen = 192.0.2.2"), release=release)
    assert [portal.listen for portal in config_of(loaded).portal_groups["pg"].portals] == ["192.0.2.1"]


INCLUDED = f'target {{ "{OTHER}" {{ alias = b }} }}\n'
MERGED = '.include(try=true,duplicate=merge) "/etc/b.conf"\n'


@pytest.mark.parametrize(
    ("text", "before_15"),
    [
        (target("alias = a") + '.include "/etc/b.conf"\n', [T]),
        (target("alias = a") + MERGED, [T, OTHER]),
        (MERGED + target("alias = a"), [OTHER]),
    ],
    ids=["plain include", "merged at the end", "merged before the others"],
)
def test_where_an_included_section_is_seen_on_14(tmp_path: Path, text: str, before_15: list[str]) -> None:
    old, new = configs(tmp_path, text, b=INCLUDED)
    assert list(old.targets) == before_15
    assert set(new.targets) == {T, OTHER}


# --- what nobody notices ---


@pytest.mark.parametrize("release", BOTH)
def test_unknown_keys_mean_nothing(tmp_path: Path, release: str) -> None:
    text = FULL.replace("lun { v {", "lun { v { seriall = 1; option { naa = 1 };") + "nonsense { x = 1 }\ntargets { }\n"
    assert same(read(tmp_path, text, release=release), read(tmp_path, FULL, release=release))


def test_keys_that_only_15_knows_mean_nothing_before(tmp_path: Path) -> None:
    text = "lun { v { path = /a; device-type = cd; ctl-lun = 7 } }\n" + group("foreign = 1; tag = 9; offload = x")
    old, new = configs(tmp_path, text)
    assert (old.luns["v"].device_type, old.luns["v"].ctl_lun) == (0, -1)
    assert (new.luns["v"].device_type, new.luns["v"].ctl_lun) == (5, 7)
    groups = old.portal_groups["pg"], new.portal_groups["pg"]
    assert [(group.foreign, group.tag, group.offload) for group in groups] == [(False, 0, None), (True, 9, "x")]


def test_nvme_is_ignored_before_15_and_not_modelled_since(tmp_path: Path) -> None:
    for text in ("controller { x { } }", "transport-group { x { } }", "auth-group { a { host-nqn = x } }"):
        assert read(tmp_path, text, release="14.3").config is not None
        with pytest.raises(Unmodelled):
            read(tmp_path, text, release="15.0")


@pytest.mark.parametrize("release", BOTH)
def test_values_of_options_are_words_only_in_quotes(tmp_path: Path, release: str) -> None:
    values = 'a = on, b = "on", c = 0x10, d = "0x10", e = 1.5, f = 2s, g = {}, h = null'
    text = f"lun {{ v {{ path = /a; options {{ {values} }} }} }}"
    assert config_of(read(tmp_path, text, release=release)).luns["v"].options == {
        "a": "true",
        "b": "on",
        "c": "16",
        "d": "0x10",
        "e": "1.500000",
        "f": "2.0",
        "g": "object",
        "h": "null",
    }


def test_dscp_in_words_is_zero_on_14_and_refused_on_15(tmp_path: Path) -> None:
    text = group("dscp = af21; pcp = 9")
    old = read(tmp_path, text, release="14.3")
    assert old.messages == ('invalid "pcp" value 9, using default', UNUSED_PG)
    assert (config_of(old).portal_groups["pg"].dscp, config_of(old).portal_groups["pg"].pcp) == (0, None)
    refusal = '"dscp" property value is not a supported textual value'
    assert read(tmp_path, text, release="15.0") == Loaded(None, (refusal,))
    number = config_of(read(tmp_path, group("dscp = 46; pcp = 7"), release="15.0")).portal_groups["pg"]
    assert (number.dscp, number.pcp) == (46, 7)


def test_the_isns_numbers_set_the_login_timeout_on_14(tmp_path: Path) -> None:
    old, new = configs(tmp_path, "timeout = 10; isns-period = 20; isns-timeout = 30")
    assert (old.timeout, old.isns_period, old.isns_timeout) == (30, 900, 5)
    assert (new.timeout, new.isns_period, new.isns_timeout) == (10, 20, 30)


CRASHES = [
    auth("chap = [{ user = u }]"),
    auth("auth-type = 5"),
    auth("initiator-name = [5]"),
    group("listen = [192.0.2.1]; options { a = b }"),
    target(f"chap {{ user = u, secret = {S12} }}"),
    "target { x = [1] }",
    target("port = camsim"),
]


@pytest.mark.parametrize("text", CRASHES)
def test_what_makes_ctld_14_crash_is_not_modelled(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unmodelled):
        read(tmp_path, text, release="14.3")


# --- the file as such ---


@pytest.mark.parametrize("release", BOTH)
def test_an_empty_file_is_a_configuration_in_ucl_too(tmp_path: Path, release: str) -> None:
    assert read(tmp_path, "", release=release).messages == ()
    assert config_of(read(tmp_path, "{}", release=release)).targets == {}


@pytest.mark.parametrize("release", BOTH)
def test_only_the_main_files_permissions_are_looked_at(tmp_path: Path, release: str) -> None:
    text = FULL + MERGED
    assert read(tmp_path, text, release=release, b="debug = 0\n").messages == ()
    loaded = read(tmp_path, text, release=release, mode=0o644, b="debug = 0\n")
    assert loaded.messages == ("/etc/ctl.conf is world-readable",)


ENOENT = "No such file or directory"
PARSE_ERRORS = [
    ("lun {", "/etc/ctl.conf:1 unmatched open brace at 1; ", "No error: 0"),
    ("a = 1\n}", "/etc/ctl.conf:2 object closed with } is not opened with { at line 1", "No error: 0"),
    ('.include "/etc/none.conf"\n', f"cannot open file /etc/none.conf: {ENOENT}", ENOENT),
    ('.try_include "/etc/none.conf"\n', "(null)", ENOENT),
]


@pytest.mark.parametrize(("text", "message", "errno"), PARSE_ERRORS)
def test_a_file_that_cannot_be_parsed_is_refused(tmp_path: Path, text: str, message: str, errno: str) -> None:
    said = f"unable to parse configuration file /etc/ctl.conf: {message}"
    assert read(tmp_path, text, release="15.0") == Loaded(None, (said,))
    assert read(tmp_path, text, release="14.3") == Loaded(None, (f"{said}: {errno}",))


def test_json_is_ucl(tmp_path: Path) -> None:
    tree = {
        "auth-group": {"ag": {"auth-type": "none"}},
        "portal-group": {"pg": {"listen": ["192.0.2.1"]}},
        "lun": {"v": {"path": "/dev/zvol/tank/v"}},
        "target": {T: {"auth-group": "ag", "portal-group": {"name": "pg"}, "lun": [{"number": 0, "name": "v"}]}},
    }
    for release in BOTH:
        assert same(read(tmp_path, json.dumps(tree), release=release), read(tmp_path, FULL, release=release))
