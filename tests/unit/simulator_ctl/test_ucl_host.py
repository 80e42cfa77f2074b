"""A host whose ctld runs with -u: what it exports, how it reloads, and that both grammars say the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.ctl.load import Loaded, load
from tests.simulator.host import SimulatedHost
from tests.simulator.registry import Json
from tests.unit.simulator_ctl.host import GIB, NODE, PREFIX, Host, one_volume

BLOCKS = GIB // 512
SECRET = "secretsecret"
EXITING = "ctld: configuration error; exiting\n"
BOTH = ("14.3", "15.0")
OWN = "/usr/local/etc/freebsd-storage/ctl/demo.conf"
Tree = dict[str, dict[str, Json]]


# --- one configuration, written twice ---


def trees(volumes: int, *, chap: str | None = None) -> Tree:
    """Return a configuration of VOLUMES targets in the form both releases read, without the portal group."""
    groups: dict[str, Json] = {}
    luns: dict[str, Json] = {}
    targets: dict[str, Json] = {}
    for number in range(1, volumes + 1):
        name = f"pvc-{number}"
        groups[f"ag-{name}"] = _auth(chap)
        luns[name] = {
            "path": f"/dev/zvol/tank/csi/{name}",
            "blocksize": 512,
            "serial": f"serial{number}",
            "device-id": f"csi-{name}",
            "options": {"naa": f"0x{number:032x}", "readonly": "on" if number % 2 == 0 else "off"},
        }
        targets[f"{PREFIX}{name}"] = {
            "alias": f"volume {number}",
            "auth-group": f"ag-{name}",
            "portal-group": {"name": "pg0"},
            "lun": [{"number": 0, "name": name}],
        }
    return {"auth-group": groups, "lun": luns, "target": targets}


def _auth(chap: str | None) -> dict[str, Json]:
    names: dict[str, Json] = {"initiator-name": [NODE], "initiator-portal": ["127.0.0.0/8", "192.0.2.0/24"]}
    if chap == "chap":
        return {"chap": [{"user": "u", "secret": SECRET}, {"user": "v", "secret": SECRET}], **names}
    if chap == "chap-mutual":
        user: Json = {"user": "u", "secret": SECRET, "mutual-user": "m", "mutual-secret": SECRET}
        return {"chap-mutual": [user], **names}
    return {"auth-type": "none", **names}


def ucl(tree: Tree) -> str:
    return "".join(f'"{key}": {json.dumps(value)};\n' for key, value in tree.items())


def classic(tree: Tree) -> str:
    return "".join(
        f'{kind} "{name}" {{\n{_entries(section)}}}\n'
        for kind, sections in tree.items()
        for name, section in sections.items()
    )


def _entries(section: Json) -> str:
    assert isinstance(section, dict)
    return "".join(f"  {line}\n" for key, value in section.items() for line in _lines(key, value))


def _lines(key: str, value: Json) -> Iterator[str]:
    """Write one entry of the UCL form as lines of the classic one."""
    for one in value if isinstance(value, list) else [value]:
        if key == "options":
            assert isinstance(one, dict)
            yield from (f'option "{name}" "{text}"' for name, text in one.items())
        elif isinstance(one, dict):
            yield " ".join([key, *(str(word) if isinstance(word, int) else f'"{word}"' for word in one.values())])
        else:
            yield f'{key} "{one}"'


PORTAL_GROUP: Tree = {
    "portal-group": {
        "pg0": {
            "discovery-auth-group": "no-access",
            "discovery-filter": "portal-name",
            # Not after the array: ctld 14 would crash.
            "options": {"a": "b"},
            "listen": ["PORTAL", "[::1]:3261"],
        }
    }
}


def loaded(tmp_path: Path, text: str, release: str, *, in_ucl: bool) -> Loaded:
    path = tmp_path / "ctl.conf"
    path.write_text(text.replace("PORTAL", "127.0.0.1:3260"))
    path.chmod(0o600)
    return load("/etc/ctl.conf", release=release, ucl=in_ucl, resolve=lambda _path: path)


@pytest.mark.parametrize("release", BOTH)
@pytest.mark.parametrize("chap", [None, "chap", "chap-mutual"])
@pytest.mark.parametrize("volumes", [0, 1, 7])
def test_both_grammars_make_the_same_configuration(
    tmp_path: Path, release: str, volumes: int, chap: str | None
) -> None:
    tree = PORTAL_GROUP | trees(volumes, chap=chap)
    in_classic = loaded(tmp_path, classic(tree), release, in_ucl=False)
    in_ucl = loaded(tmp_path, ucl(tree), release, in_ucl=True)
    assert in_classic.config is not None
    assert len(in_classic.config.targets) == volumes
    assert repr(in_ucl) == repr(in_classic)


# --- the daemon ---


def write(host: Host, tree: Tree) -> None:
    """Write the owner's file; ctl.conf has the portal group, and includes it at the end."""
    own = host.machine.path(OWN)
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(ucl(tree))
    host.write(ucl({"portal-group": {"pg0": {"listen": ["PORTAL"]}}}) + f'.include(try=true,duplicate=merge) "{OWN}"\n')


@pytest.fixture(params=BOTH)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host(make_host: Callable[[str], Host], release: str) -> Host:
    """A host whose rc.conf has ctld read UCL; ctld is not running."""
    made = make_host(release)
    made.run("sysrc", "ctld_flags=-u -f /etc/ctl.conf")
    for number in (1, 2):
        made.volume(f"tank/csi/pvc-{number}")
    return made


@pytest.fixture
def exporting(host: Host) -> Host:
    """A running ctld with the one target pvc-1."""
    write(host, trees(1))
    host.start()
    assert host.targets() == [f"{PREFIX}pvc-1"]
    return host


def test_it_exports_what_the_included_file_says(exporting: Host) -> None:
    assert exporting.messages() == []
    assert exporting.run("ps", "-axww", "-o", "args=").out.endswith("/usr/sbin/ctld -u -f /etc/ctl.conf\n")
    initiator = exporting.login()
    assert initiator.reply["ok"] is True
    luns = initiator.reply["luns"]
    assert isinstance(luns, list)
    assert luns == [
        {
            "lun": 0,
            "path": str(exporting.part.kernel.luns[0].medium and exporting.part.kernel.luns[0].medium.host_path),
            "size_bytes": GIB,
            "blocksize": 512,
            "readonly": False,
            "serial": "serial1",
            "device_id": "csi-pvc-1",
        }
    ]
    assert exporting.login(initiator="iqn.1994-09.org.freebsd:node2").reply["text"] == "Authorization failure"


def test_a_reload_reads_ucl_again(exporting: Host) -> None:
    initiator = exporting.login()
    write(exporting, trees(2))
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": BLOCKS, "pvc-2": BLOCKS}
    assert initiator.ask({"op": "rescan"})["ok"] is True
    assert exporting.login(f"{PREFIX}pvc-2").reply["ok"] is True


def test_removing_the_included_file_ends_its_exports(exporting: Host) -> None:
    initiator = exporting.login()
    exporting.machine.path(OWN).unlink()
    exporting.reload()
    assert initiator.closed()
    assert exporting.targets() == []
    assert exporting.messages() == ['portal-group "pg0" not assigned to any target']


def test_growth_of_a_zvol_is_seen_after_a_reload_in_ucl_too(exporting: Host) -> None:
    exporting.volume("tank/csi/pvc-1", 2 * GIB)
    exporting.reload()
    assert exporting.sizes() == {"pvc-1": 2 * BLOCKS}


def test_a_file_that_cannot_be_parsed_changes_nothing_on_reload(exporting: Host) -> None:
    exporting.machine.path(OWN).write_text("target {")
    exporting.reload()
    assert exporting.targets() == [f"{PREFIX}pvc-1"]
    told = exporting.messages()
    assert told[0].startswith(f"unable to parse configuration file /etc/ctl.conf: {OWN}:1 unmatched open brace at 1; ")
    assert told[1] == "configuration error, continuing with old configuration"


def test_what_is_wrong_inside_a_section_goes_live_on_14_only(exporting: Host) -> None:
    tree = trees(2)
    second = tree["target"][f"{PREFIX}pvc-2"]
    assert isinstance(second, dict)
    second["auth-group"] = "gone"
    write(exporting, tree)
    before_15 = exporting.machine.release.major < 15
    tested = exporting.run("ctld", "-t", "-u", "-f", "/etc/ctl.conf")
    said = f'ctld: unknown auth-group "gone" for target "{PREFIX}pvc-2"\n'
    unused = (
        f'ctld: no LUNs defined for target "{PREFIX}pvc-2"\nctld: auth-group "ag-pvc-2" not assigned to any target\n'
    )
    exiting = "ctld: configuration error; exiting\n"
    assert (tested.rc, tested.err) == ((0, said + unused) if before_15 else (1, said + exiting))
    exporting.reload()
    assert exporting.targets() == [f"{PREFIX}pvc-1", *([f"{PREFIX}pvc-2"] if before_15 else [])]


def test_the_administrators_second_section_is_invisible_on_14(exporting: Host) -> None:
    """What follows an included section of the same name is its second; hence the include belongs to the end."""
    theirs = f'target "{PREFIX}theirs" {{ auth-group = no-access; lun = [{{number = 0, name = "pvc-1"}}] }}\n'
    exporting.conf.write_text(exporting.conf.read_text() + theirs)
    exporting.reload()
    shown = set(exporting.targets())
    assert (f"{PREFIX}theirs" in shown) == (exporting.machine.release.major >= 15)


def test_a_staged_file_is_tested_through_a_copy_that_includes_it(exporting: Host) -> None:
    staged = exporting.machine.path(f"{OWN}.staged")
    staged.write_text('"lun": {"pvc-9": {"blocksize": 512}};\n')
    copy = exporting.conf.with_name("ctl.conf.staged")
    copy.write_text(exporting.conf.read_text().replace(OWN, f"{OWN}.staged"))
    copy.chmod(0o600)
    result = exporting.run("ctld", "-t", "-u", "-f", str(copy))
    assert (result.rc, result.err) == (1, f'ctld: missing path for lun "pvc-9"\n{EXITING}')
    assert exporting.run("ctld", "-t", "-u", "-f", "/etc/ctl.conf").err == ""


def test_chap_is_checked_as_ever(host: Host) -> None:
    write(host, trees(1, chap="chap"))
    host.start()
    assert host.login(chap={"user": "u", "secret": SECRET}).reply["ok"] is True
    assert host.login(chap={"user": "u", "secret": "x" * 12}).reply["text"] == "Authentication failure"


def test_classic_text_is_not_told_from_ucl_by_ctld(host: Host) -> None:
    """It parses, and means something else: only the daemon's arguments tell which grammar it reads."""
    host.write(one_volume())
    result = host.run("ctld", "-t", "-u")
    if host.machine.release.major < 15:
        assert result.rc == 0
        assert 'ctld: "initiator-name" property of auth-group "ag0" is not an array\n' in result.err
    host.write("portal-group pg0 { listen PORTAL }\n")
    assert host.run("ctld", "-t", "-u").err == 'ctld: portal-group "pg0" not assigned to any target\n'


def test_ucl_given_to_the_classic_grammar_is_a_syntax_error(host: Host) -> None:
    write(host, trees(1))
    result = host.run("ctld", "-t")
    syntax_error = "ctld: error in configuration file at line 1 near '\"portal-group\"': syntax error\n"
    assert (result.rc, result.err) == (1, syntax_error + EXITING)


# --- the host as a whole ---


@pytest.mark.parametrize("release", BOTH)
def test_a_host_prepared_for_ucl_takes_an_owners_file(release: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sim-", dir="/tmp") as directory:
        root = Path(directory) / "host"
        with SimulatedHost(root, release, grammar="ucl", ssh="none") as host:
            assert host.info["grammar"] == "ucl"
            conf = root / "etc/ctl.conf"
            assert f"/usr/sbin/ctld -u -f {conf}\n" in host.run("ps", "-axww", "-o", "args=")["out"]
            assert conf.stat().st_mode & 0o777 == 0o600
            own = Path(host.info["settings_dir"]) / "ctl/demo.conf"
            tree = trees(1)
            second = tree["target"][f"{PREFIX}pvc-1"]
            assert isinstance(second, dict)
            second["portal-group"] = {"name": host.info["portal_group"]}
            own.write_text(ucl(tree))
            conf.write_text(f'{conf.read_text()}.include(try=true,duplicate=merge) "{own}"\n')
            host.control("reboot")
            assert f"{PREFIX}pvc-1" in {port["target"] for port in host.control("state")["ports"]}
            assert host.control("state")["listening"] == host.info["portals"]
            assert host.control("counters")["unmodelled"] == 0
